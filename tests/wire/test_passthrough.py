"""Bodies that stay in their dialect."""

import json

import msgspec
import pytest

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.provider import Quirks
from tsuji.wire.dialect import Losses
from tsuji.wire.passthrough import decode_body, decode_fields, encode, model_of, quirky, wants_stream


def test_only_the_top_level_is_decoded() -> None:
    body = b'{"model": "m", "messages": [ {"a" : 1e5} ], "stream":true}'
    fields = decode_fields(body)
    assert model_of(fields) == "m"
    assert wants_stream(fields)
    fields["model"] = msgspec.Raw(b'"other"')
    assert encode(fields) == b'{"model":"other","messages":[ {"a" : 1e5} ],"stream":true}'


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b"{}{}", b"[" * 100_000])
def test_no_object(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        decode_fields(body)
    with pytest.raises(InvalidRequestError):
        decode_body(body)


@pytest.mark.parametrize("body", [b"{}", b'{"model":1}', b'{"model":""}', b'{"model":null}'])
def test_no_model(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        model_of(decode_fields(body))
    assert caught.value.param == "model"


def losses(drop: bool = False) -> Losses:
    return Losses("openai", drop)


def test_no_quirks_no_copy() -> None:
    fields = {"model": "m"}
    assert quirky(fields, Quirks(), losses()) is fields


def test_drop_rename_default() -> None:
    quirks = Quirks(drop=("seed",), rename={"max_completion_tokens": "max_tokens"}, defaults={"safe": True, "n": 2})
    fields = {"seed": 1, "max_completion_tokens": 5, "n": 1}
    with pytest.raises(UnsupportedParameterError) as caught:
        quirky(fields, quirks, losses())
    assert caught.value.param == "seed"
    noted = losses(drop=True)
    assert quirky(fields, quirks, noted) == {"max_tokens": 5, "n": 1, "safe": True}
    assert noted.dropped == ["seed"]
    assert fields == {"seed": 1, "max_completion_tokens": 5, "n": 1}


def test_a_rename_overwrites_nothing() -> None:
    quirks = Quirks(rename={"reasoning_effort": "thinking"})
    fields = {"reasoning_effort": "max", "thinking": {"type": "enabled"}}
    assert quirky(fields, quirks, losses()) == fields


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    ("target", "word", "expected"),
    [
        ("thinking", "none", {"type": "disabled"}),
        ("thinking", "high", {"type": "enabled"}),
        ("reasoning", "low", {"effort": "low"}),
        ("enable_thinking", "none", False),
        ("effort", "low", "low"),
    ],
)
def test_an_effort_takes_the_shape_of_its_new_name(target: str, word: str, expected: object, raw: bool) -> None:
    value = msgspec.Raw(json.dumps(word).encode()) if raw else word
    found = quirky({"reasoning_effort": value}, Quirks(rename={"reasoning_effort": target}), losses())
    assert json.loads(encode(found)) == {target: expected}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"none"', {"thinking": {"type": "disabled"}}),
        (b'"high"', {"reasoning_effort": "high"}),
        (b"null", {"reasoning_effort": None}),
        (b"7", {"reasoning_effort": 7}),
    ],
)
def test_no_effort_is_said_by_the_field_that_turns_thinking_off(value: bytes, expected: object) -> None:
    found = quirky({"reasoning_effort": msgspec.Raw(value)}, Quirks(thinking_off="thinking"), losses())
    assert json.loads(encode(found)) == expected


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_what_json_cannot_hold(value: object) -> None:
    with pytest.raises(InvalidRequestError):
        encode({"seed": value})
