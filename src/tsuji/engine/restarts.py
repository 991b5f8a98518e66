"""When a model that keeps crashing may be started again: a pure decision."""

from collections.abc import Sequence

_CRASHES = 3
_WINDOW = 60.0
COOL_DOWN = 30.0


def cooldown(crashes: Sequence[float], now: float) -> float:
    """Seconds to wait before the next start, 0 if it may be now.

    crashes: when it crashed, in order, on the clock of `now`, in seconds. Three within a minute are a loop.
    """
    recent = crashes[-_CRASHES:]
    if len(recent) < _CRASHES or recent[-1] - recent[0] > _WINDOW:
        return 0.0
    return max(0.0, recent[-1] + COOL_DOWN - now)
