"""The official client reads what is rendered: answers, streams and errors, through its own transport seam."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from tsuji.core import events as ev
from tsuji.core.assemble import replay
from tsuji.core.errors import (
    AuthenticationError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    TsujiError,
    UpstreamUnavailableError,
)
from tsuji.core.parts import Citation, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice, ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire.anthropic import DIALECT

ANSWER = ChatResponse(
    "resp_1",
    "some-model",
    (
        Choice(
            content=(
                Thinking("let me see", signature="gs", origin="gemini"),
                Text("It is 12 degrees.", citations=(Citation("12C", "https://x", "T"),)),
                ToolCall("", "f", '{"x":1}', signature="gs2"),
            ),
            stop="tool_calls",
        ),
    ),
    usage=Usage(input_tokens=20, output_tokens=9, cached_tokens=5, reasoning_tokens=4),
)
ASK: dict[str, Any] = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def answering() -> Iterator[Any]:
    opened: list[httpx2.Client] = []

    def client(body: bytes, status: int = 200, content_type: str = "application/json") -> anthropic.Anthropic:
        def handle(request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(status, content=body, headers={"content-type": content_type})

        opened.append(httpx2.Client(transport=httpx2.MockTransport(handle)))
        return anthropic.Anthropic(api_key="k", http_client=opened[-1], max_retries=0)

    yield client
    for one in opened:
        one.close()


def check(message: Any) -> None:
    thinking, text, call, carrier = message.content
    assert (thinking.type, thinking.thinking, thinking.signature[:6]) == ("thinking", "let me see", "tsuji.")
    assert (text.text, text.citations[0].url) == ("It is 12 degrees.", "https://x")
    assert (call.id, call.name, call.input, carrier.type) == ("call_resp_1_2", "f", {"x": 1}, "redacted_thinking")
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (15, 5)
    assert (message.usage.output_tokens, message.usage.output_tokens_details.thinking_tokens) == (9, 4)


def test_a_plain_answer(answering: Any) -> None:
    check(answering(DIALECT.render_response(ANSWER)).messages.create(**ASK))


def test_a_streamed_answer(answering: Any) -> None:
    body = DIALECT.stream_renderer(ChatRequest("m", stream=True)).render(replay(ANSWER))
    with answering(body, content_type="text/event-stream").messages.stream(**ASK) as stream:
        check(stream.get_final_message())


def test_the_next_turn_brings_everything_back(answering: Any) -> None:
    message = answering(DIALECT.render_response(ANSWER)).messages.create(**ASK)
    blocks = [block.model_dump() for block in message.content]
    body = json.dumps({"model": "m", "messages": [{"role": "assistant", "content": blocks}]}).encode()
    thinking, text, call = DIALECT.parse_request(body, None, None).messages[0].content
    assert thinking == Thinking("let me see", signature="gs", origin="gemini")
    assert isinstance(text, Text)
    assert text.text == "It is 12 degrees."
    assert isinstance(call, ToolCall)
    assert (call.arguments, call.signature) == ('{"x":1}', "gs2")


ERRORS: list[tuple[TsujiError, type[anthropic.APIStatusError]]] = [
    (InvalidRequestError("m"), anthropic.BadRequestError),
    (AuthenticationError("m"), anthropic.AuthenticationError),
    (PermissionDeniedError("m"), anthropic.PermissionDeniedError),
    (ModelNotFoundError("m"), anthropic.NotFoundError),
    (RequestTooLargeError("m"), anthropic.APIStatusError),
    (RateLimitError("m"), anthropic.RateLimitError),
    (UpstreamUnavailableError("m"), anthropic.InternalServerError),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=lambda v: getattr(v, "__name__", type(v).__name__))
def test_errors_are_the_client_s_own(answering: Any, error: TsujiError, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught:
        answering(DIALECT.render_error(error), error.status).messages.create(**ASK)
    assert caught.value.status_code == error.status  # pyright: ignore[reportAttributeAccessIssue]
    assert caught.value.api_message == "m"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_failure_inside_a_stream_reaches_the_client(answering: Any) -> None:
    begun = replay(ANSWER)[:5]
    body = DIALECT.stream_renderer(ChatRequest("m", stream=True)).render(
        [*begun, ev.StreamFailed(UpstreamUnavailableError("cut"))]
    )
    client = answering(body, content_type="text/event-stream")
    with pytest.raises(anthropic.APIStatusError) as caught, client.messages.stream(**ASK) as stream:
        stream.get_final_message()
    assert (caught.value.type, caught.value.api_message) == ("overloaded_error", "cut")


def test_a_list_of_models(answering: Any) -> None:
    assert DIALECT.render_models is not None
    page = answering(DIALECT.render_models([ModelInfo("gpt-x", created=1700000000)])).models.list()
    assert [(m.id, m.display_name, m.created_at.year) for m in page] == [("gpt-x", "gpt-x", 2023)]
