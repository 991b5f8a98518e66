"""Why a request went where it went, told to who asks and may know, and kept with the record of its usage.

It names targets that did not answer, and says what is known of them: health, limits, costs. So a virtual key must be
made for it; whoever has a key of the configuration, or needs none, is the gateway's own.
"""

from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from tsuji.routing.explain import explained, line

if TYPE_CHECKING:
    from .driver import Driver
    from .request import Request

ASKED = b"x-tsuji-explain"
_NO = (b"", b"0", b"false", b"off")


def explain_line(driver: "Driver") -> bytes:
    """A header line of the answer; b"" for a request that did not ask. Of a stream: as far as its head knows."""
    request = driver.request
    if request.headers.get(ASKED, b"").lower() in _NO:
        return b""
    if not may_know(request):
        return b'x-tsuji-explain: {"error":"this key is not for explanations"}\r\n'
    routing = driver.routing
    record = explained(routing.route, routing.choice, routing.attempts, driver.began)
    return b"x-tsuji-explain: %b\r\n" % line(record)


def may_know(request: "Request") -> bool:
    return request.grant is None or request.grant.key.scopes.explain


def kept(driver: "Driver") -> dict[str, Any] | None:
    """For the ledger; None where there is nothing to explain: no choice was made, and there was no second try."""
    routing = driver.routing
    choice, attempts = routing.choice, routing.attempts
    if choice.needs is None and len(attempts) < 2 and not any(one.at for one in attempts):
        return None
    return to_builtins(explained(routing.route, choice, attempts, driver.began))
