"""Whatever the bytes: our errors, or StreamFailed, and nothing else."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.errors import TsujiError
from tsuji.core.request import ChatRequest
from tsuji.wire.bedrock import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.eventstream import encode_message
from tsuji.wire.openai.fields import names

_WORDS = sorted(
    names("""
    messages system inferenceConfig toolConfig additionalModelRequestFields outputConfig serviceTier requestMetadata
    role user assistant content text image document video audio toolUse toolResult reasoningContent guardContent
    citationsContent cachePoint searchResult format source bytes s3Location uri name input toolUseId status success
    error json reasoningText redactedContent signature type default ttl tools toolSpec systemTool inputSchema toolChoice
    auto any tool maxTokens stopSequences topP thinking enabled budget_tokens reasoningConfig maxReasoningEffort high
    textFormat structure jsonSchema schema json_schema effort output message stopReason end_turn usage inputTokens
    cacheDetails metrics __type start delta contentBlockIndex citation sourceContent location web url png pdf txt
    citations embedding embeddings inputText texts input_type singleEmbeddingParams float value reasoning_effort top_k
    dHN1amkuZXlKaElqcDBjblZsZlE9PQ== {}
    """)
)
_KINDS = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "new"]
)
_word = st.sampled_from(_WORDS)
_leaf = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | _word
_json: Any = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_word, inner, max_size=4), max_leaves=25
)
_object = st.dictionaries(_word, _json, max_size=6)
_block = st.dictionaries(_word, _object, min_size=1, max_size=1)
_message = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(_block)}
)
_request = _object | st.fixed_dictionaries(
    {"messages": st.lists(_message, max_size=3)}, optional={"toolConfig": _object}
)
_fuzz = settings(deadline=None, max_examples=150)


@_fuzz
@given(body=_request, drop=st.booleans())
def test_requests(body: dict[str, Any], drop: bool) -> None:
    try:
        request = DIALECT.parse_request(json.dumps(body).encode(), "anthropic.claude-sonnet-4-5", False)
        again = DIALECT.render_request(request, NO_QUIRKS, Losses("bedrock", drop)).body
    except TsujiError as error:
        assert error.kind != "internal"
        return
    once = DIALECT.parse_request(again, request.model, False)
    assert DIALECT.render_request(once, NO_QUIRKS, Losses("bedrock", drop)).body == again


@_fuzz
@given(body=_object | st.fixed_dictionaries({"output": st.fixed_dictionaries({"message": _message | _object})}))
def test_answers(body: dict[str, Any]) -> None:
    try:
        response = DIALECT.parse_response(json.dumps(body).encode(), NO_QUIRKS)
    except TsujiError:
        return
    again = DIALECT.render_response(response)
    assert DIALECT.parse_response(again, NO_QUIRKS).choices[0].content == response.choices[0].content


@_fuzz
@given(events=st.lists(st.tuples(_KINDS, _object), max_size=8), cut=st.integers(0, 900))
def test_streams(events: list[tuple[str, dict[str, Any]]], cut: int) -> None:
    for _, event in events:
        event.setdefault("contentBlockIndex", 0)
    body = b"".join(
        [encode_message({":event-type": k, ":message-type": "event"}, json.dumps(e).encode()) for k, e in events]
    )
    whole, halves = DIALECT.stream_parser(NO_QUIRKS), DIALECT.stream_parser(NO_QUIRKS)
    found = whole.feed(body) + whole.close()
    again = halves.feed(body[:cut]) + halves.feed(body[cut:]) + halves.close()
    assert [type(e) for e in found] == [type(e) for e in again]
    assert isinstance(found[-1], ev.StreamFailed | ev.Ended)
    assert not any(isinstance(e, ev.StreamFailed | ev.Ended) for e in found[:-1])
    rendered = DIALECT.stream_renderer(ChatRequest("m")).render(found)
    back = DIALECT.stream_parser(NO_QUIRKS)
    assert isinstance((back.feed(rendered) + back.close())[-1], type(found[-1]))
    tail = DIALECT.stream_tail()
    tail.feed(body)
    assert tail.failed is False


@_fuzz
@given(body=st.binary(max_size=200))
def test_bytes(body: bytes) -> None:
    assert DIALECT.read_usage(body) is None
    assert isinstance(DIALECT.parse_error(500, {"x-amzn-errortype": "#:"}, body), TsujiError)
    DIALECT.stream_tail().feed(body)
    parser = DIALECT.stream_parser(NO_QUIRKS)
    assert isinstance((parser.feed(body) + parser.close())[-1], ev.StreamFailed)
    assert DIALECT.parse_embedding_request is not None and DIALECT.parse_embedding_response is not None
    for read in (
        lambda: DIALECT.parse_request(body, "m", None),
        lambda: DIALECT.parse_response(body, NO_QUIRKS),
        lambda: DIALECT.parse_embedding_request(body, "m") if DIALECT.parse_embedding_request else None,
        lambda: DIALECT.parse_embedding_response(body) if DIALECT.parse_embedding_response else None,
    ):
        try:
            read()
        except TsujiError as error:
            assert error.message
        else:
            raise AssertionError("bytes were taken for a document")


@_fuzz
@given(body=_object, model=st.sampled_from(["amazon.titan-embed-text-v2:0", "cohere.embed-v4:0", "amazon.nova-2", "x"]))
def test_embeddings(body: dict[str, Any], model: str) -> None:
    parse, render = DIALECT.parse_embedding_request, DIALECT.render_embedding_request
    assert parse is not None and render is not None and DIALECT.parse_embedding_response is not None
    try:
        request = parse(json.dumps(body).encode(), model)
        assert render(request, NO_QUIRKS, Losses("bedrock", drop=True)).body
    except TsujiError as error:
        assert error.kind != "internal"
    try:
        DIALECT.parse_embedding_response(json.dumps(body).encode())
    except TsujiError as error:
        assert error.kind != "internal"


def test_depth() -> None:
    deep = b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for read in (lambda: DIALECT.parse_request(deep, "m", None), lambda: DIALECT.parse_response(deep, NO_QUIRKS)):
        try:
            read()
        except TsujiError as error:
            assert error.message
        else:
            raise AssertionError("endless depth was taken for a document")
