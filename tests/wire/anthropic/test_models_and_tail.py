"""The list of models, and the usage of what is passed through."""

import json
from typing import Any

import pytest
from anthropic.types import ModelInfo as OfficialModel

from tsuji.core.errors import AuthenticationError, UpstreamProtocolError
from tsuji.core.response import ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.anthropic.models import parse_models, render_models
from tsuji.wire.dialect import NO_QUIRKS

from .sse import HELLO, RICH, stream

ROW = {
    "type": "model",
    "id": "claude-sonnet-4-5",
    "display_name": "Claude Sonnet 4.5",
    "created_at": "2025-09-29T00:00:00Z",
    "max_input_tokens": 200000,
    "max_tokens": 64000,
    "lifecycle": "active",
}


def test_a_list_of_models_both_ways() -> None:
    body = {"data": [ROW, {"type": "model", "id": "x", "created_at": "1970-01-01T00:00:00Z"}], "has_more": False}
    models = parse_models(json.dumps(body).encode())
    assert models == [
        ModelInfo(
            "claude-sonnet-4-5",
            created=1759104000,
            display_name="Claude Sonnet 4.5",
            context=200000,
            max_output=64000,
            ext={"anthropic": {"lifecycle": "active"}},
        ),
        ModelInfo("x"),
    ]
    rendered = json.loads(render_models(models))
    assert rendered["data"][0] == ROW
    assert rendered["data"][1]["created_at"] == "1970-01-01T00:00:00Z"
    assert (rendered["first_id"], rendered["last_id"], rendered["has_more"]) == ("claude-sonnet-4-5", "x", False)


def test_the_client_takes_models_of_others() -> None:
    models = [ModelInfo("gpt-x", created=1700000000, owned_by="openai"), ModelInfo("far", created=10**20)]
    for row in json.loads(render_models(models))["data"]:
        OfficialModel.model_validate(row)
    assert json.loads(render_models([]))["data"] == []


def test_odd_lists() -> None:
    assert parse_models(b'{"data":[{"id":"x","created_at":5,"display_name":[]}]}') == [ModelInfo("x")]
    for body in (b"", b"{}", b'{"data":[5]}', b'{"data":[{}]}'):
        with pytest.raises(UpstreamProtocolError):
            parse_models(body)
    with pytest.raises(AuthenticationError):
        parse_models(b'{"type":"error","error":{"type":"authentication_error","message":"no"}}')


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"content":[],"usage":{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":1}}',
         Usage(input_tokens=5, output_tokens=1, cached_tokens=2)),
        (b'{"usage":null}', None),
        (b'{"usage":5}', None),
        (b"{}", None),
        (b"", None),
        (b"[]", None),
        (b"<html>", None),
        (b'{"usage":{"input_tokens":3}', None),
    ],
)  # fmt: skip
def test_usage_of_a_whole_answer(body: bytes, usage: Usage | None) -> None:
    assert DIALECT.read_usage(body) == usage


@pytest.mark.parametrize("events", [HELLO, RICH])
@pytest.mark.parametrize("size", [1, 7, 100000])
@pytest.mark.parametrize("named", [True, False])
def test_usage_of_a_stream(events: list[dict[str, Any]], size: int, named: bool) -> None:
    body = stream(*events, named=named)
    tail = DIALECT.stream_tail()
    for at in range(0, len(body), size):
        tail.feed(body[at : at + size])
    parser = DIALECT.stream_parser(NO_QUIRKS)
    reported = [e.usage for e in parser.feed(body) if hasattr(e, "usage")]
    assert tail.usage == reported[-1]
    assert (tail.complete, tail.failed) == (True, False)


def test_the_tail_of_a_cut_stream_and_of_a_failed_one() -> None:
    tail = DIALECT.stream_tail()
    tail.feed(stream(*HELLO[:-1]))
    assert (tail.complete, tail.failed) == (False, False)
    tail.feed(stream({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}))
    assert (tail.complete, tail.failed) == (False, True)


@pytest.mark.parametrize(
    "noise", [b"data: {\n\n", b"data: []\n\n", b"\xff\xfe", b'data: {"type":5}\n\n', b"data: " * 9]
)
def test_a_tail_takes_anything(noise: bytes) -> None:
    tail = DIALECT.stream_tail()
    tail.feed(noise)
    assert (tail.usage, tail.complete, tail.failed) == (None, False, False)
