"""Whatever the bytes: our errors, or StreamFailed, and nothing else."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.errors import TsujiError
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.openai.fields import names
from tsuji.wire.responses import DIALECT

_WORDS = sorted(
    names("""
    type role content text input output message user assistant reasoning summary encrypted_content function_call id
    function_call_output call_id name arguments input_text output_text annotations refusal tools tool_choice status
    completed usage input_tokens model m error incomplete_details reason include instructions response item part
    output_index content_index delta response.created response.completed response.output_item.added
    response.output_item.done response.content_part.added response.content_part.done response.output_text.delta
    response.function_call_arguments.delta response.reasoning_summary_text.delta
    web_search_call tsuji.eyJhIjp0cnVlfQ==
    """)
)
_word = st.sampled_from(_WORDS)
_leaf = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | _word
_json: Any = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_word, inner, max_size=6), max_leaves=25
)
_object = st.dictionaries(_word, _json, max_size=8)
_fuzz = settings(deadline=None, max_examples=300)


@_fuzz
@given(body=_object)
def test_requests(body: dict[str, Any]) -> None:
    try:
        request = DIALECT.parse_request(json.dumps({"model": "m", **body}).encode(), None, None)
        again = DIALECT.render_request(request, NO_QUIRKS, Losses("responses")).body
    except TsujiError as error:
        assert error.kind != "internal"
        return
    assert DIALECT.parse_request(again, None, None).model == request.model


@_fuzz
@given(body=_object | st.fixed_dictionaries({"output": st.lists(_object, max_size=4)}))
def test_answers(body: dict[str, Any]) -> None:
    try:
        response = DIALECT.parse_response(json.dumps(body).encode(), NO_QUIRKS)
    except TsujiError:
        return
    assert json.loads(DIALECT.render_response(response))["object"] == "response"


@_fuzz
@given(events=st.lists(_object, max_size=8), kinds=st.lists(_word, min_size=8, max_size=8), cut=st.integers(0, 500))
def test_streams(events: list[dict[str, Any]], kinds: list[str], cut: int) -> None:
    typed = [{**event, "type": kind} for event, kind in zip(events, kinds, strict=False)]
    body = b"".join([b"data: " + json.dumps(e).encode() + b"\n\n" for e in typed])
    whole, halves = DIALECT.stream_parser(NO_QUIRKS), DIALECT.stream_parser(NO_QUIRKS)
    found = whole.feed(body) + whole.close()
    again = halves.feed(body[:cut]) + halves.feed(body[cut:]) + halves.close()
    assert [type(e) for e in found] == [type(e) for e in again]
    assert isinstance(found[-1], ev.StreamFailed | ev.Ended)
    assert not any(isinstance(e, ev.StreamFailed | ev.Ended) for e in found[:-1])
    tail = DIALECT.stream_tail()
    tail.feed(body)
    assert tail.complete is False or tail.failed is False


@_fuzz
@given(body=st.binary(max_size=200))
def test_bytes(body: bytes) -> None:
    assert DIALECT.read_usage(body) is None
    assert isinstance(DIALECT.parse_error(500, {}, body), TsujiError)
    for read in (lambda: DIALECT.parse_request(body, None, None), lambda: DIALECT.parse_response(body, NO_QUIRKS)):
        try:
            read()
        except TsujiError as error:
            assert error.message
        else:
            raise AssertionError("bytes were taken for a document")


def test_depth() -> None:
    deep = b'{"model":"m","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for read in (lambda: DIALECT.parse_request(deep, None, None), lambda: DIALECT.parse_response(deep, NO_QUIRKS)):
        try:
            read()
        except TsujiError as error:
            assert error.message
        else:
            raise AssertionError("endless depth was taken for a document")
