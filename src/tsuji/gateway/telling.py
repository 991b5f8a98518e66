"""Header lines of an answer: what happened on the way to it."""

from time import perf_counter
from typing import TYPE_CHECKING

from tsuji.core.errors import TsujiError

from . import reply
from .explaining import ASKED, explain_line

if TYPE_CHECKING:
    from .destination import Destination
    from .driver import Driver
    from .sink import Sink


def lines(driver: "Driver", destination: "Destination", cost: bytes | None) -> bytes:
    now = perf_counter()
    driver.spent += now - driver.mark
    driver.mark = now
    out = b"%bx-tsuji-attempts: %d\r\nx-tsuji-overhead-us: %d\r\n" % (
        destination.lines,
        len(driver.routing.attempts),
        driver.spent * 1e6,
    )
    if cost is not None:
        out += b"x-tsuji-cost: %b\r\n" % cost
    if driver.visit is not None:
        out += driver.visit.lines()
    if driver.dropped:
        out += b"x-tsuji-dropped: %b\r\n" % reply.value(", ".join(driver.dropped))
    if driver.guard is not None:
        out += driver.guard.line()
    if ASKED in driver.request.headers:
        out += explain_line(driver)
    return out


def refusal(driver: "Driver", sink: "Sink | None", error: TsujiError) -> tuple[bytes, bytes]:
    """Head and body of an answer that says that no target has answered. sink: of the last try."""
    original = sink.original(error) if sink is not None else None
    if original is not None:
        head, body = original
    else:
        head = reply.status_line(reply.error_status(error)) + reply.JSON
        body = driver.dialect.render_error(error)
    tried = driver.routing.attempts
    target = b"x-tsuji-target: %b\r\n" % reply.value(tried[-1].target.name) if tried else b""
    now = perf_counter()
    driver.spent += now - driver.mark
    counted = b"x-tsuji-attempts: %d\r\nx-tsuji-overhead-us: %d\r\n" % (len(tried), driver.spent * 1e6)
    guarded = driver.guard.line() if driver.guard is not None else b""
    return head + reply.error_lines(error) + target + counted + guarded + explain_line(driver), body
