"""What the official clients make of an answer: their types, and the clients themselves over a transport of ours.

One entry of OFFICIAL for each dialect.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import anthropic
import httpx
import httpx2
import ollama
import openai
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.beta import message_create_params as anthropic_params
from google import genai
from google.genai import types
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat import completion_create_params as openai_params
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses import response_create_params as responses_params

from tsuji.wire import DIALECTS

from .client import Heard, Official, datas, kind_of, mock, type_of
from .official_bedrock import BEDROCK
from .official_cohere import COHERE
from .reading import joined, value


def _request(module: Any, name: str) -> Callable[[Any], object]:
    """The parameters of the client's `create`, streaming or not."""

    def check(body: Any) -> object:
        assert [m for m in body.get("messages", ()) if m["role"] == "tool" and not m.get("tool_call_id")] == []
        return type_of(getattr(module, name + ("Streaming" if body.get("stream") else "NonStreaming"))).validate_python(
            body
        )

    return check


# OpenAI, chat completions.


def _openai_heard(messages: Iterable[Any]) -> Heard:
    """Of a message, or of the deltas of one."""
    text = ""
    calls: dict[int, list[str]] = {}
    for message in messages:
        text += message.content or ""
        for position, call in enumerate(message.tool_calls or ()):
            made = call.function if call.type != "custom" else call.custom
            said = made and (made.arguments if call.type != "custom" else made.input)
            at = calls.setdefault(getattr(call, "index", position), ["", ""])
            at[0] += (made and made.name) or ""
            at[1] += said or ""
    return Heard(text, [(name, value(arguments)) for _, (name, arguments) in sorted(calls.items())])


def _openai_chunks(chunks: Iterable[ChatCompletionChunk]) -> Heard:
    return _openai_heard([c.delta for chunk in chunks for c in chunk.choices if not c.index])


def _openai_client(body: bytes, status: int, streamed: bool) -> Heard:
    with mock(httpx2, body, status, kind_of(streamed)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0)
        made: Any = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=streamed
        )
        return _openai_chunks(made) if streamed else _openai_heard([c.message for c in made.choices[:1]])


# OpenAI, responses.


def _responses_heard(answer: Response) -> Heard:
    calls = [(i.name, value(i.arguments)) for i in answer.output if i.type == "function_call"]
    return Heard(answer.output_text, calls)


def _responses_events(events: Iterable[Any]) -> Heard:
    listed: list[Any] = list(events)
    last = listed[-1]
    if listed[0].sequence_number == 0:  # Ours are; some recorded servers begin elsewhere.
        assert [event.sequence_number for event in listed] == list(range(len(listed)))
    if last.type == "error":
        raise openai.OpenAIError(last.message)
    return _responses_heard(last.response)


def _responses_client(body: bytes, status: int, streamed: bool) -> Heard:
    with mock(httpx2, body, status, kind_of(streamed)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0)
        made: Any = client.responses.create(model="m", input="hi", stream=streamed)
        return _responses_events(made) if streamed else _responses_heard(made)


# Anthropic.


def _anthropic_heard(message: Any) -> Heard:
    calls = [(b.name, b.input) for b in message.content if b.type == "tool_use"]
    return Heard("".join([b.text for b in message.content if b.type == "text"]), calls)


def _anthropic_events(stream: bytes) -> Heard:
    texts: list[str] = []
    calls: dict[int, list[str]] = {}
    for data in datas(stream):
        event = type_of(BetaRawMessageStreamEvent).validate_json(data)
        if event.type == "content_block_start" and event.content_block.type == "tool_use":
            calls[event.index] = [event.content_block.name, ""]
        elif event.type == "content_block_delta":
            if event.delta.type == "text_delta":
                texts.append(event.delta.text)
            elif event.delta.type == "input_json_delta" and event.index in calls:
                calls[event.index][1] += event.delta.partial_json
    return Heard("".join(texts), [(name, value(text or "{}")) for name, text in calls.values()])


def _anthropic_client(body: bytes, status: int, streamed: bool) -> Heard:
    with mock(httpx2, body, status, kind_of(streamed)) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://test", http_client=http, max_retries=0)
        ask: Any = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
        if not streamed:
            return _anthropic_heard(client.beta.messages.create(**ask))
        with client.beta.messages.stream(**ask) as stream:
            return _anthropic_heard(stream.get_final_message())


# Gemini.


