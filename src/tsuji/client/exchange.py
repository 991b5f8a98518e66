"""One call, from its route to its end, with no I/O of its own: the blocking and the asyncio client are its drivers.

advance()          the next Trial, or seconds to wait first; raises the error of the whole call
hedge(trial)       a second Trial beside it, when the first is slow
left()             the caller wants no more of it
"""

from collections.abc import Mapping
from random import random
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar

import msgspec

from tsuji.config import Config
from tsuji.core.errors import InvalidRequestError, TsujiError
from tsuji.core.parts import Text
from tsuji.core.request import ChatRequest
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Asked, Choice, Fail, Health, Route, Routing, Try, Wait
from tsuji.routing.continuation import Continuation
from tsuji.routing.machine import Delivered

from .jobs import ChatJob, Job
from .trace import Trace
from .trial import Trial
from .upstreams import Upstreams

Answer = TypeVar("Answer")
_LETTERS = 4
"""Of a token, about."""
_AT_ONCE = ("none", "minimal")
"""Efforts of a model that does not think first."""


class Exchange(Generic[Answer]):
    """settings: the fields of options.Target that the call gave, its client's defaults filled in. health: the client's.
    choice: of the route's targets; None for all, in its order. so_far: what a stream has delivered; None before it has
    begun. lock: on `routing`, where two tries run in threads.
    """

    __slots__ = ("_job", "config", "drop", "lock", "routing", "settings", "so_far", "trace", "upstreams")

    def __init__(
        self,
        config: Config,
        upstreams: Upstreams,
        job: Job[Answer],
        route: Route,
        settings: Mapping[str, Any],
        health: Health,
        choice: Choice | None = None,
    ) -> None:
        if len(route.targets) > 1:
            for name in ("api_key", "api_base"):
                if settings.get(name):
                    raise InvalidRequestError(
                        f"{name} fits one provider, and route {route.name!r} has {len(route.targets)} targets; set it "
                        f"in the configuration of each provider",
                        param=name,
                    )
        now = monotonic()
        self.config = config
        self.upstreams = upstreams
        self.settings = settings
        self.so_far: Continuation | None = None
        self.lock = Lock()
        self._job = job
        asked = _asked(job) if len(route.targets) > 1 else None
        self.routing = Routing(route, now, health, choice, random, asked)
        given = settings.get("timeout")
        if given is not None:
            total = given.total if isinstance(given, Timeouts) else timeouts_of(given, Timeouts()).total
            self.routing.deadline = min(self.routing.deadline, now + total)
        self.trace = Trace(self.routing, config, now)
        drop = settings.get("drop_params")
        if drop is None:
            drop = config.drop_params if route.drop_params is None else route.drop_params
        self.drop: bool = drop

    @property
    def request(self) -> ChatRequest | None:
        """The caller's, of a chat."""
        return self._job.request if isinstance(self._job, ChatJob) else None

    @property
    def delivered(self) -> Delivered:
        """What of the answer has reached the caller."""
        return "nothing" if self.so_far is None else self.so_far.delivered

    def advance(self) -> Trial[Answer] | float:
        """The next try; or seconds to wait before this is called again. Raises the error of the call at its end."""
        now = monotonic()
        action = self.routing.next(now)
        if isinstance(action, Fail):
            self.trace.ended = now
            raise self._told(action.error)
        if isinstance(action, Wait):
            return max(action.until - now, 0.001)
        return self._trial(action, now)

    def hedge(self) -> Trial[Answer] | None:
        """A try beside the one that runs, if there is one to be made."""
        now = monotonic()
        with self.lock:
            action = self.routing.hedge(now)
        return None if action is None else self._trial(action, now)

    def _trial(self, action: Try, now: float) -> Trial[Answer]:
        timeouts = timeouts_of(self.settings.get("timeout"), action.timeouts)
        left = self.routing.deadline - now
        if action.number > 1 and timeouts.total > left:
            timeouts = msgspec.structs.replace(timeouts, total=max(left, 0.001))
        job: Any = self._job
        if action.mode != "fresh" and self.so_far is not None:
            job = ChatJob(self.so_far.request(action.mode), job.prefer)
        return Trial(self, action, job, timeouts)

    def left(self) -> None:
        """The caller wants no more: what runs is to be closed by the driver, and nothing else is tried."""
        self.routing.left(monotonic())
        self.trace.ended = monotonic()

    def _told(self, error: TsujiError) -> TsujiError:
        """With what was tried, where that was more than one thing."""
        tries = [f"{a.target.name} ({a.error.kind})" for a in self.trace.attempts if a.error is not None]
        if len(tries) > 1:
            error.add_note(f"Tried in this order: {', '.join(tries)}")
        return error


def timeouts_of(given: float | Timeouts | None, otherwise: Timeouts) -> Timeouts:
    """A number is the limit of the whole call, and of waiting for anything in it."""
    if given is None:
        return otherwise
    if isinstance(given, Timeouts):
        return given
    if isinstance(given, bool) or not _is_positive(given):
        raise InvalidRequestError(f"timeout must be a positive number of seconds, not {given!r}", param="timeout")
    return Timeouts(connect=min(otherwise.connect, given), first_byte=given, idle=given, total=given)


def _is_positive(given: Any) -> bool:
    return isinstance(given, int | float) and given > 0


def _asked(job: Job[Any]) -> Asked:
    """What says how long an answer may take."""
    if not isinstance(job, ChatJob):
        return Asked(stream=False)
    request = job.request
    letters = sum([len(p.text) for m in request.messages for p in m.content if type(p) is Text])
    return Asked(job.stream, _thinks(request), letters // _LETTERS, request.max_tokens)


def _thinks(request: ChatRequest) -> bool | None:
    asked = request.reasoning
    if asked is None:
        return None
    if asked.effort in _AT_ONCE or asked.enabled is False:
        return False
    return True if asked.effort is not None or asked.budget or asked.enabled or asked.adaptive else None
