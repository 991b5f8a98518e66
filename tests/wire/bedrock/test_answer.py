"""Answers, streams and errors of other dialects as Bedrock's clients see them, and Bedrock's as others do."""

import json
from typing import Any

import pytest

from tests.answers import aws_message
from tests.wire.bedrock import botocore_reading as botocore
from tests.wire.bedrock.wires import CLAUDE, parse
from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import (
    AuthenticationError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    StreamInterruptedError,
    TsujiError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice
from tsuji.core.usage import Usage
from tsuji.wire.bedrock import DIALECT
from tsuji.wire.bedrock.carried import MARK
from tsuji.wire.dialect import NO_QUIRKS

FOREIGN = ChatResponse(
    id="resp-1",
    model="m",
    choices=(
        Choice(
            content=(
                Thinking("why", signature="c2ln", origin="gemini"),
                Text("see ", citations=(Citation(text="t", url="https://x", title="X"),), signature="dGV4dA=="),
                Refusal("no"),
                Audio(Media(data="AA=="), transcript="spoken"),
                Image(Media(data="iVBORw0KGgo=", media_type="image/png")),
                Image(Media(url="https://x/y.png")),
                Opaque("anthropic", "server_tool_use", {}),
                ToolCall("", "weather", '{"city":"Kyoto"}', signature="Y2FsbA=="),
            ),
            stop="stop",
        ),
        Choice(index=1, content=(Text("another"),), stop="stop"),
    ),
    usage=Usage(input_tokens=10, output_tokens=5, cached_tokens=4, cache_write_tokens=3, cache_write_1h_tokens=2),
)


def blocks(body: bytes) -> list[Any]:
    assert botocore.unknown(json.loads(body), botocore.MODEL.shape_for("ConverseResponse")) == []
    return botocore.answer(body)["output"]["message"]["content"]


def streamed(response: ChatResponse) -> bytes:
    return DIALECT.stream_renderer(ChatRequest(CLAUDE)).render(replay(response))


def test_a_foreign_answer() -> None:
    body = DIALECT.render_response(FOREIGN)
    answer = botocore.answer(body)
    kinds = [next(iter(block)) for block in blocks(body)]
    assert kinds == [
        "reasoningContent",
        "citationsContent",
        "reasoningContent",
        "text",
        "text",
        "image",
        "text",
        "toolUse",
        "reasoningContent",
    ]
    cited = blocks(body)[1]["citationsContent"]
    assert cited["citations"][0] == {
        "title": "X",
        "location": {"web": {"url": "https://x"}},
        "sourceContent": [{"text": "t"}],
    }
    assert blocks(body)[7]["toolUse"]["toolUseId"] == "call_resp-1_7"
    assert answer["stopReason"] == "tool_use"
    assert answer["usage"] == {
        "inputTokens": 3,
        "outputTokens": 5,
        "totalTokens": 15,
        "cacheReadInputTokens": 4,
        "cacheWriteInputTokens": 3,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 2}, {"ttl": "5m", "inputTokens": 1}],
    }


@pytest.mark.parametrize("stream", [False, True])
def test_what_others_signed_comes_back_through_a_client(stream: bool) -> None:
    if stream:
        parser = DIALECT.stream_parser(NO_QUIRKS)
        body = DIALECT.render_response(assemble(parser.feed(streamed(FOREIGN)) + parser.close()))
    else:
        body = DIALECT.render_response(FOREIGN)
    message = json.loads(body)["output"]["message"]
    request = parse({"messages": [message]})
    parts = request.messages[0].content
    assert parts[0] == Thinking("why", signature="c2ln", origin="gemini")
    assert [p.signature for p in parts if isinstance(p, Text | ToolCall) and p.signature] == ["dGV4dA==", "Y2FsbA=="]
    assert MARK in json.dumps(message).encode()