def _gemini_request(body: Any) -> object:
    """The client has no type for the whole body: its contents, tools and generation settings."""
    type_of(list[types.Tool]).validate_python(body.get("tools", []))
    contents = body["contents"]
    assert contents
    assert all(c["parts"] for c in contents)
    roles = [c.get("role", "user") for c in contents]
    assert all(a != b for a, b in pairwise(roles))
    for before, content in pairwise(contents):
        calls = {p["functionCall"]["name"] for p in before["parts"] if "functionCall" in p}
        answers = {p["functionResponse"]["name"] for p in content["parts"] if "functionResponse" in p}
        assert answers <= calls or not calls
    return type_of(list[types.Content]).validate_python([*contents, body.get("systemInstruction", {})])


def _gemini_heard(chunks: Iterable[types.GenerateContentResponse]) -> Heard:
    contents = [c.candidates[0].content for c in chunks if c.candidates]
    parts = [p for content in contents if content for p in content.parts or []]
    calls = [(p.function_call.name or "", p.function_call.args or {}) for p in parts if p.function_call]
    return Heard(joined([p.text for p in parts if not p.thought]), calls)


def _gemini_client(body: bytes, status: int, streamed: bool) -> Heard:
    with mock(httpx2, body, status, kind_of(streamed)) as http:
        options = types.HttpOptions(base_url="http://test", httpx_client=http)
        models = genai.Client(api_key="k", http_options=options).models
        if streamed:
            return _gemini_heard(models.generate_content_stream(model="m", contents="hi"))
        return _gemini_heard([models.generate_content(model="m", contents="hi")])


# Ollama.


def _ollama_request(body: Any) -> object:
    for message in body["messages"]:
        ollama.Message.model_validate({k: v for k, v in message.items() if k != "images"})
    return type_of(list[ollama.Tool]).validate_python(body.get("tools", []))


def _ollama_heard(lines: Iterable[ollama.ChatResponse]) -> Heard:
    messages = [line.message for line in lines]
    calls = [(c.function.name, dict(c.function.arguments)) for m in messages for c in m.tool_calls or ()]
    return Heard(joined([m.content for m in messages]), calls)


def _ollama_client(body: bytes, status: int, streamed: bool) -> Heard:
    client = ollama.Client(host="http://test")
    client._client = mock(httpx, body, status, "application/x-ndjson" if streamed else "application/json")
    with client._client:
        made: Any = client.chat(model="m", messages=[], stream=streamed)
        return _ollama_heard(made if streamed else [made])


OFFICIAL: dict[str, Official] = {
    "openai": Official(
        _request(openai_params, "CompletionCreateParams"),
        lambda body: _openai_heard([c.message for c in ChatCompletion.model_validate_json(body).choices[:1]]),
        lambda stream: _openai_chunks([ChatCompletionChunk.model_validate_json(d) for d in datas(stream)]),
        _openai_client,
        (openai.APIError,),
        CreateEmbeddingResponse,
    ),
    "responses": Official(
        _request(responses_params, "ResponseCreateParams"),
        lambda body: _responses_heard(Response.model_validate_json(body)),
        lambda stream: _responses_events([type_of(ResponseStreamEvent).validate_json(d) for d in datas(stream)]),
        _responses_client,
        (openai.APIError,),
    ),
    "anthropic": Official(
        _request(anthropic_params, "MessageCreateParams"),
        lambda body: _anthropic_heard(BetaMessage.model_validate_json(body)),
        _anthropic_events,
        _anthropic_client,
        (anthropic.APIError,),
    ),
    "gemini": Official(
        _gemini_request,
        lambda body: _gemini_heard([types.GenerateContentResponse.model_validate_json(body)]),
        lambda stream: _gemini_heard([types.GenerateContentResponse.model_validate_json(d) for d in datas(stream)]),
        _gemini_client,
        (genai.errors.APIError,),
        types.EmbedContentResponse,
    ),
    "ollama": Official(
        _ollama_request,
        lambda body: _ollama_heard([ollama.ChatResponse.model_validate_json(body)]),
        lambda stream: _ollama_heard([ollama.ChatResponse.model_validate_json(line) for line in stream.splitlines()]),
        _ollama_client,
        (ollama.ResponseError,),
        ollama.EmbedResponse,
    ),
    "bedrock": BEDROCK,
    "cohere": COHERE,
}
OFFICIAL = {name: official for name, official in OFFICIAL.items() if name in DIALECTS}
