"""What Google's own client sends that other dialects must be able to take."""

import base64
from typing import Any

import pytest

from tests.wire.gemini.wires import parse, render
from tsuji.core.parts import Image, Thinking, ToolResult
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.gemini.carried import pack
from tsuji.wire.openai.request_out import write_request

HI = {"role": "user", "parts": [{"text": "hi"}]}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def to_openai(request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> Any:
    return write_request(request, quirks, Losses("openai"))


@pytest.mark.parametrize("data", [b"\xfb\xef\xff", b"\xfb\xef\xff\xfe", b"plain", b""])
@pytest.mark.parametrize("padded", [True, False])
def test_bytes_in_the_other_alphabet_become_standard_base64(data: bytes, padded: bool) -> None:
    sent = base64.urlsafe_b64encode(data).decode()
    part = {"inlineData": {"mimeType": "image/png", "data": sent if padded else sent.rstrip("=")}}
    request = parse({"contents": [{"role": "user", "parts": [part]}]})
    image = request.messages[0].content[0]
    assert isinstance(image, Image)
    assert image.source.data == base64.b64encode(data).decode()
    assert render(request)["contents"][0]["parts"] == [part]


@pytest.mark.parametrize("field", ["responseJsonSchema", "response_json_schema", "response"])
@pytest.mark.parametrize("other", ["openai", "anthropic"])
def test_what_a_function_returns_is_left_out_elsewhere_and_kept_here(field: str, other: str) -> None:
    sent = {"contents": [HI], "tools": [{"functionDeclarations": [{"name": "f", field: {"type": "string"}}]}]}
    request = parse(sent)
    call = dialect(other).render_request(request, NO_QUIRKS, Losses(other))
    assert b"string" not in call.body
    assert render(request)["tools"] == sent["tools"]


def test_the_chunks_of_a_stream_are_one_turn() -> None:
    """A chat of the official client keeps each chunk as a content of its own."""
    calls = [{"functionCall": {"id": f"c{i}", "name": "f", "args": {}}} for i in range(2)]
    results = [{"functionResponse": {"id": f"c{i}", "name": "f", "response": {"output": "1"}}} for i in range(2)]
    chunks = [model({"text": "Kyo"}), model({"text": "to"}), model(calls[0]), model(calls[1]), model()]
    sent = {"contents": [HI, *chunks, {"role": "user", "parts": results}, model({"text": "end"}), HI]}
    request = parse(sent)
    said = to_openai(request)["messages"]
    assert [m["role"] for m in said] == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert said[1]["content"] == "Kyoto"
    assert [c["id"] for c in said[1]["tool_calls"]] == ["c0", "c1"]
    assert render(request)["contents"] == sent["contents"]


def test_results_by_name_answer_the_calls_in_order() -> None:
    """The official client's automatic calling drops the ids of the calls that it makes."""
    calls = [{"functionCall": {"id": i, "name": n, "args": {}}} for i, n in (("1", "f"), ("2", "g"), ("3", "f"))]
    results = [{"functionResponse": {"name": n, "response": {"output": n}}} for n in ("f", "f", "g")]
    late = {"functionResponse": {"name": "f", "response": {"output": "of no call"}}}
    sent = {"contents": [HI, model(*calls), {"role": "user", "parts": results}, {"role": "user", "parts": [late]}]}
    request = parse(sent)
    assert [p.call_id for m in request.messages for p in m.content if isinstance(p, ToolResult)] == ["1", "3", "2", ""]
    assert render(request)["contents"] == sent["contents"]


def test_a_thought_that_came_in_pieces_and_whole_is_said_once() -> None:
    whole = {"text": "", "thought": True, "thoughtSignature": pack(Thinking(origin="openai"), "hm, so")}
    pieces = [{"text": "hm, ", "thought": True}, {"text": "so", "thought": True}]
    sent = {"contents": [HI, *[model(p) for p in (*pieces, whole, {"text": "yes"})], HI]}
    said = to_openai(parse(sent), Quirks(reasoning_field="reasoning_content"))["messages"]
    assert said[1] == {"role": "assistant", "content": "yes", "reasoning_content": "hm, so"}
