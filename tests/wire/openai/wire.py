"""Shorthand for the tests of this dialect: bytes in and out as JSON."""

import json
from typing import Any

from tsuji.core.events import Event
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

DIALECT = dialect("openai")


def parse(body: Any, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    return DIALECT.parse_request(json.dumps(body).encode(), model, stream)


def render(request: ChatRequest, quirks: Quirks = NO_QUIRKS, losses: Losses | None = None) -> Any:
    call = DIALECT.render_request(request, quirks, losses or Losses("openai"))
    assert (call.method, call.path, call.headers) == ("POST", "/chat/completions", ())
    return json.loads(call.body)


def answer(body: Any, quirks: Quirks = NO_QUIRKS) -> ChatResponse:
    return DIALECT.parse_response(json.dumps(body).encode(), quirks)


def said(response: ChatResponse) -> Any:
    return json.loads(DIALECT.render_response(response))


def chunks(*bodies: Any, done: bool = True) -> bytes:
    """An event stream of chunks; each is the `delta` of choice 0, or a whole chunk."""
    out = b""
    for body in bodies:
        whole = body if "choices" in body or "error" in body else {"choices": [{"index": 0, "delta": body}]}
        out += b"data: " + json.dumps({"id": "c1", "model": "m", "created": 7, **whole}).encode() + b"\n\n"
    return out + (b"data: [DONE]\n\n" if done else b"")


def finish(reason: str | None = "stop", **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason, **choice}]}


def read(stream: bytes, quirks: Quirks = NO_QUIRKS, step: int | None = None) -> list[Event]:
    parser = DIALECT.stream_parser(quirks)
    out: list[Event] = []
    for at in range(0, len(stream), step or len(stream) or 1):
        out += parser.feed(stream[at : at + (step or len(stream))])
    return out + parser.close()


def datas(stream: bytes) -> list[Any]:
    """The data of each event of a rendered stream; "[DONE]" as it is."""
    assert stream.endswith(b"\n\n")
    found = stream.decode().removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("data: ") for event in found)
    return [event[6:] if event == "data: [DONE]" else json.loads(event[6:]) for event in found]