def test_a_foreign_stream_has_the_same_content() -> None:
    events = botocore.events(streamed(FOREIGN))
    assert [next(iter(e)) for e in events[:1] + events[-2:]] == ["messageStart", "messageStop", "metadata"]
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    said = "".join([d.get("text", "") for d in deltas])
    assert said == "see nospoken![](https://x/y.png)"
    assert [d["citation"]["title"] for d in deltas if "citation" in d] == ["X"]
    assert [d["toolUse"]["input"] for d in deltas if "toolUse" in d] == ['{"city":"Kyoto"}']
    assert [d["image"]["source"]["bytes"][:4] for d in deltas if "image" in d] == [b"\x89PNG"]
    starts = [e["contentBlockStart"]["start"] for e in events if "contentBlockStart" in e]
    assert [next(iter(start)) for start in starts] == ["image", "toolUse"]


def test_parts_that_interleave_are_written_one_after_the_other() -> None:
    calls = [ev.PartStarted(ToolCall(str(i), "w", ""), i) for i in range(2)]
    pieces = [ev.ArgumentsDelta(text, i) for text, i in (('{"a"', 0), ('{"b"', 1), (":1}", 0), (":2}", 1))]
    ends = [ev.PartEnded(i) for i in range(2)]
    events: list[Any] = [ev.Started("", ""), *calls, *pieces, *ends, ev.Finished("tool_calls"), ev.Ended()]
    seen: list[tuple[int, str]] = []
    for event in botocore.events(DIALECT.stream_renderer(ChatRequest("m")).render(events)):
        ((kind, fields),) = event.items()
        if kind.startswith("contentBlock"):
            seen.append((fields["contentBlockIndex"], kind.removeprefix("contentBlock")))
    assert seen == [(i, kind) for i in range(2) for kind in ("Start", "Delta", "Delta", "Stop")]


def test_a_block_that_says_nothing_is_there() -> None:
    whole = ChatResponse("", "", (Choice(content=(Text(""), Thinking("", origin="bedrock")), stop="stop"),))
    parser = DIALECT.stream_parser(NO_QUIRKS)
    assert assemble(parser.feed(streamed(whole)) + parser.close()).choices == (
        Choice(content=whole.choices[0].content, stop="stop", stop_raw="end_turn"),
    )


def test_redacted_reasoning_in_pieces() -> None:
    deltas = [{"reasoningContent": {"redactedContent": piece}} for piece in ("YQ==", "YmM=")]
    sent = [aws_message("event", "contentBlockDelta", {"delta": d, "contentBlockIndex": 0}) for d in deltas]
    sent += [aws_message("event", "messageStop", {"stopReason": "end_turn"})]
    parser = DIALECT.stream_parser(NO_QUIRKS)
    whole = assemble(parser.feed(b"".join(sent)) + parser.close())
    assert whole.choices[0].content == (Thinking(redacted="YWJj", origin="bedrock"),)


def test_a_stream_without_its_metadata_is_complete_once_it_has_stopped() -> None:
    stop = aws_message("event", "messageStop", {"stopReason": "max_tokens"})
    parser, tail = DIALECT.stream_parser(NO_QUIRKS), DIALECT.stream_tail()
    events = parser.feed(stop) + parser.close()
    tail.feed(stop)
    assert [type(e) for e in events] == [ev.Started, ev.Finished, ev.Ended]
    assert (tail.complete, tail.failed, tail.usage) == (True, False, None)


def test_a_damaged_stream() -> None:
    good = aws_message("event", "messageStart", {"role": "assistant"})
    bad = aws_message("event", "messageStop", {"stopReason": "end_turn"})[:-1] + b"!"
    parser, tail = DIALECT.stream_parser(NO_QUIRKS), DIALECT.stream_tail()
    events = parser.feed(good + bad)
    assert isinstance(events[0], ev.Started) and isinstance(events[1], ev.StreamFailed)
    assert "checksum" in events[1].error.message
    assert parser.feed(good) == parser.close() == []
    tail.feed(good + bad)
    assert tail.complete is False


