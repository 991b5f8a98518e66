"""Short ways to the dialect, shared by its tests."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tsuji.core import events as ev
from tsuji.core.parts import Message, Part, Text
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

GEMINI = dialect("gemini")


def parse(body: dict[str, Any], model: str | None = "gemini-3-flash", stream: bool | None = False) -> ChatRequest:
    return GEMINI.parse_request(json.dumps(body).encode(), model, stream)


def render(request: ChatRequest, losses: Losses | None = None, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
    return json.loads(GEMINI.render_request(request, quirks, losses or Losses("gemini")).body)


def there_and_back(body: dict[str, Any]) -> dict[str, Any]:
    return render(parse(body))


def says(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    """A request of one content."""
    return {"contents": [{"role": role, "parts": list(parts)}]}


def ask(*messages: Message, model: str = "gemini-2.5-flash", **fields: Any) -> ChatRequest:
    """A request that no Gemini client wrote."""
    return ChatRequest(model=model, messages=messages or (user("hi"),), **fields)


def user(*parts: str | Part) -> Message:
    return Message("user", tuple([Text(p) if isinstance(p, str) else p for p in parts]))


def answer(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0, **candidate}],
        "modelVersion": "gemini-3-flash",
        "responseId": "r1",
    }


def read(body: Any) -> ChatResponse:
    return GEMINI.parse_response(json.dumps(body).encode(), NO_QUIRKS)


def write(response: ChatResponse) -> dict[str, Any]:
    return json.loads(GEMINI.render_response(response))


def sse(*chunks: Any) -> bytes:
    return b"".join([b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks])


def events(body: bytes, cuts: Iterable[int] = ()) -> list[ev.Event]:
    """All events of a stream that arrives in the pieces that `cuts` make."""
    parser = GEMINI.stream_parser(NO_QUIRKS)
    out: list[ev.Event] = []
    for piece in pieces(body, cuts):
        out += parser.feed(piece)
    return out + parser.close()


def pieces(body: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for cut in sorted({min(cut, len(body)) for cut in cuts}):
        yield body[at:cut]
        at = cut
    yield body[at:]


def chunks(body: bytes) -> list[dict[str, Any]]:
    """What a rendered stream says, event by event."""
    return [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\r\n\r\n") if line]
