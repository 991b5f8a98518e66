"""Kinds of requests: what is done to each, and which outcomes that explains.

A request says its kind and its number in the prompt, `[[KIND:NUMBER]]`; the upstream reads them there and does its
part. A kind that ends in `-once` is done by the first of the route's two targets only.
"""

import re
from dataclasses import dataclass

MARK = re.compile(rb"\[\[([a-z-]+):(\d+)\]\]")
DONE, CUT, LEFT = "done", "cut", "left"
"""Outcomes, beside the HTTP statuses of refusals: all was there; broken off with an error event; the client left."""
BROKEN, HUNG, REFUSED, WRONG = "broken off", "no answer in time", "not connected", "another's answer"
"""Outcomes that nothing explains."""
CHUNKS = 10
CHUNK_SECONDS = 0.02
BURST = 2000
FAULTS_AFTER = 3
"""Chunks of a stream, before what breaks it."""


@dataclass(frozen=True)
class Kind:
    """side: who does it, "upstream" or "client". stream: it is a stream; None: either. outcomes: that it explains.

    recorded: statuses that the ledger may have for it; empty: it need not have it. weight: how often, among faults.
    """

    name: str
    side: str
    what: str
    stream: bool | None
    outcomes: frozenset[str]
    recorded: frozenset[str]
    weight: int = 10


def _kind(name: str, side: str, what: str, stream: bool | None, outcomes: str, recorded: str, weight: int = 10) -> Kind:
    explained, kept = frozenset(outcomes.split("/")), frozenset(recorded.split("/")) - {""}
    return Kind(name, side, what, stream, explained, kept, weight)


_UP, _BY = "upstream", "client"
_ENDED = "cancelled/done"
"""On a busy machine all may be on its way before the gateway hears that the client has left."""
KINDS = [
    _kind("error-once", _UP, "500 by the first target", None, DONE, "done"),
    _kind("error", _UP, "500 by both targets", None, "500", "failed"),
    _kind("limited-once", _UP, "429 by the first target", None, DONE, "done"),
    _kind("limited", _UP, "429 by both", None, "429", "failed"),
    _kind("reset-once", _UP, "connection reset before an answer, first target", None, DONE, "done"),
    _kind("reset", _UP, "connection reset before an answer, both", None, "502", "failed"),
    _kind("stall-once", _UP, "no answer, first target", None, DONE, "done", 3),
    _kind("stall", _UP, "no answer, both", None, "504", "failed", 3),
    _kind("page-once", _UP, "a web page as an answer, first target", None, DONE, "done"),
    _kind("page", _UP, "a web page as an answer, both", None, "502", "failed"),
    _kind("late", _UP, "answer begins 0.7 s late", None, DONE, "done"),
    _kind("short", _UP, "whole answer shorter than its length, both", False, "502", "failed"),
    _kind("half", _UP, "half of a JSON document, both", False, "502", "failed"),
    _kind("cut", _UP, "stream ends in the middle", True, CUT, "cut"),
    _kind("torn", _UP, "stream reset in the middle of an event", True, CUT, "cut"),
    _kind("hang", _UP, "stream stands still in the middle", True, CUT, "cut", 3),
    _kind("event", _UP, "error event in the middle", True, CUT, "cut"),
    _kind("garbled", _UP, "an event that is no JSON in the middle", True, f"{CUT}/{DONE}", "cut/done"),
    _kind("slow", _UP, "stream of 2.5 s", True, DONE, "done"),
    _kind("leave", _BY, "leaves before the answer", None, LEFT, "cancelled"),
    _kind("leave-stream", _BY, "leaves in the middle of a stream", True, LEFT, _ENDED),
    _kind("reset-stream", _BY, "resets in the middle of a stream", True, LEFT, _ENDED),
    _kind("slow-reader", _BY, f"reads nothing of {BURST} chunks for 1 s", True, DONE, "done", 3),
    _kind("trickle", _BY, "sends its request in pieces, for 1 s", None, DONE, "done"),
    _kind("part", _BY, "leaves in the middle of its request", None, LEFT, ""),
    _kind("not-json", _BY, "a body that is no JSON", None, "400", ""),
    _kind("no-key", _BY, "an unknown key", None, "401", ""),
]
PLAIN = _kind("plain", "", "nothing", None, DONE, "done")
BY_NAME = {kind.name: kind for kind in [PLAIN, *KINDS]}


INPUT_TOKENS = 9
"""That the upstream reports for every request."""


def tokens(number: int) -> int:
    """Output tokens that the upstream reports for a request, so that the ledger's can be checked."""
    return number % 97 + 1
