"""What a provider needs back on the next turn goes back, through objects, dumps and streams."""

import json

import pytest

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tests.scripted import Reply
from tsuji import InvalidRequestError
from tsuji.core.parts import Text, Thinking
from tsuji.core.response import Choice

AGAIN = {"role": "user", "content": "go on"}


def _as_object(message):
    return message


def _as_dump(message):
    return message.model_dump()


def _as_short_dump(message):
    return message.model_dump(exclude_none=True)


def _through_json(message):
    return json.loads(message.model_dump_json())


FORMS = [_as_object, _as_dump, _as_short_dump, _through_json]

SENT_BACK = {
    "openai": {
        "role": "assistant",
        "content": "it is",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Kyoto"}'}}
        ],
    },
    "ollama": {
        "role": "assistant",
        "content": "it is",
        "thinking": "hm",
        "tool_calls": [{"id": "call_0", "function": {"name": "weather", "arguments": {"city": "Kyoto"}}}],
    },
    "cohere": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "it is"}],
        "tool_calls": [
            {"id": "call_1", "function": {"name": "weather", "arguments": '{"city":"Kyoto"}'}, "type": "function"}
        ],
    },
    "bedrock": {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
            {"text": "it is"},
            {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Kyoto"}}},
        ],
    },
    "anthropic": {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "text", "text": "it is"},
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Kyoto"}},
        ],
    },
}


def _second_turn(client, server, message, dialect):
    reply = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    server.script(answers.chat(dialect))
    return [*HI, message, reply]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_thinking_and_calls_go_back_as_they_came(connect, dialect, form, streamed):
    what = {"thinking": "hm", "signature": "c2ln", "calls": [answers.Call()]}
    reply = answers.stream(dialect, ["it", " is"], **what) if streamed else answers.chat(dialect, "it is", **what)
    client, server = connect(reply, dialect)
    r = client.completion("mock:m", HI, stream=streamed)
    message = (r.response() if streamed else r).choices[0].message
    conversation = _second_turn(client, server, message, dialect)
    conversation[1] = form(message)
    client.completion("mock:m", conversation)
    if dialect == "gemini":
        turn = server.last.json()["contents"][1]
        calls = [p for p in turn["parts"] if "functionCall" in p]
        assert calls[0]["thoughtSignature"] == "c2ln"
        assert calls[0]["functionCall"]["args"] == {"city": "Kyoto"}
        assert server.last.json()["contents"][2]["parts"][0]["functionResponse"]["name"] == "weather"
    else:
        sent = server.last.json()["messages"][1]
        for call in sent.get("tool_calls", []) if dialect == "openai" else ():
            call["function"]["arguments"] = json.dumps(json.loads(call["function"]["arguments"]), separators=(",", ":"))
        assert sent == SENT_BACK[dialect]


def test_redacted_thinking_goes_back(connect):
    body = json.loads(answers.chat("anthropic", thinking="hm", signature="c2ln").body)
    body["content"].insert(1, {"type": "redacted_thinking", "data": "b3BhcXVl"})
    client, server = connect(Reply(json.dumps(body).encode()), "anthropic")
    message = client.completion("mock:m", HI).choices[0].message
    client.completion("mock:m", [*HI, message.model_dump(), AGAIN])
    assert server.last.json()["messages"][1]["content"][:2] == body["content"][:2]


def test_openrouters_reasoning_details_go_back(connect):
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "r1", "format": "openai-responses-v1", "index": 1},
    ]
    body = json.loads(answers.chat("openai").body)
    body["choices"][0]["message"].update(reasoning="hm", reasoning_details=details)
    client, server = connect(Reply(json.dumps(body).encode()))
    message = client.completion("mock:m", HI).choices[0].message
    assert message.reasoning == "hm"
    for form in FORMS:
        client.completion("mock:m", [*HI, form(message), AGAIN])
        assert server.last.json()["messages"][1]["reasoning_details"] == details


def test_an_edited_message_goes_as_edited(connect):
    client, server = connect(answers.chat("anthropic", "one", thinking="hm", signature="c2ln"), "anthropic")
    message = client.completion("mock:m", HI).choices[0].message.model_dump()
    message["content"] = "two"
    client.completion("mock:m", [*HI, message, AGAIN])
    content = server.last.json()["messages"][1]["content"]
    assert "two" in json.dumps(content)
    assert "one" not in json.dumps(content)


def test_a_plain_answer_has_no_state(connect):
    client, _ = connect(answers.chat("openai", calls=[answers.Call()]))
    message = client.completion("mock:m", HI).choices[0].message
    assert message.provider_state is None
    assert set(message.to_dict()) == {"role", "content", "tool_calls"}


@pytest.mark.parametrize("state", [{}, {"content": 1}, {"content": [{"type": "nonsense"}]}, "text"])
def test_a_made_up_state_is_refused(connect, state):
    client, server = connect(answers.chat("openai"))
    message = {"role": "assistant", "content": "x", "provider_state": state}
    with pytest.raises(InvalidRequestError, match=r"messages\[1\].provider_state"):
        client.completion("mock:m", [*HI, message, AGAIN])
    assert not server.requests


def test_signed_thoughts_of_one_provider_are_left_out_for_another(connect):
    anthropic, _ = connect(answers.chat("anthropic", thinking="hm", signature="c2ln"), "anthropic")
    message = anthropic.completion("mock:m", HI).choices[0].message
    openai, server = connect(answers.chat("openai"))
    openai.completion("mock:m", [*HI, message, AGAIN])
    assert server.last.json()["messages"][1] == {"role": "assistant", "content": "hello"}


def test_message_of_the_openai_library_goes_in(connect):
    from openai.types.chat import ChatCompletionMessage

    client, server = connect(answers.chat("openai"))
    client.completion("mock:m", [*HI, ChatCompletionMessage(role="assistant", content="yes"), AGAIN])
    assert server.last.json()["messages"][1] == {"role": "assistant", "content": "yes"}


def test_order_of_parts_is_kept():
    from tsuji.client.state import restore, state_of
    from tsuji.core.parts import Message

    parts = (Thinking("a", "s", origin="anthropic"), Text("b"), Thinking("c", "t", origin="anthropic"), Text("d"))
    state = state_of(Choice(content=parts))
    assert restore(Message("assistant", (Text("bd"),)), state, "messages[0]").content == parts
