"""What the tests of this dialect share: it, its streams, and a request and an answer that have everything."""

import json
from collections.abc import Iterable
from typing import Any

from tsuji.core import events as ev
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.sse import SSEParser

COHERE = dialect("cohere")
HI = [{"role": "user", "content": "hi"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CALL = {"id": "weather_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Kyoto"}'}}
SOURCE = {"type": "document", "id": "doc:0", "document": {"id": "doc:0", "title": "Towns", "snippet": "Kyoto is old."}}
CITATION = {"start": 0, "end": 5, "text": "Kyoto", "sources": [SOURCE], "content_index": 1, "type": "TEXT_CONTENT"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FULL: dict[str, Any] = {
    "model": "command-a-03-2025",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Which town is old?"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Kyoto is."}],
            "citations": [CITATION],
        },
        {"role": "user", "content": "And its weather?"},
        {"role": "assistant", "tool_plan": "I will ask for the weather.", "tool_calls": [CALL]},
        {
            "role": "tool",
            "tool_call_id": "weather_1",
            "content": [{"type": "document", "document": {"data": '{"sky":"clear"}', "id": "w"}}],
        },
        {"role": "assistant", "content": "It is fine."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
                },
            ],
        },
    ],
    "tools": [TOOL],
    "strict_tools": True,
    "tool_choice": "REQUIRED",
    "documents": [
        "a text alone",
        {"data": {"text": "Kyoto is old.", "title": "Towns"}, "id": "d1"},
        {"data": {"body": "Nara too.", "year": 710}},
    ],
    "citation_options": {"mode": "ACCURATE"},
    "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
    "safety_mode": "STRICT",
    "max_tokens": 100,
    "stop_sequences": ["END"],
    "temperature": 0.3,
    "seed": 7,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "k": 40,
    "p": 0.7,
    "logprobs": True,
    "thinking": {"type": "enabled", "token_budget": 500},
    "priority": 1,
    "raw_prompting": False,
    "stream": False,
}
USAGE = {
    "billed_units": {"input_tokens": 33, "output_tokens": 22},
    "tokens": {"input_tokens": 1452, "output_tokens": 33},
    "cached_tokens": 144,
}
LOGPROBS = [
    {"text": "Kyoto", "token_ids": [1, 2], "logprobs": [-0.25, -0.5]},
    {"text": " is", "token_ids": [3], "logprobs": [-1.0]},
]
WHOLE: dict[str, Any] = {
    "id": "c14c80c3",
    "finish_reason": "TOOL_CALL",
    "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Kyoto is."}],
        "tool_plan": "I will ask.",
        "tool_calls": [CALL],
        "citations": [CITATION, {**CITATION, "type": "PLAN"}],
    },
    "usage": USAGE,
    "logprobs": LOGPROBS,
}


def told(kind: str, index: int, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


EMPTY = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
START = {"type": "message-start", "id": "c14c80c3", "delta": {"message": EMPTY}}
END = {"type": "message-end", "id": "c14c80c3", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}}
STREAM: list[dict[str, Any]] = [
    START,
    told("content-start", 0, content={"type": "thinking", "thinking": ""}),
    told("content-delta", 0, content={"thinking": "H"}),
    told("content-delta", 0, content={"thinking": "m."}),
    {"type": "content-end", "index": 0},
    told("content-start", 1, content={"type": "text", "text": ""}),
    told("content-delta", 1, content={"text": "Kyoto"}),
    told("citation-start", 0, citations=CITATION),
    {"type": "citation-end", "index": 0},
    told("content-delta", 1, content={"text": " is."}),
    {"type": "content-end", "index": 1},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will"}}},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": " ask."}}},
    told("tool-call-start", 0, tool_calls={**CALL, "function": {"name": "weather", "arguments": ""}}),
    told("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"city":'}}),
    told("tool-call-delta", 0, tool_calls={"function": {"arguments": '"Kyoto"}'}}),
    {"type": "tool-call-end", "index": 0},
    END,
]


def parse(body: Any) -> ChatRequest:
    return COHERE.parse_request(json.dumps(body).encode(), None, None)


def render(request: ChatRequest, losses: Losses | None = None) -> Any:
    return json.loads(COHERE.render_request(request, NO_QUIRKS, losses or Losses("cohere")).body)


def ask(**fields: Any) -> ChatRequest:
    """A request of another dialect's."""
    return ChatRequest(model="command-a", **fields)


def read(body: Any) -> ChatResponse:
    return COHERE.parse_response(json.dumps(body).encode(), NO_QUIRKS)


def written(response: ChatResponse) -> Any:
    return json.loads(COHERE.render_response(response))


def sse(*events: Any) -> bytes:
    return b"".join([f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events])


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    at = sorted({cut % (len(body) + 1) for cut in cuts})
    return [body[i:j] for i, j in zip([0, *at], [*at, len(body)], strict=True)]


def events(body: bytes, cuts: Iterable[int] = ()) -> list[ev.Event]:
    parser = COHERE.stream_parser(NO_QUIRKS)
    out: list[ev.Event] = []
    for piece in pieces(body, cuts):
        out += parser.feed(piece)
    return out + parser.close()


def spelled(found: list[ev.Event]) -> list[Any]:
    """What events render as; each says its type twice."""
    stream = COHERE.stream_renderer(ask(stream=True)).render(found)
    out: list[Any] = []
    for name, data in SSEParser().feed(stream):
        out.append(json.loads(data))
        assert name.decode() == out[-1]["type"]
    return out
