"""The keys of a provider that has several: which one is used next, and which ones rest.

A key that is rate-limited or refused rests alone; the provider is not to blame while another key is good.
"""

from collections.abc import Sequence

from tsuji.core.errors import AuthenticationError, PermissionDeniedError, RateLimitError, TsujiError

_REST = 1.0
_LONGEST = 60.0
_REFUSED = 60.0
"""Seconds after which a key that was refused is tried again: it may have been replaced where it is kept."""


class _Key:
    __slots__ = ("rests", "until", "used")

    def __init__(self) -> None:
        self.until = 0.0
        self.rests = 0
        self.used = 0


class KeyPool:
    """Of one provider, in one process. now: seconds, on any one clock."""

    __slots__ = ("_keys", "_turn")

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}
        self._turn = 0

    def pick(self, keys: Sequence[str], now: float) -> str:
        """Of those that do not rest the one that was not used for longest; if all rest, the one that is ready first.

        keys: that there are now, one or more.
        """
        if len(self._keys) > 2 * len(keys):  # they have been replaced
            self._keys = {key: one for key, one in self._keys.items() if key in keys}
        found = [(self._of(key), key) for key in keys]
        state, key = min(found, key=lambda one: (max(one[0].until - now, 0.0), one[0].used))
        self._turn += 1
        state.used = self._turn
        return key

    def worked(self, key: str) -> None:
        self._of(key).rests = 0

    def failed(self, key: str, keys: Sequence[str], error: TsujiError, now: float) -> None:
        """Marks the error as the key's alone, where another key can be used now; where none can, says when one can."""
        state = self._of(key)
        if isinstance(error, RateLimitError):
            seconds = error.retry_after
            if seconds is None:
                seconds = min(_REST * 2.0**state.rests, _LONGEST)
            state.rests = min(state.rests + 1, 10)
        elif isinstance(error, AuthenticationError | PermissionDeniedError):
            seconds = _REFUSED
        else:
            return
        state.until = max(state.until, now + seconds)
        ready = min([max(self._of(other).until - now, 0.0) for other in keys])
        if not ready:
            error.other_key = True
        elif isinstance(error, RateLimitError):
            error.retry_after = ready

    def _of(self, key: str) -> _Key:
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = _Key()
        return found

    def __repr__(self) -> str:
        return f"KeyPool({len(self._keys)} keys)"
