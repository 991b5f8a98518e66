"""The official anthropic client, pointed at the gateway."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pydantic
import pytest

from tests import answers
from tests.answers import Call
from tests.clients.conftest import PIXEL, Gateway
from tests.scripted import CUT

WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HELLO = [{"role": "user", "content": "hello"}]


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0) as made:
        yield made


def _ask(upstream: str, **more: Any) -> dict[str, Any]:
    return {"model": f"{upstream}-mock:model-1", "max_tokens": 100, **more}


def test_chat(gateway: Gateway, client: anthropic.Anthropic, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    answer = client.messages.create(messages=HELLO, system="be brief", **_ask(upstream))
    assert [(b.type, b.text) for b in answer.content if b.type == "text"] == [("text", "Kyoto is old.")]
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 7)
    assert "be brief" in gateway.last.body.decode()


def test_streaming(gateway: Gateway, client: anthropic.Anthropic, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."]))
    with client.messages.stream(messages=HELLO, **_ask(upstream)) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == "Kyoto is old."
    assert len(pieces) == 3
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 5


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: anthropic.Anthropic, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask = _ask(upstream, tools=[WEATHER])
    if streaming:
        with client.messages.stream(messages=HELLO, **ask) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(messages=HELLO, **ask)
    uses = [b for b in answer.content if b.type == "tool_use"]
    assert [(u.name, u.input) for u in uses] == [("weather", {"city": "Kyoto"}), ("weather", {"city": "Nara"})]
    assert answer.stop_reason == "tool_use"
    results = [{"type": "tool_result", "tool_use_id": u.id, "content": "sunny"} for u in uses]
    turn = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in answer.content]}
    final = client.messages.create(messages=[*HELLO, turn, {"role": "user", "content": results}], **ask)
    assert [b.text for b in final.content if b.type == "text"] == ["Sunny in both."]
    assert gateway.last.body.decode().count("sunny") == 2


def test_structured_output(gateway: Gateway, client: anthropic.Anthropic, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    answer = client.messages.parse(messages=HELLO, output_format=City, **_ask(upstream))
    assert answer.parsed_output == City(name="Kyoto", people=1460000)
    assert "people" in gateway.last.body.decode()


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking_comes_back_on_the_next_turn(
    gateway: Gateway, client: anthropic.Anthropic, upstream: str, streaming: bool
) -> None:
    signature = "" if upstream in ("openai", "ollama", "cohere") else "c2lnbmVkIQ=="
    thought = {"thinking": "Old capital?", "signature": signature, "calls": [Call()]}
    first = answers.stream(upstream, (), **thought) if streaming else answers.chat(upstream, "", **thought)
    gateway.script([first, answers.chat(upstream, "Kyoto")])
    ask = _ask(upstream, tools=[WEATHER], thinking={"type": "enabled", "budget_tokens": 2000})
    ask["max_tokens"] = 4000
    if streaming:
        with client.messages.stream(messages=HELLO, **ask) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(messages=HELLO, **ask)
    assert [b.thinking for b in answer.content if b.type == "thinking"] == ["Old capital?"]
    use = next(b for b in answer.content if b.type == "tool_use")
    turn = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in answer.content]}
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    client.messages.create(messages=[*HELLO, turn, {"role": "user", "content": [result]}], **ask)
    body = gateway.last.body.decode()
    assert signature in body
    assert "tsuji." not in body


def test_an_image(gateway: Gateway, client: anthropic.Anthropic, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    ask = [{"role": "user", "content": [picture, {"type": "text", "text": "what is it?"}]}]
    answer = client.messages.create(messages=ask, **_ask(upstream))
    assert [b.text for b in answer.content if b.type == "text"] == ["a pixel"]
    body = gateway.last.body.decode()
    assert PIXEL in body
    assert upstream in ("ollama", "bedrock") or "image/png" in body


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
    ],
)
def test_errors(
    gateway: Gateway, client: anthropic.Anthropic, upstream: str, status: int, raised: type[anthropic.APIStatusError]
) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(raised) as caught:
        client.messages.create(messages=HELLO, **_ask(upstream))
    assert caught.value.status_code == status
    assert "the provider's words" in caught.value.message
    assert caught.value.body["type"] == "error"  # type: ignore[index]


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: anthropic.Anthropic, upstream: str) -> None:
    whole = list(answers.stream(upstream, ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(whole) if isinstance(step, bytes) and b"Kyo" in step) + 1
    gateway.script(answers.Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    seen = []
    with (
        pytest.raises(anthropic.APIError),
        client.messages.create(messages=HELLO, stream=True, **_ask(upstream)) as stream,
    ):
        for event in stream:
            seen.append(event.type)
    assert "content_block_delta" in seen
    assert "message_stop" not in seen


def test_models(client: anthropic.Anthropic) -> None:
    assert "fast" in [m.id for m in client.models.list()]


def test_tokens_are_counted_by_who_can(gateway: Gateway, client: anthropic.Anthropic, upstream: str) -> None:
    gateway.script(answers.Reply(b'{"input_tokens": 14}'))
    ask: dict[str, Any] = {"model": f"{upstream}-mock:model-1", "messages": HELLO, "tools": [WEATHER]}
    if upstream == "anthropic":
        assert client.messages.count_tokens(**ask).input_tokens == 14
        assert gateway.last.json() == ask | {"model": "model-1"}
    else:
        with pytest.raises(anthropic.InternalServerError) as caught:
            client.messages.count_tokens(**ask)
        assert caught.value.status_code == 501
