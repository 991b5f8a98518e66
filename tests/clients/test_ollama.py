"""The official ollama client, pointed at the gateway."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import ollama
import pydantic
import pytest

from tests import answers
from tests.answers import Call
from tests.clients.conftest import PIXEL, Gateway
from tests.scripted import CUT

HELLO = [{"role": "user", "content": "hello"}]


class City(pydantic.BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    """The weather of a city

    Args:
      city: where
    """
    return f"sunny in {city}"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[ollama.Client]:
    with ollama.Client(host=gateway.url) as made:
        yield made


def _model(upstream: str) -> str:
    return f"{upstream}-mock:model-1"


def test_chat(gateway: Gateway, client: ollama.Client, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    stop = {} if upstream == "responses" else {"stop": ["END"]}  # OpenAI's responses have none
    answer = client.chat(
        model=_model(upstream),
        messages=[{"role": "system", "content": "be brief"}, *HELLO],
        options={"temperature": 0.5, "num_predict": 40, "num_ctx": 4096, **stop},
        keep_alive="10m",
    )
    assert answer.message.content == "Kyoto is old."
    assert answer.message.role == "assistant"
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (12, 7)
    assert answer.created_at is not None
    assert answer.created_at.startswith("20")
    assert "be brief" in gateway.last.body.decode()
    assert not stop or "END" in gateway.last.body.decode()


def test_streaming(gateway: Gateway, client: ollama.Client, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."], prompt=12, output=7))
    chunks = list(client.chat(model=_model(upstream), messages=HELLO, stream=True))
    assert [c.message.content for c in chunks if c.message.content] == ["Kyo", "to ", "is old."]
    assert [c.done for c in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[-1].done_reason, chunks[-1].prompt_eval_count, chunks[-1].eval_count) == ("stop", 12, 7)


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: ollama.Client, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask: dict[str, Any] = {"model": _model(upstream), "tools": [weather]}
    if streaming:
        said = [c.message for c in client.chat(messages=HELLO, stream=True, **ask)]
    else:
        said = [client.chat(messages=HELLO, **ask).message]
    made = [call for message in said for call in message.tool_calls or ()]
    assert [(c.function.name, c.function.arguments) for c in made] == [
        ("weather", {"city": "Kyoto"}),
        ("weather", {"city": "Nara"}),
    ]
    history: list[Any] = [*HELLO, ollama.Message(role="assistant", tool_calls=made)]
    for call in made:
        history.append({"role": "tool", "content": weather(**call.function.arguments), "tool_name": call.function.name})
    assert client.chat(messages=history, **ask).message.content == "Sunny in both."
    body = gateway.last.body.decode()
    assert body.index("sunny in Kyoto") < body.index("sunny in Nara")
    if upstream == "openai":
        messages = json.loads(body)["messages"]
        assert [m["role"] for m in messages] == ["user", "assistant", "tool", "tool"]
        ids = [call["id"] for call in messages[1]["tool_calls"]]
        assert [m["tool_call_id"] for m in messages[2:]] == ids
        assert len(set(ids)) == 2


def test_structured_output(gateway: Gateway, client: ollama.Client, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    answer = client.chat(model=_model(upstream), messages=HELLO, format=City.model_json_schema())
    assert City.model_validate_json(answer.message.content or "") == City(name="Kyoto", people=1460000)
    assert "people" in gateway.last.body.decode()


def test_json_mode(gateway: Gateway, client: ollama.Client) -> None:
    gateway.script(answers.chat("openai", "{}"))
    assert client.chat(model="openai-mock:m", messages=HELLO, format="json").message.content == "{}"
    assert gateway.last.json()["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking(gateway: Gateway, client: ollama.Client, upstream: str, streaming: bool) -> None:
    thought = {"thinking": "Old capital?", "signature": "" if upstream in ("openai", "ollama") else "c2lnbmVk"}
    if streaming:
        gateway.script(answers.stream(upstream, ["Kyoto"], **thought))
        chunks = list(client.chat(model=_model(upstream), messages=HELLO, think=True, stream=True))
        said = [c.message for c in chunks]
    else:
        gateway.script(answers.chat(upstream, "Kyoto", **thought))
        said = [client.chat(model=_model(upstream), messages=HELLO, think=True).message]
    assert "".join(m.thinking or "" for m in said) == "Old capital?"
    assert "".join(m.content or "" for m in said) == "Kyoto"


def test_effort_reaches_the_provider(gateway: Gateway, client: ollama.Client) -> None:
    gateway.script(answers.chat("openai", "hi"))
    client.chat(model="openai-mock:m", messages=HELLO, think="high")
    assert gateway.last.json()["reasoning_effort"] == "high"


def test_an_image(gateway: Gateway, client: ollama.Client, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    ask = [{"role": "user", "content": "what is it?", "images": [base64.b64decode(PIXEL)]}]
    assert client.chat(model=_model(upstream), messages=ask).message.content == "a pixel"
    body = gateway.last.body.decode()
    assert PIXEL in body
    if upstream != "ollama":
        assert ('"format":"png"' if upstream == "bedrock" else "image/png") in body


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_generate(gateway: Gateway, client: ollama.Client, upstream: str, streaming: bool) -> None:
    ask: dict[str, Any] = {"model": _model(upstream), "prompt": "Where is Kyoto?", "system": "be brief"}
    if streaming:
        gateway.script(answers.stream(upstream, ["In ", "Japan."], prompt=12, output=7))
        parts = list(client.generate(stream=True, **ask))
        assert [p.response for p in parts if p.response] == ["In ", "Japan."]
        last = parts[-1]
    else:
        gateway.script(answers.chat(upstream, "In Japan.", prompt=12, output=7))
        last = client.generate(**ask)
        assert last.response == "In Japan."
    assert (last.done, last.done_reason, last.prompt_eval_count, last.eval_count) == (True, "stop", 12, 7)
    body = gateway.last.body.decode()
    assert "be brief" in body
    assert "Where is Kyoto?" in body


def test_only_ollama_fills_in_the_middle(gateway: Gateway, client: ollama.Client) -> None:
    gateway.script(answers.chat("openai", "no"))
    with pytest.raises(ollama.ResponseError, match="suffix") as caught:
        client.generate(model="openai-mock:m", prompt="def f(", suffix="return 1")
    assert caught.value.status_code == 400
    assert not gateway.provider.requests
    gateway.script(answers.chat("ollama", "x):"))
    assert client.generate(model="ollama-mock:m", prompt="def f(", suffix="return 1").response == "x):"
    assert gateway.last.path == "/api/generate"
    sent = gateway.last.json()
    assert (sent["model"], sent["prompt"], sent["suffix"]) == ("m", "def f(", "return 1")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_errors(gateway: Gateway, client: ollama.Client, upstream: str, status: int, streaming: bool) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(ollama.ResponseError) as caught:
        answer = client.chat(model=_model(upstream), messages=HELLO, stream=streaming)
        list(answer)
    assert caught.value.status_code == status
    assert "the provider's words" in caught.value.error


def test_an_unknown_model(client: ollama.Client) -> None:
    for ask in (client.chat, client.generate, client.show):
        with pytest.raises(ollama.ResponseError) as caught:
            ask(model="nowhere:m")
        assert caught.value.status_code == 404
        assert "nowhere" in caught.value.error


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: ollama.Client, upstream: str) -> None:
    whole = list(answers.stream(upstream, ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(whole) if isinstance(step, bytes) and b"Kyo" in step) + 1
    gateway.script(answers.Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    seen = []
    with pytest.raises(ollama.ResponseError):
        for chunk in client.chat(model=_model(upstream), messages=HELLO, stream=True):
            seen.append(chunk)
    assert "".join(c.message.content or "" for c in seen) == "Kyo"
    assert not any(c.done for c in seen)


@pytest.mark.parametrize("upstream", ["openai", "gemini", "ollama"])
def test_embeddings(gateway: Gateway, client: ollama.Client, upstream: str) -> None:
    gateway.script(answers.embeddings(upstream, [[0.5, -0.25], [1.0, 2.0]]))
    answer = client.embed(model=f"{upstream}-mock:embedder", input=["a", "b"], truncate=True)
    assert [list(e) for e in answer.embeddings] == [[0.5, -0.25], [1.0, 2.0]]
    gateway.script(answers.embeddings(upstream, [[0.5, -0.25]]))
    assert [list(e) for e in client.embed(model=f"{upstream}-mock:embedder", input="a").embeddings] == [[0.5, -0.25]]


def test_embeddings_as_they_were_before(gateway: Gateway, client: ollama.Client) -> None:
    gateway.script(answers.embeddings("openai", [[0.5, -0.25]]))
    assert client.embeddings(model="openai-mock:embedder", prompt="a").embedding == [0.5, -0.25]


def test_models(client: ollama.Client) -> None:
    assert "fast" in [m.model for m in client.list().models]
    shown = client.show("fast")
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo == {"general.architecture": "tsuji", "general.basename": "fast"}


def test_async(gateway: Gateway, upstream: str) -> None:
    async def ask() -> list[str]:
        async with ollama.AsyncClient(host=gateway.url) as client:
            stream = await client.chat(model=_model(upstream), messages=HELLO, stream=True)
            return [chunk.message.content or "" async for chunk in stream]

    gateway.script(answers.stream(upstream, ["Kyo", "to"]))
    assert "".join(asyncio.run(ask())) == "Kyoto"


@pytest.mark.usefixtures("local_engine")  # fetches the model, or skips and says why
class TestLocal:
    def test_chat(self, client: ollama.Client) -> None:
        ask = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
        options = {"temperature": 0, "num_predict": 20, "top_k": 40, "min_p": 0.05, "num_ctx": 2048}
        answer = client.chat(model="local:default", messages=ask, options=options)
        assert "Paris" in (answer.message.content or "")
        assert (answer.eval_count or 0) > 0
        chunks = list(client.chat(model="local:default", messages=ask, options=options, stream=True))
        assert "".join(c.message.content or "" for c in chunks) == answer.message.content
        assert chunks[-1].done

    def test_samplers_of_llama_cpp(self, client: ollama.Client) -> None:
        """Repetition that is punished out of all measure changes what is said, sampled or not."""
        ask: dict[str, Any] = {"model": "local:default", "messages": [{"role": "user", "content": "Count to twenty."}]}
        options = {"temperature": 0, "num_predict": 40}
        plain = client.chat(**ask, options=options).message.content
        assert client.chat(**ask, options=options).message.content == plain
        assert client.chat(**ask, options={**options, "repeat_penalty": 5.0}).message.content != plain
        every = {"repeat_last_n": 32, "mirostat": 2, "mirostat_tau": 4.0, "mirostat_eta": 0.2, "typical_p": 0.9}
        assert client.chat(**ask, options={**options, **every}).message.content
        with pytest.raises(ollama.ResponseError, match=r"options\.tfs_z"):
            client.chat(**ask, options={"tfs_z": 0.5})

    def test_structured_output(self, client: ollama.Client) -> None:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        ask = [{"role": "user", "content": "Name a city in Japan, as JSON."}]
        answer = client.chat(model="local:default", messages=ask, format=schema, options={"num_predict": 60})
        assert isinstance(json.loads(answer.message.content or "")["name"], str)

    def test_embeddings(self, client: ollama.Client) -> None:
        answer = client.embed(model="local:embed", input=["A cat sleeps.", "A kitten naps."])
        assert len(answer.embeddings) == 2
        assert len(answer.embeddings[0]) == 384