@pytest.mark.parametrize(
    ("raw", "stop"),
    [
        ("end_turn", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "error"),
        ("malformed_tool_use", "malformed_tool_call"),
        ("model_context_window_exceeded", "context_window"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons(raw: str, stop: str) -> None:
    answer = {"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": raw}
    response = DIALECT.parse_response(json.dumps(answer).encode(), NO_QUIRKS)
    assert (response.choices[0].stop, response.choices[0].stop_raw) == (stop, raw)
    if stop != "other":
        assert json.loads(DIALECT.render_response(response))["stopReason"] == raw


def test_the_sequence_that_stopped_it_and_the_tier() -> None:
    answer = {
        "output": {"message": {"role": "assistant", "content": []}},
        "stopReason": "stop_sequence",
        "additionalModelResponseFields": {"stop_sequence": "END"},
        "serviceTier": {"type": "flex"},
    }
    response = DIALECT.parse_response(json.dumps(answer).encode(), NO_QUIRKS)
    assert (response.choices[0].stop_sequence, response.service_tier) == ("END", "flex")


ERRORS: list[tuple[int, str, type[TsujiError]]] = [
    (400, "ValidationException", InvalidRequestError),
    (400, "ServiceQuotaExceededException", RateLimitError),
    (403, "AccessDeniedException", PermissionDeniedError),
    (403, "UnrecognizedClientException", AuthenticationError),
    (403, "ExpiredTokenException", AuthenticationError),
    (404, "ResourceNotFoundException", ModelNotFoundError),
    (408, "ModelTimeoutException", UpstreamTimeoutError),
    (413, "RequestEntityTooLargeException", RequestTooLargeError),
    (424, "ModelErrorException", UpstreamError),
    (429, "ThrottlingException", RateLimitError),
    (429, "ModelNotReadyException", UpstreamUnavailableError),
    (500, "InternalServerException", UpstreamError),
    (503, "ServiceUnavailableException", UpstreamUnavailableError),
]


@pytest.mark.parametrize(("status", "code", "kind"), ERRORS)
def test_errors_go_by_their_type_wherever_it_stands(status: int, code: str, kind: type[TsujiError]) -> None:
    said = {"message": "words"}
    header = {"x-amzn-errortype": code + ":http://internal.amazon.com/coral/com.amazon.bedrock/"}
    for headers, body in (
        (header, said),
        ({}, {"__type": "com.amazon.bedrock#" + code, "Message": "words"}),
        ({}, {"code": code, **said}),
    ):
        error = DIALECT.parse_error(status, headers, json.dumps(body).encode())
        assert type(error) is kind
        assert (error.status, error.code, error.message) == (status, code, "words")
        assert botocore.answer(DIALECT.render_error(error), status=status)["Error"] == {
            "Message": "words",
            "Code": code,
        }


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (429, RateLimitError), (502, UpstreamError)])
def test_without_a_type_the_status_decides(status: int, kind: type[TsujiError]) -> None:
    error = DIALECT.parse_error(status, {"retry-after": "7"}, b"<html>")
    assert (type(error), error.retry_after) == (kind, 7.0)
    assert str(status) in error.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RateLimitError("m"), "throttlingException"),
        (UpstreamUnavailableError("m"), "serviceUnavailableException"),
        (InvalidRequestError("m"), "validationException"),
        (ModelNotFoundError("m"), "validationException"),
        (StreamInterruptedError("m"), "modelStreamErrorException"),
        (UpstreamTimeoutError("m"), "modelStreamErrorException"),
        (UpstreamError("m", status=500), "internalServerException"),
    ],
)
def test_an_error_ends_a_stream_and_says_so(error: TsujiError, code: str) -> None:
    body = DIALECT.stream_renderer(ChatRequest("m")).render([ev.StreamFailed(error)])
    assert botocore.events(body) == [{"Error": {"Code": code, "Message": "m"}}]
    parser, tail = DIALECT.stream_parser(NO_QUIRKS), DIALECT.stream_tail()
    (failed,) = parser.feed(body)
    assert isinstance(failed, ev.StreamFailed) and failed.error.message == "m"
    tail.feed(body)
    assert (tail.complete, tail.failed) == (False, True)


def test_an_error_without_a_document() -> None:
    from tsuji.wire.eventstream import encode_message

    body = encode_message({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "why"}, b"")
    (failed,) = DIALECT.stream_parser(NO_QUIRKS).feed(body)
    assert isinstance(failed, ev.StreamFailed)
    assert (failed.error.message, failed.error.code) == ("why", "InternalFailure")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"output":{}}', b"[]", b'{"message":"m"}', b'{"__type":"ThrottlingException"}']
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(TsujiError):
        DIALECT.parse_response(body, NO_QUIRKS)
