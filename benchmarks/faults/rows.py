"""The 22 rows of the table: what the provider does, what is required, and how it is seen whether that held."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import trustme

from . import behaviours as does
from .provider import RIGHT, Behaviour, Provider


@dataclass
class Outcome:
    """text: all that came. finished: with a finish reason. error: what the caller was told instead of the rest."""

    text: str = ""
    finished: bool = False
    error: str = ""
    model: str = ""
    tokens: int | None = None
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        return self.text == RIGHT and self.finished and not self.error

    def __str__(self) -> str:
        if self.right:
            return f"whole answer in {self.seconds:.1f} s"
        if self.error:
            return f"{'cut, then ' if self.text else ''}error: {self.error[:60]}"
        return "a cut answer that looks finished" if self.finished else "no whole answer"


@dataclass
class Cell:
    """One row asked by one caller in one way. outcomes: in the order of asking. left: when the caller went away."""

    row: "Row"
    stream: bool
    scale: float
    bad: Provider
    good: Provider
    outcomes: list[Outcome] = field(default_factory=list)
    left: float | None = None

    @property
    def name(self) -> str:
        return f"row{self.row.number}-{'stream' if self.stream else 'plain'}"

    @property
    def tries(self) -> list[float]:
        """When, at either provider."""
        return sorted([tried.began for tried in (*self.bad.tries, *self.good.tries)])

    def insists(self) -> str:
        """What is wrong with how often it was tried; "" for nothing."""
        tries = self.tries
        if len(tries) > 6:
            return f"{len(tries)} tries"
        for at in range(len(tries) - 4):
            if tries[at + 4] - tries[at] < 3:
                return f"5 tries in {tries[at + 4] - tries[at]:.1f} s"
        return ""

    def rescued(self) -> str:
        """The same of the answers."""
        wrong = [str(outcome) for outcome in self.outcomes if not outcome.right]
        return "; ".join(wrong[:2])


Ask = Callable[[], Awaitable[Outcome]]
Leave = Callable[[float], Awaitable[None]]
Play = Callable[[Cell, Ask, Leave], Awaitable[None]]
Judge = Callable[[Cell], str]
"""What is wrong; "" for nothing."""


@dataclass
class Row:
    """bad: what the first target does, from a scale of times. url: of a first target that is no server of ours.

    play: how it is asked. waits: it takes longer than 20 s. plain, stream: asked so. left: needs a caller that can go.
    quick: of `scale` that the times of the row may be made shorter by in a test.
    """

    number: str
    fault: str
    required: str
    bad: Callable[[float], Behaviour]
    judge: Judge
    good: Behaviour = does.good
    play: Play | None = None
    url: str = ""
    plain: bool = True
    stream: bool = True
    waits: bool = False
    leaves: bool = False
    expired: bool = False
    prefill: bool = False
    window: bool = False
    hedge: bool = False


def plainly(behaviour: Behaviour) -> Callable[[float], Behaviour]:
    return lambda _: behaviour


async def once(cell: Cell, ask: Ask, _: Leave) -> None:
    cell.outcomes.append(await ask())


async def twice(cell: Cell, ask: Ask, _: Leave) -> None:
    for _n in range(2):
        cell.outcomes.append(await ask())


async def through_an_outage(cell: Cell, ask: Ask, _: Leave) -> None:
    cell.bad.reset_clock()
    began = time.monotonic()
    while time.monotonic() - began < 92 * cell.scale:
        cell.outcomes.append(await ask())
        await asyncio.sleep(cell.scale)


async def leaving(cell: Cell, _: Ask, leave: Leave) -> None:
    await leave(0.4)
    cell.left = time.monotonic()
    await asyncio.sleep(1.5)


async def warmed_up(cell: Cell, ask: Ask, _: Leave) -> None:
    for _n in range(41):
        cell.outcomes.append(await ask())


def both(*judges: Judge) -> Judge:
    return lambda cell: "; ".join([wrong for judge in judges if (wrong := judge(cell))])


def _rescued(cell: Cell) -> str:
    return cell.rescued()


def _insists(cell: Cell) -> str:
    return cell.insists()


def _waited(cell: Cell) -> str:
    tries = [tried.began for tried in cell.bad.tries]
    early = len(tries) > 1 and tries[1] - tries[0] < 1.8
    return f"asked again after {tries[1] - tries[0]:.2f} s" if early else ""


def _tried(times: int) -> Judge:
    return lambda cell: "" if len(cell.bad.tries) == times else f"{len(cell.bad.tries)} tries at the target"


def _alone(cell: Cell) -> str:
    return f"{len(cell.good.tries)} tries elsewhere" if cell.good.tries else ""


def _within(seconds: float) -> Judge:
    def judge(cell: Cell) -> str:
        took = max([outcome.seconds for outcome in cell.outcomes])
        return f"took {took:.1f} s" if took > seconds else ""

    return judge


def _told_filter(cell: Cell) -> str:
    told = cell.outcomes[0].error
    return "" if "content" in told.lower() and not cell.outcomes[0].text else f"told {told!r}"


def _no_prefill_error(cell: Cell) -> str:
    return "the prefill error was told" if "prefill" in cell.outcomes[0].error else ""


def _usage(cell: Cell) -> str:
    tokens = cell.outcomes[0].tokens
    return "" if tokens else "no usage"


def _theirs(cell: Cell) -> str:
    got = cell.outcomes[0]
    return "" if ("good" in got.model and got.tokens == 60) else f"model {got.model}, {got.tokens} tokens"


def _circuit(cell: Cell) -> str:
    down, end = 60 * cell.scale, 92 * cell.scale
    since = [tried.began - cell.tries[0] for tried in cell.bad.tries]
    during, after = [s for s in since if s < down], [s for s in since if down <= s < end]
    wrong = []
    if len(during) > len(cell.outcomes) / 2:
        wrong.append(f"{len(during)} tries while it was down")
    if not after or after[0] > down + 30 * cell.scale:
        wrong.append("not asked again within 30 s of its recovery")
    return "; ".join(wrong)


def _opened(cell: Cell) -> str:
    """After it was not there, it is passed over."""
    return "" if cell.bad.opened <= 2 else f"dialled {cell.bad.opened} times"


def _closed(cell: Cell) -> str:
    left, wrong = cell.left or 0.0, []
    late = [tried.closed for tried in cell.bad.tries if tried.closed is None or tried.closed - left > 0.1]
    if not cell.bad.tries:
        wrong.append("it was not asked")
    if late:
        wrong.append(f"upstream closed after {late[0] - left:.2f} s" if late[0] else "upstream stayed open")
    if cell.good.tries or len(cell.bad.tries) > 1:
        wrong.append("another try")
    return "; ".join(wrong)


def _no_more(cell: Cell) -> str:
    later = [began for began in cell.tries if began > (cell.left or 0.0)]
    return f"{len(later)} more tries" if later else ""


def _hedged(cell: Cell) -> str:
    slow = max([outcome.seconds for outcome in cell.outcomes])
    wrong = []
    if slow > 2:
        wrong.append(f"the slow one took {slow:.1f} s")
    if len(cell.good.tries) > 3:
        wrong.append(f"{len(cell.good.tries)} hedges")
    return "; ".join(wrong)


async def refuses(_: Any) -> None:
    raise AssertionError("nothing listens here")


def expired() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ended = datetime.now(UTC) - timedelta(days=1)
    certificate = trustme.CA().issue_cert("127.0.0.1", not_after=ended)
    certificate.configure_cert(context)
    return context


IMPATIENT = both(_rescued, _tried(1))
ROWS = [
    Row("1", "429 with Retry-After: 2, once", "no second try before 1.8 s; rescued", plainly(does.limited_once),
        both(_rescued, _waited)),
    Row("2", "429 for ever", "at most 6 tries, 4 in 3 s; rescued", plainly(does.limited), both(_rescued, _insists)),
    Row("3", "500 once", "one retry on the same target", plainly(does.fails_once), both(_rescued, _tried(2), _alone)),
    Row("4", "503 for ever", "at most 6 tries; rescued", plainly(does.overloaded), both(_rescued, _insists)),
    Row("5", "TCP reset before headers", "rescued", plainly(does.resets_once), both(_rescued, _insists)),
    Row("6", "accepts, never answers", "not tried twice; rescued", plainly(does.silent), IMPATIENT),
    Row("7", "headers at once, first token after 20 s", "rescued within 15 s", does.late, both(_rescued, _within(15))),
    Row("8", "dies after 40 of 60 tokens", "rescued, whole", plainly(does.dies), _rescued),
    Row("9", "stalls after 20 tokens", "rescued within 30 s, well after", plainly(does.stalls_once),
        both(_rescued, _within(30)), play=twice),
    Row("10", "one malformed event", "recovered or rescued", plainly(does.malformed), _rescued),
    Row("11", "complete without [DONE], stays open", "finished promptly, with usage", plainly(does.endless),
        both(_rescued, _usage, _within(5)), plain=False),
    Row("12", "context length exceeded", "no retry there; rescued", plainly(does.too_long), IMPATIENT, window=True),
    Row("13", "content filter", "not retried; the reason is told", plainly(does.filtered),
        both(_told_filter, _tried(1), _alone)),
    Row("14", "dies; the fallback takes no prefill", "rescued; no prefill error", plainly(does.dies),
        both(_rescued, _no_prefill_error), good=does.good_without_prefill, prefill=True),
    Row("15", "down for a minute", "fallback serves, probed, back within 30 s",
        lambda scale: does.down(60 * scale), both(_rescued, _circuit), play=through_an_outage, waits=True),
    Row("16", "503, the fallback answers", "model and usage are the fallback's", plainly(does.overloaded),
        both(_rescued, _theirs)),
    Row("17a", "error in a 200 before content", "rescued", lambda _: does.breaks(0), both(_rescued, _insists)),
    Row("17b", "error in a 200 after 20 tokens", "rescued", lambda _: does.breaks(20), _rescued, plain=False),
    Row("18a", "an HTML page", "rescued", plainly(does.web_page), IMPATIENT),
    Row("18b", "wrong content type", "rescued", plainly(does.wrong_type), IMPATIENT),
    Row("18c", "truncated JSON", "rescued", plainly(does.truncated), both(_rescued, _insists)),
    Row("18d", "gzip garbage", "rescued", plainly(does.not_gzip), both(_rescued, _insists)),
    Row("19", "a token every 10 s", "rescued within 45 s", does.drips, both(_rescued, _within(45)), waits=True),
    Row("20a", "expired certificate", "rescued at once, circuit opens", plainly(does.good),
        both(_rescued, _within(20), _opened), play=twice, expired=True),
    Row("20b", "a name that does not resolve", "rescued at once", plainly(refuses), both(_rescued, _within(20)),
        url="http://no-such-host.invalid/v1"),
    Row("20c", "connection refused", "rescued at once", plainly(refuses), both(_rescued, _within(20)),
        url="http://127.0.0.1:9/v1"),
    Row("21a", "the client leaves in the middle", "upstream closed within 0.1 s, no further try",
        plainly(does.long_winded), _closed, play=leaving, leaves=True),
    Row("21b", "the client leaves between tries", "no further try", plainly(does.limited), _no_more,
        good=does.limited, play=leaving, leaves=True),
    Row("22", "slower than its usual 95 %", "hedged, at most 5 %", lambda _: does.slow_once(41, 4.0),
        both(_rescued, _hedged), play=warmed_up, hedge=True, waits=True),
]  # fmt: skip
