"""The form of the dialect that Mistral's own client speaks."""

import json
from typing import Any

import pytest

from tsuji.core import events as ev
from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice
from tsuji.wire import dialect

MISTRAL = dialect("openai.mistral")
HI: dict[str, Any] = {"role": "user", "content": "hi"}
SIGNED = Thinking("hmm", "sig", origin="anthropic")


def parse(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [HI, *messages], **fields}
    return MISTRAL.parse_request(json.dumps(body).encode(), None, None)


def streamed(*events: ev.Event) -> list[Any]:
    body = MISTRAL.stream_renderer(ChatRequest("m", stream=True)).render([*events, ev.Finished("stop"), ev.Ended()])
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line)["choices"][0]["delta"] for line in lines]


def test_its_seed() -> None:
    assert parse(random_seed=7).seed == 7
    assert parse(random_seed=None).seed is None
    with pytest.raises(InvalidRequestError):
        parse(random_seed="x")


def test_what_was_signed_comes_back_from_a_whole_answer() -> None:
    answer = ChatResponse("r", "m", (Choice(0, (SIGNED, Text("ok")), "stop"),))
    said = json.loads(MISTRAL.render_response(answer))
    message = said["choices"][0]["message"]
    assert [chunk["type"] for chunk in message["content"]] == ["thinking", "text"]
    assert not {"reasoning_content", "reasoning_details"} & message.keys()
    assert said["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert parse({"role": "assistant", "content": message["content"]}).messages[1].content == (SIGNED, Text("ok"))


def test_and_from_the_chunks_of_a_stream() -> None:
    events = [ev.PartStarted(Thinking(origin="anthropic"), 0), ev.TextDelta("h", 0), ev.TextDelta("mm", 0)]
    deltas = streamed(*events, ev.SignatureDelta("sig", 0), ev.PartEnded(0))
    chunks = [chunk for delta in deltas for chunk in delta.get("content") or ()]
    assert [chunk["thinking"] for chunk in chunks] == [
        [{"type": "text", "text": "h"}],
        [{"type": "text", "text": "mm"}],
        [],
    ]
    (thought,) = parse({"role": "assistant", "content": chunks}).messages[1].content
    assert thought == SIGNED


def test_a_call_is_streamed_whole() -> None:
    events = [ev.PartStarted(ToolCall("c1", "f", ""), 0), ev.ArgumentsDelta('{"a"', 0), ev.ArgumentsDelta(":1}", 0)]
    nothing = [ev.PartStarted(ToolCall("c2", "g", ""), 1), ev.PartEnded(1)]
    calls = [call for delta in streamed(*events, ev.PartEnded(0), *nothing) for call in delta.get("tool_calls", ())]
    assert [(c["id"], c["function"]) for c in calls] == [
        ("c1", {"name": "f", "arguments": '{"a":1}'}),
        ("c2", {"name": "g", "arguments": "{}"}),
    ]


@pytest.mark.parametrize("content", [[1], [{"type": "thinking"}], [{"type": "thinking", "thinking": [1]}] * 2, None])
def test_odd_chunks_raise_nothing_but_our_errors(content: Any) -> None:
    try:
        parse({"role": "assistant", "content": content})
    except InvalidRequestError as error:
        assert error.param
