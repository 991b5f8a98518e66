"""What the tests of this dialect share: it, its requests and its streams."""

import json
from collections.abc import Iterable
from typing import Any

from tsuji.core import events as ev
from tsuji.core.request import ChatRequest
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Call, Losses

OLLAMA = dialect("ollama")
GENERATE = dialect("ollama.generate")
HI = [{"role": "user", "content": "hi"}]


def parse(body: Any, form: Any = OLLAMA) -> ChatRequest:
    return form.parse_request(json.dumps(body).encode(), None, None)


def call(request: ChatRequest, *, drop: bool = False) -> Call:
    return OLLAMA.render_request(request, NO_QUIRKS, Losses("ollama", drop))


def render(request: ChatRequest, *, drop: bool = False) -> Any:
    return json.loads(call(request, drop=drop).body)


def ask(**fields: Any) -> ChatRequest:
    """A request of another dialect's."""
    return ChatRequest(model="qwen3", **fields)


def line(done: bool = False, **message: Any) -> dict[str, Any]:
    head = {"model": "qwen3", "created_at": "2025-10-26T17:15:24.097767Z"}
    return {**head, "message": {"role": "assistant", "content": "", **message}, "done": done}


COUNTS = {"prompt_eval_count": 11, "eval_count": 18, "total_duration": 174560334}
END = {**line(True), "done_reason": "stop", **COUNTS}


def ndjson(*lines: Any) -> bytes:
    return b"".join([json.dumps(each).encode() + b"\n" for each in lines])


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    at = sorted({cut % (len(body) + 1) for cut in cuts})
    return [body[i:j] for i, j in zip([0, *at], [*at, len(body)], strict=True)]


def events(body: bytes, cuts: Iterable[int] = ()) -> list[ev.Event]:
    parser = OLLAMA.stream_parser(NO_QUIRKS)
    out: list[ev.Event] = []
    for piece in pieces(body, cuts):
        out += parser.feed(piece)
    return out + parser.close()


def spelled(found: list[ev.Event], request: ChatRequest | None = None, form: Any = OLLAMA) -> list[Any]:
    """The lines that events render as."""
    stream = form.stream_renderer(request or ask(stream=True)).render(found)
    assert stream.endswith(b"\n")
    return [json.loads(each) for each in stream.splitlines()]
