"""The official client reads what is rendered: answers, streams, errors, embeddings, models."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest

from tsuji.core import events as ev
from tsuji.core.assemble import replay
from tsuji.core.errors import (
    AuthenticationError,
    InsufficientFundsError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    TsujiError,
    UpstreamUnavailableError,
)
from tsuji.core.parts import Text, Thinking, ToolCall
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import ChatResponse, Choice, EmbeddingResponse, ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire.openai.embeddings import parse_embedding_request, render_embedding_response
from tsuji.wire.openai.models import render_models

from .wire import DIALECT

ANSWER = ChatResponse(
    "c1",
    "m",
    (
        Choice(
            0,
            (
                Thinking("hm", "sig", origin="anthropic"),
                Text("It is "),
                Text("12 degrees."),
                ToolCall("", "f", '{"x": 1}'),
                ToolCall("b", "g"),
            ),
            "tool_calls",
            "tool_use",
        ),
    ),
    7,
    Usage(20, 9, 5, reasoning_tokens=4),
)
Serve = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def client() -> Iterator[Callable[[Serve], openai.OpenAI]]:
    opened: list[openai.OpenAI] = []

    def make(serve: Serve) -> openai.OpenAI:
        http = httpx2.Client(transport=httpx2.MockTransport(serve))
        opened.append(openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0))
        return opened[-1]

    yield make
    for made in opened:
        made.close()


def plain(request: httpx2.Request) -> httpx2.Response:
    DIALECT.parse_request(request.content, None, None)
    return httpx2.Response(200, content=DIALECT.render_response(ANSWER), headers={"content-type": "application/json"})


def streamed(request: httpx2.Request) -> httpx2.Response:
    asked = DIALECT.parse_request(request.content, None, None)
    body = DIALECT.stream_renderer(asked).render(replay(ANSWER))
    return httpx2.Response(200, content=body, headers={"content-type": DIALECT.content_type})


ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def check(completion: Any) -> None:
    message = completion.choices[0].message
    assert message.content == "It is 12 degrees."
    assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls] == [
        ("call_0", "f", '{"x": 1}'),
        ("b", "g", "{}"),
    ]
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage.total_tokens == 29
    assert completion.usage.prompt_tokens_details.cached_tokens == 5
    assert completion.usage.completion_tokens_details.reasoning_tokens == 4


def test_answers(client: Callable[[Serve], openai.OpenAI]) -> None:
    found = client(plain).chat.completions.create(**ASK)
    check(found)
    assert found.choices[0].message.model_extra is not None
    assert found.choices[0].message.model_extra["reasoning_content"] == "hm"


def test_streams(client: Callable[[Serve], openai.OpenAI]) -> None:
    made = client(streamed)
    with made.chat.completions.stream(**ASK, stream_options={"include_usage": True}) as stream:
        kinds = [event.type for event in stream]
        check(stream.get_final_completion())
    assert "content.done" in kinds
    assert kinds.count("tool_calls.function.arguments.done") == 2
    chunks = list(made.chat.completions.create(**ASK, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)


ERRORS: list[tuple[TsujiError, type[openai.APIStatusError]]] = [
    (InvalidRequestError("x", param="n"), openai.BadRequestError),
    (AuthenticationError("x"), openai.AuthenticationError),
    (PermissionDeniedError("x"), openai.PermissionDeniedError),
    (ModelNotFoundError("x"), openai.NotFoundError),
    (InvalidRequestError("x", status=422), openai.UnprocessableEntityError),
    (RateLimitError("x"), openai.RateLimitError),
    (InsufficientFundsError("x", status=429), openai.RateLimitError),
    (UpstreamUnavailableError("x"), openai.InternalServerError),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_errors(client: Callable[[Serve], openai.OpenAI], error: TsujiError, kind: type[openai.APIStatusError]) -> None:
    made = client(lambda _: httpx2.Response(error.status, content=DIALECT.render_error(error)))
    with pytest.raises(kind) as caught:
        made.chat.completions.create(**ASK)
    body: Any = caught.value.body
    assert (body["message"], caught.value.param, caught.value.status_code) == ("x", error.param, error.status)
    assert caught.value.type


def test_an_error_inside_a_stream(client: Callable[[Serve], openai.OpenAI]) -> None:
    def serve(request: httpx2.Request) -> httpx2.Response:
        asked = DIALECT.parse_request(request.content, None, None)
        cut = [*replay(ANSWER)[:5], ev.StreamFailed(UpstreamUnavailableError("gone"))]
        body = DIALECT.stream_renderer(asked).render(cut)
        return httpx2.Response(200, content=body, headers={"content-type": DIALECT.content_type})

    with pytest.raises(openai.APIError, match="gone"):
        list(client(serve).chat.completions.create(**ASK, stream=True))


def test_embeddings(client: Callable[[Serve], openai.OpenAI]) -> None:
    asked: list[EmbeddingRequest] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(parse_embedding_request(request.content))
        response = EmbeddingResponse("m", ((1.0, 0.5), (0.25, -2.0)), Usage(3, total=3))
        return httpx2.Response(200, content=render_embedding_response(response, asked[-1]))

    made = client(serve)
    for form in (openai.omit, "float", "base64"):
        found = made.embeddings.create(model="m", input=["a", "b"], encoding_format=form)
        if form != "base64":
            assert [row.embedding for row in found.data] == [[1.0, 0.5], [0.25, -2.0]]
        assert found.usage.total_tokens == 3
    assert [a.encoding for a in asked] == ["base64", "float", "base64"]


def test_models(client: Callable[[Serve], openai.OpenAI]) -> None:
    listed = [ModelInfo("a", owned_by="o"), ModelInfo("b", created=7)]
    found = client(lambda _: httpx2.Response(200, content=render_models(listed))).models.list()
    assert [(m.id, m.created, m.owned_by) for m in found.data] == [("a", 0, "o"), ("b", 7, "")]
