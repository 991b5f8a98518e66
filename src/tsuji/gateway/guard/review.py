"""A stream of events that waits for guardrails that ask: they are asked at so many characters each, and at its end."""

import asyncio
from collections.abc import Callable

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import TsujiError, UpstreamProtocolError
from tsuji.gateway.faults import ours

from .guard import Guard
from .stream import Filter

_MAX_HELD = 8 * 1024 * 1024
_BEFORE = 500
"""Characters that are shown to those that ask, of what passed before."""
_Key = tuple[int, int, bool]
"""Choice and index of a part; whether it is a call's arguments."""


class Stream:
    """`feed` events; `deliver` is given those that may pass, at once or later. `fail` is told why nothing more will.

    waiting: some have not been let pass yet.
    """

    def __init__(
        self, guard: Guard, deliver: Callable[[list[ev.Event]], None], fail: Callable[[TsujiError], None]
    ) -> None:
        self._guard = guard
        self._filter = Filter(guard)
        self._deliver = deliver
        self._fail = fail
        self._askers = guard.answers.askers
        every = [asker.config.every for asker in self._askers]
        self._every = 0 if 0 in every else min(every, default=0)
        self._held: list[ev.Event] = []
        self._size = 0
        self._ended = False
        self._before = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        return self._task is not None

    def feed(self, events: list[ev.Event]) -> None:
        """Raises ContentFilterError where a check blocks that asks no one."""
        events = self._filter.feed(events)
        if not self._askers:
            self._deliver(events)
            return
        for event in events:
            if type(event) is ev.StreamFailed:  # what has not been let pass stays here
                self.cancel()
                self._deliver([event])
                return
            self._held.append(event)
            self._size += len(_said(event))
            self._ended = self._ended or type(event) is ev.Ended
        if self._size > _MAX_HELD:
            raise UpstreamProtocolError(f"more than {_MAX_HELD} characters wait for a guardrail's answer")
        if self._task is None and self._held:
            if not self._size:
                held, self._held = self._held, []
                self._deliver(held)
            elif self._due():
                self._task = asyncio.get_running_loop().create_task(self._review())

    def cancel(self) -> None:
        self._held, self._size = [], 0
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _due(self) -> bool:
        return bool(self._held) and (self._ended or (self._every > 0 and self._size >= self._every))

    async def _review(self) -> None:
        try:
            while self._due():
                held, self._held, self._size = self._held, [], 0
                passed = await self._asked(held)
                if not self._due():
                    self._task = None
                self._deliver(passed)
        except Exception as error:
            self._task = None
            self._fail(ours(error))

    async def _asked(self, events: list[ev.Event]) -> list[ev.Event]:
        spoken: dict[_Key, str] = {}
        for event in events:
            if (text := _said(event)) and (key := _key(event)) is not None:
                spoken[key] = spoken.get(key, "") + text
        if not spoken:
            return events
        before = tuple(spoken.values())
        said = before
        for asker in self._askers:
            said = await self._guard.consult(asker, "output", said, self._before)
        self._before = (self._before + "\n".join(said))[-_BEFORE:]
        return events if said == before else _rewritten(events, dict(zip(spoken, said, strict=True)))


def _rewritten(events: list[ev.Event], said: dict[_Key, str]) -> list[ev.Event]:
    """All that a part says here stands in its first delta."""
    out: list[ev.Event] = []
    for event in events:
        key = _key(event)
        if key is None or (key not in said and not _said(event)):
            out.append(event)
        elif text := said.pop(key, ""):
            new = {"json": text} if isinstance(event, ev.ArgumentsDelta) else {"text": text}
            out.append(msgspec.structs.replace(event, **new))
    return out


def _key(event: ev.Event) -> _Key | None:
    if isinstance(event, ev.TextDelta | ev.ArgumentsDelta):
        return event.choice, event.index, isinstance(event, ev.ArgumentsDelta)
    return None


def _said(event: ev.Event) -> str:
    if isinstance(event, ev.TextDelta):
        return event.text
    return event.json if isinstance(event, ev.ArgumentsDelta) else ""
