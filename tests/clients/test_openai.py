"""The official openai client, pointed at the gateway."""

import json
from collections.abc import Iterator

import openai
import pydantic
import pytest

from tests import answers
from tests.answers import Call
from tests.clients.conftest import PIXEL, Gateway
from tests.scripted import CUT

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO = [{"role": "user", "content": "hello"}]


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def test_chat(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    answer = client.chat.completions.create(
        model=f"{upstream}-mock:model-1", messages=[{"role": "system", "content": "be brief"}, *HELLO], temperature=0.5
    )
    assert answer.choices[0].message.content == "Kyoto is old."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 7, 19)
    assert "be brief" in gateway.last.body.decode()


def test_streaming(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."]))
    stream = client.chat.completions.create(
        model=f"{upstream}-mock:model-1", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == [
        "Kyo",
        "to ",
        "is old.",
    ]
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: openai.OpenAI, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask = {"model": f"{upstream}-mock:model-1", "tools": [WEATHER]}
    if streaming:
        with client.chat.completions.stream(messages=HELLO, **ask) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=HELLO, **ask).choices[0].message
    assert message.tool_calls is not None
    made = [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls]
    assert made == [("weather", {"city": "Kyoto"}), ("weather", {"city": "Nara"})]
    results = [{"role": "tool", "tool_call_id": c.id, "content": "sunny"} for c in message.tool_calls]
    history = [*HELLO, message.model_dump(exclude_none=True), *results]
    final = client.chat.completions.create(messages=history, **ask)
    assert final.choices[0].message.content == "Sunny in both."
    assert gateway.last.body.decode().count("sunny") == 2


def test_structured_output(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    answer = client.chat.completions.parse(model=f"{upstream}-mock:model-1", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Kyoto", people=1460000)
    assert "people" in gateway.last.body.decode()


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking(gateway: Gateway, client: openai.OpenAI, upstream: str, streaming: bool) -> None:
    thought = {"thinking": "Old capital?", "signature": "" if upstream == "openai" else "c2lnbmVk"}
    ask = {"model": f"{upstream}-mock:model-1", "messages": HELLO, "reasoning_effort": "low"}
    if streaming:
        gateway.script(answers.stream(upstream, ["Kyoto"], **thought))
        deltas = [c.choices[0].delta for c in client.chat.completions.create(stream=True, **ask) if c.choices]
        assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "Old capital?"
        assert "".join(d.content or "" for d in deltas) == "Kyoto"
    else:
        gateway.script(answers.chat(upstream, "Kyoto", **thought))
        message = client.chat.completions.create(**ask).choices[0].message
        assert message.reasoning_content == "Old capital?"  # type: ignore[attr-defined]
        assert message.content == "Kyoto"


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking_comes_back_on_the_next_turn(
    gateway: Gateway, client: openai.OpenAI, upstream: str, streaming: bool
) -> None:
    """A client that gives back the message as it came gives back what only its provider can read."""
    signature = "" if upstream in ("openai", "ollama", "cohere") else "c2lnbmVkIQ=="
    said = {"thinking": "Old capital?", "signature": signature, "calls": [Call()]}
    first = answers.stream(upstream, (), **said) if streaming else answers.chat(upstream, "", **said)
    gateway.script([first, answers.chat(upstream, "done")])
    ask = {"model": f"{upstream}-mock:model-1", "tools": [WEATHER], "reasoning_effort": "low"}
    if streaming:
        with client.chat.completions.stream(messages=HELLO, **ask) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=HELLO, **ask).choices[0].message
    assert message.tool_calls is not None
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    history = [*HELLO, message.model_dump(exclude_none=True), result]
    assert client.chat.completions.create(messages=history, **ask).choices[0].message.content == "done"
    assert signature in gateway.last.body.decode()


def test_an_image(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}
    ask = [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, picture]}]
    answer = client.chat.completions.create(model=f"{upstream}-mock:model-1", messages=ask)
    assert answer.choices[0].message.content == "a pixel"
    body = gateway.last.body.decode()
    assert PIXEL in body
    assert upstream in ("ollama", "bedrock") or "image/png" in body


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_errors(
    gateway: Gateway, client: openai.OpenAI, upstream: str, status: int, raised: type[openai.APIStatusError]
) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(raised) as caught:
        client.chat.completions.create(model=f"{upstream}-mock:model-1", messages=HELLO)
    assert caught.value.status_code == status
    assert "the provider's words" in caught.value.message
    assert caught.value.response.headers["x-tsuji-fault"] in ("caller", "gateway", "upstream")


def test_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="opnai:gpt-5", messages=HELLO)
    assert "openai" in caught.value.message
    assert caught.value.response.headers["x-tsuji-fault"] == "caller"


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    reply = answers.stream(upstream, ["Kyo", "to"])
    whole = list(reply.body)
    cut = next(i for i, step in enumerate(whole) if isinstance(step, bytes) and b"Kyo" in step) + 1
    gateway.script(answers.Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    text, finished = "", None
    with pytest.raises((openai.APIError, Exception)) as caught:
        for chunk in client.chat.completions.create(model=f"{upstream}-mock:model-1", messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ""
            finished = finished or chunk.choices[0].finish_reason
    assert isinstance(caught.value, openai.APIError), caught.value
    assert (text, finished) == ("Kyo", None)


def test_fallback_and_what_the_router_did(gateway: Gateway, client: openai.OpenAI) -> None:
    gateway.script([answers.error("openai", 503), answers.chat("anthropic", "rescued")])
    raw = client.chat.completions.with_raw_response.create(model="fast", messages=HELLO)
    assert raw.parse().choices[0].message.content == "rescued"
    assert raw.headers["x-tsuji-target"] == "anthropic-mock:model-2"
    assert raw.headers["x-tsuji-attempts"] == "2"


@pytest.mark.parametrize("dialect", ["openai", "gemini"])
def test_embeddings(gateway: Gateway, client: openai.OpenAI, dialect: str) -> None:
    gateway.script(answers.embeddings(dialect, [[0.5, -0.25], [1.0, 2.0]]))
    answer = client.embeddings.create(model=f"{dialect}-mock:embedder", input=["a", "b"])
    assert [d.embedding for d in answer.data] == [[0.5, -0.25], [1.0, 2.0]]


def test_models(client: openai.OpenAI) -> None:
    names = [m.id for m in client.models.list()]
    assert "fast" in names
    assert "local:default" in names
