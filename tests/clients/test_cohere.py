"""The official cohere client (ClientV2), pointed at the gateway."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pydantic
import pytest

from tests import answers
from tests.answers import Call
from tests.clients.conftest import Gateway
from tests.scripted import CUT, Reply

HELLO = [{"role": "user", "content": "hello"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def client(gateway: Gateway) -> Iterator[cohere.ClientV2]:
    with httpx.Client(timeout=60) as transport:
        yield cohere.ClientV2("unused", base_url=gateway.url, max_retries=0, httpx_client=transport)


def _model(upstream: str) -> str:
    return f"{upstream}-mock:model-1"


def _text(message: Any) -> str:
    return "".join([block.text for block in message.content or () if block.type == "text"])


class Streamed:
    """What the events of a stream come to, as its readers put it together."""

    def __init__(self, events: Any) -> None:
        self.pieces: list[str] = []
        self.thinking = self.plan = ""
        self.calls: list[list[str]] = []
        self.citations: list[Any] = []
        self.finish: str | None = None
        self.usage: Any = None
        self.error: str | None = None
        for event in events:
            self._take(event)

    def _take(self, event: Any) -> None:
        message = getattr(event.delta, "message", None) if event.type.endswith(("-start", "-delta")) else None
        if event.type == "content-delta":
            self.pieces += [message.content.text] if message.content.text else []
            self.thinking += message.content.thinking or ""
        elif event.type == "tool-plan-delta":
            self.plan += message.tool_plan
        elif event.type == "tool-call-start":
            self.calls.append([message.tool_calls.id, message.tool_calls.function.name, ""])
            assert event.index == len(self.calls) - 1
        elif event.type == "tool-call-delta":
            self.calls[event.index][2] += message.tool_calls.function.arguments
        elif event.type == "citation-start":
            self.citations.append(message.citations)
        elif event.type == "message-end":
            self.finish, self.usage, self.error = event.delta.finish_reason, event.delta.usage, event.delta.error


def test_chat(gateway: Gateway, client: cohere.ClientV2, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7, cached=4))
    stop = {} if upstream == "responses" else {"stop_sequences": ["END"]}  # OpenAI's responses have none
    answer = client.chat(
        model=_model(upstream),
        messages=[{"role": "system", "content": "be brief"}, *HELLO],
        temperature=0.5,
        max_tokens=40,
        p=0.9,
        **stop,
    )
    assert _text(answer.message) == "Kyoto is old."
    assert answer.finish_reason == "COMPLETE"
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert (answer.usage.tokens.input_tokens, answer.usage.tokens.output_tokens) == (12, 7)
    assert upstream == "ollama" or answer.usage.cached_tokens == 4
    body = gateway.last.body.decode()
    assert "be brief" in body
    assert not stop or "END" in body


def test_streaming(gateway: Gateway, client: cohere.ClientV2, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."], prompt=12, output=7))
    events = list(client.chat_stream(model=_model(upstream), messages=HELLO))
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("message-start", "message-end")
    assert kinds.count("content-start") == kinds.count("content-end") == 1
    found = Streamed(events)
    assert [piece for piece in found.pieces if piece] == ["Kyo", "to ", "is old."]
    assert (found.finish, found.error) == ("COMPLETE", None)
    assert (found.usage.tokens.input_tokens, found.usage.tokens.output_tokens) == (12, 7)


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: cohere.ClientV2, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask: dict[str, Any] = {"model": _model(upstream), "tools": [WEATHER]}
    if upstream != "ollama":  # which cannot demand a call
        ask["tool_choice"] = "REQUIRED"
    history: list[Any] = [*HELLO]
    if streaming:
        found = Streamed(client.chat_stream(messages=history, **ask))
        assert found.finish == "TOOL_CALL"
        made = [(call[0], call[1], call[2]) for call in found.calls]
        entries = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in made]
        history.append({"role": "assistant", "tool_calls": entries})
    else:
        answer = client.chat(messages=history, **ask)
        assert answer.finish_reason == "TOOL_CALL"
        made = [(c.id, c.function.name, c.function.arguments) for c in answer.message.tool_calls or () if c.function]
        history.append(answer.message)
    assert [(name, json.loads(arguments or "")) for _, name, arguments in made] == [
        ("weather", {"city": "Kyoto"}),
        ("weather", {"city": "Nara"}),
    ]
    for call_id, _, arguments in made:
        content = [{"type": "text", "text": f"sunny in {json.loads(arguments or '')['city']}"}]
        history.append({"role": "tool", "tool_call_id": call_id, "content": content})
    ask.pop("tool_choice", None)
    assert _text(client.chat(messages=history, **ask).message) == "Sunny in both."
    body = gateway.last.body.decode()
    assert body.index("sunny in Kyoto") < body.index("sunny in Nara")


def test_a_plan_goes_back(gateway: Gateway, client: cohere.ClientV2) -> None:
    document = json.loads(answers.chat("cohere", "", calls=[Call()]).body)
    document["message"]["tool_plan"] = "I will ask."
    gateway.script([Reply(json.dumps(document).encode()), answers.chat("cohere"), answers.chat("openai")])
    message = client.chat(model="cohere-mock:m", messages=HELLO, tools=[WEATHER]).message
    assert message.tool_plan == "I will ask."
    history: list[Any] = [*HELLO, message, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    client.chat(model="cohere-mock:m", messages=history, tools=[WEATHER])
    assert gateway.last.json()["messages"][1]["tool_plan"] == "I will ask."
    client.chat(model="openai-mock:m", messages=history, tools=[WEATHER])
    assert gateway.last.json()["messages"][1]["reasoning_content"] == "I will ask."


def test_structured_output(gateway: Gateway, client: cohere.ClientV2, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    form = {"type": "json_object", "json_schema": City.model_json_schema()}
    answer = client.chat(model=_model(upstream), messages=HELLO, response_format=form)
    assert City.model_validate_json(_text(answer.message)) == City(name="Kyoto", people=1460000)
    assert "people" in gateway.last.body.decode()


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking(gateway: Gateway, client: cohere.ClientV2, upstream: str, streaming: bool) -> None:
    thought = {"thinking": "Old capital?", "signature": "" if upstream in ("openai", "ollama") else "c2lnbmVk"}
    ask: dict[str, Any] = {"model": _model(upstream), "messages": HELLO, "thinking": {"type": "enabled"}}
    if streaming:
        gateway.script(answers.stream(upstream, ["Kyoto"], **thought))
        found = Streamed(client.chat_stream(**ask))
        assert (found.thinking, "".join(found.pieces)) == ("Old capital?", "Kyoto")
    else:
        gateway.script(answers.chat(upstream, "Kyoto", **thought))
        blocks = client.chat(**ask).message.content or []
        assert [block.type for block in blocks] == ["thinking", "text"]
        assert [block.thinking for block in blocks if block.type == "thinking"] == ["Old capital?"]


def test_an_image(gateway: Gateway, client: cohere.ClientV2, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    url = {"url": f"data:image/png;base64,{PIXEL}"}
    content = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": url}]
    answer = client.chat(model=_model(upstream), messages=[{"role": "user", "content": content}])
    assert _text(answer.message) == "a pixel"
    assert PIXEL in gateway.last.body.decode()


DOCUMENTS = [{"id": "d1", "data": {"text": "Kyoto is old.", "title": "Towns"}}]


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_citations(gateway: Gateway, client: cohere.ClientV2, streaming: bool) -> None:
    source = {"type": "document", "id": "d1", "document": {"id": "d1", "text": "Kyoto is old.", "title": "Towns"}}
    cited = {"start": 0, "end": 5, "text": "Kyoto", "sources": [source], "content_index": 0, "type": "TEXT_CONTENT"}
    ask: dict[str, Any] = {"model": "cohere-mock:m", "messages": HELLO, "documents": DOCUMENTS}
    if streaming:
        reply = answers.stream("cohere", ["Kyoto"])
        steps = list(reply.body)  # type: ignore[arg-type]
        event = {"type": "citation-start", "index": 0, "delta": {"message": {"citations": cited}}}
        steps.insert(3, f"event: citation-start\ndata: {json.dumps(event)}\n\n".encode())
        gateway.script(Reply(steps, content_type=answers.SSE))
        (citation,) = Streamed(client.chat_stream(**ask)).citations
    else:
        document = json.loads(answers.chat("cohere", "Kyoto").body)
        document["message"]["citations"] = [cited]
        gateway.script(Reply(json.dumps(document).encode()))
        (citation,) = client.chat(**ask).message.citations or ()
    assert (citation.start, citation.end, citation.text) == (0, 5, "Kyoto")
    assert citation.sources[0].document["title"] == "Towns"
    assert gateway.last.json()["documents"] == DOCUMENTS


def test_citations_of_another_provider(gateway: Gateway, client: cohere.ClientV2) -> None:
    document = json.loads(answers.chat("anthropic", "Kyoto").body)
    where = {"document_index": 0, "document_title": "Towns", "start_char_index": 0, "end_char_index": 13}
    cited = {"type": "char_location", "cited_text": "Kyoto is old.", **where}
    document["content"][0]["citations"] = [cited]
    gateway.script(Reply(json.dumps(document).encode()))
    answer = client.chat(
        model="anthropic-mock:m", messages=HELLO, documents=DOCUMENTS, citation_options={"mode": "ACCURATE"}
    )
    (citation,) = answer.message.citations or ()
    assert citation.text == "Kyoto"
    assert citation.sources is not None
    assert citation.sources[0].type == "document"
    assert citation.sources[0].document == {"title": "Towns", "snippet": "Kyoto is old."}
    block = gateway.last.json()["messages"][0]["content"][0]
    assert (block["source"]["data"], block["citations"]) == ("Kyoto is old.", {"enabled": True})


def test_what_only_cohere_has(gateway: Gateway, client: cohere.ClientV2) -> None:
    gateway.script(answers.chat("openai", "no"))
    with pytest.raises(cohere.BadRequestError) as caught:
        client.chat(model="openai-mock:m", messages=HELLO, safety_mode="STRICT")
    assert "safety_mode" in caught.value.body["message"]
    assert not gateway.provider.requests
    gateway.script(answers.chat("cohere", "yes"))
    client.chat(model="cohere-mock:m", messages=HELLO, safety_mode="STRICT", priority=2)
    assert (gateway.last.json()["safety_mode"], gateway.last.json()["priority"]) == ("STRICT", 2)


ERRORS = {
    400: cohere.BadRequestError,
    401: cohere.UnauthorizedError,
    403: cohere.ForbiddenError,
    404: cohere.NotFoundError,
    429: cohere.TooManyRequestsError,
    500: cohere.InternalServerError,
    503: cohere.ServiceUnavailableError,
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_errors(gateway: Gateway, client: cohere.ClientV2, upstream: str, status: int, streaming: bool) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(ERRORS[status]) as caught:
        ask: dict[str, Any] = {"model": _model(upstream), "messages": HELLO}
        list(client.chat_stream(**ask) if streaming else client.chat(**ask))
    assert caught.value.status_code == status
    assert "the provider's words" in caught.value.body["message"]


def test_an_unknown_model(client: cohere.ClientV2) -> None:
    with pytest.raises(cohere.NotFoundError) as caught:
        client.chat(model="nowhere:m", messages=HELLO)
    assert "nowhere" in caught.value.body["message"]
    with pytest.raises(cohere.NotFoundError):
        client.embed(model="nowhere:m", input_type="search_query", texts=["a"])


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: cohere.ClientV2, upstream: str) -> None:
    whole = list(answers.stream(upstream, ["Kyo", "to"]).body)  # type: ignore[arg-type]
    cut = next(i for i, step in enumerate(whole) if isinstance(step, bytes) and b"Kyo" in step) + 1
    gateway.script(Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    seen: list[Any] = []
    with pytest.raises(httpx.RemoteProtocolError):
        for event in client.chat_stream(model=_model(upstream), messages=HELLO):
            seen.append(event)
    found = Streamed(seen)
    assert "".join(found.pieces) == "Kyo"
    assert found.finish == "ERROR"
    assert found.error


@pytest.mark.parametrize("upstream", ["openai", "gemini", "ollama", "cohere"])
def test_embeddings(gateway: Gateway, client: cohere.ClientV2, upstream: str) -> None:
    gateway.script(answers.embeddings(upstream, [[0.5, -0.25], [1.0, 2.0]]))
    answer = client.embed(
        model=f"{upstream}-mock:embedder", texts=["a", "b"], input_type="search_query", truncate="END"
    )
    assert answer.embeddings.float_ == [[0.5, -0.25], [1.0, 2.0]]
    if upstream == "gemini":
        assert gateway.last.json()["requests"][0]["taskType"] == "RETRIEVAL_QUERY"
    if upstream == "cohere":
        assert gateway.last.json()["input_type"] == "search_query"


def test_embeddings_of_other_types(gateway: Gateway, client: cohere.ClientV2) -> None:
    ask: dict[str, Any] = {"input_type": "search_document", "texts": ["a"], "embedding_types": ["int8", "ubinary"]}
    document = json.loads(answers.embeddings("cohere").body)
    document["embeddings"] = {"int8": [[3, -4]], "ubinary": [[7]]}
    gateway.script(Reply(json.dumps(document).encode()))
    answer = client.embed(model="cohere-mock:e", **ask)
    assert (answer.embeddings.int8, answer.embeddings.ubinary) == ([[3, -4]], [[7]])
    gateway.script(answers.embeddings("gemini"))
    with pytest.raises(cohere.BadRequestError) as caught:
        client.embed(model="gemini-mock:e", **ask)
    assert "embedding_types" in caught.value.body["message"]
    assert not gateway.provider.requests


def test_images_are_embedded_by_cohere_alone(gateway: Gateway, client: cohere.ClientV2) -> None:
    ask: dict[str, Any] = {"input_type": "image", "images": [f"data:image/png;base64,{PIXEL}"]}
    gateway.script(answers.embeddings("cohere"))
    assert client.embed(model="cohere-mock:e", **ask).embeddings.float_ == [[0.5, -0.25]]
    with pytest.raises(cohere.BadRequestError) as caught:
        client.embed(model="openai-mock:e", images=ask["images"], input_type="search_query")
    assert "images" in caught.value.body["message"]


def test_models(client: cohere.ClientV2) -> None:
    assert "fast" in [model.name for model in client.models.list().models]
    assert client.models.get("fast").name == "fast"


def test_async(gateway: Gateway, upstream: str) -> None:
    async def ask() -> list[str]:
        async with httpx.AsyncClient(timeout=60) as transport:
            client = cohere.AsyncClientV2("unused", base_url=gateway.url, httpx_client=transport)
            events = [event async for event in client.chat_stream(model=_model(upstream), messages=HELLO)]
            return Streamed(events).pieces

    gateway.script(answers.stream(upstream, ["Kyo", "to"]))
    assert "".join(asyncio.run(ask())) == "Kyoto"


@pytest.mark.usefixtures("local_engine")  # fetches the model, or skips and says why
class TestLocal:
    def test_chat(self, client: cohere.ClientV2) -> None:
        ask = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
        options: dict[str, Any] = {"model": "local:default", "messages": ask, "temperature": 0, "max_tokens": 20}
        answer = client.chat(**options, k=40, seed=1)
        assert "Paris" in _text(answer.message)
        found = Streamed(client.chat_stream(**options, k=40, seed=1))
        assert "".join(found.pieces) == _text(answer.message)
        assert found.usage.tokens.output_tokens > 0

    def test_embeddings(self, client: cohere.ClientV2) -> None:
        answer = client.embed(model="local:embed", input_type="clustering", texts=["A cat sleeps.", "A kitten naps."])
        assert answer.embeddings.float_ is not None
        assert [len(vector) for vector in answer.embeddings.float_] == [384, 384]
