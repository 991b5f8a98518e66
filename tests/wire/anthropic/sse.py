"""Streams for the tests: written from fields, and read back."""

import json
from typing import Any


def stream(*events: dict[str, Any], named: bool = True) -> bytes:
    """Server-sent events as the API frames them."""
    out: list[str] = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        out.append(f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n")
    return "".join(out).encode()


def read(body: bytes) -> list[dict[str, Any]]:
    """The data of each event, whose name must be its type."""
    out: list[dict[str, Any]] = []
    for block in body.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        fields = json.loads(data.removeprefix("data: "))
        assert name == f"event: {fields['type']}"
        out.append(fields)
    return out


def start(**usage: int) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage or {"input_tokens": 5, "output_tokens": 1},
    }
    return {"type": "message_start", "message": message}


def block(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", **usage: int) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": usage or {"output_tokens": 9},
    }


STOP = {"type": "message_stop"}
PING = {"type": "ping"}
HELLO = [
    start(),
    block(0, type="text", text=""),
    PING,
    delta(0, "text_delta", text="Hel"),
    delta(0, "text_delta", text="lo ✓"),
    stop(0),
    end(),
    STOP,
]
CITATION = {
    "type": "web_search_result_location",
    "cited_text": "c",
    "encrypted_index": "E",
    "title": "T",
    "url": "https://x",
}
RICH = [
    start(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=0, output_tokens=1),
    block(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="let me "),
    delta(0, "thinking_delta", thinking="see"),
    delta(0, "signature_delta", signature="SIG"),
    stop(0),
    block(1, type="redacted_thinking", data="ENC"),
    stop(1),
    block(2, type="server_tool_use", id="srv_1", name="web_search", input={}),
    delta(2, "input_json_delta", partial_json=""),
    delta(2, "input_json_delta", partial_json='{"query":'),
    delta(2, "input_json_delta", partial_json='"q"}'),
    stop(2),
    block(3, type="web_search_tool_result", tool_use_id="srv_1", content=[]),
    stop(3),
    block(4, type="text", text="", citations=[]),
    delta(4, "citations_delta", citation=CITATION),
    delta(4, "text_delta", text="so"),
    stop(4),
    block(5, type="tool_use", id="toolu_1", name="f", input={}),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"x'),
    delta(5, "input_json_delta", partial_json='":1}'),
    stop(5),
    end("tool_use", input_tokens=12, cache_read_input_tokens=100, output_tokens=40),
    STOP,
]
