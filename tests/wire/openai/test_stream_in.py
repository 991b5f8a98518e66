"""Streamed answers, from the wire."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import (
    InvalidRequestError,
    RateLimitError,
    StreamInterruptedError,
    UpstreamError,
    UpstreamProtocolError,
)
from tsuji.core.parts import Audio, Image, Refusal, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire import dialect

from .wire import chunks, finish, read

HELLO = chunks({"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, finish())


def call(
    index: Any, arguments: str | None = None, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    entry: dict[str, Any] = {} if index is None else {"index": index}
    if call_id is not None:
        entry |= {"id": call_id, "type": "function"}
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {"tool_calls": [entry | ({"function": function} if function else {})]}


def error(stream: bytes) -> Any:
    *before, last = read(stream)
    assert isinstance(last, ev.StreamFailed)
    assert not any(isinstance(e, ev.StreamFailed | ev.Ended) for e in before)
    return last.error


def test_text() -> None:
    assert read(HELLO) == [
        ev.Started("c1", "m", 7),
        ev.PartStarted(Text(""), 0),
        ev.TextDelta("Hel", 0),
        ev.TextDelta("lo", 0),
        ev.PartEnded(0),
        ev.Finished("stop", 0, "stop"),
        ev.Ended(),
    ]


def test_the_field_of_thoughts_may_be_the_content() -> None:
    (choice,) = assemble(read(chunks({"content": "a", "odd": 1}, finish()), Quirks(reasoning_field="content"))).choices
    assert choice.content == (Text("a"),)


def test_parallel_calls() -> None:
    stream = chunks(
        {"role": "assistant", "content": None},
        call(0, "", "a", "f"),
        call(0, '{"x"'),
        call(0, ":1}"),
        call(1, "", "b", "g"),
        call(1, "{}"),
        finish("tool_calls"),
    )
    assert assemble(read(stream)).choices[0].content == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))
    kinds = [type(e).__name__ for e in read(stream)]
    assert kinds.index("Finished") == len(kinds) - 2
    assert kinds[-4:-2] == ["PartEnded", "PartEnded"]


CALLS: list[tuple[str, list[dict[str, Any]], list[tuple[str, str, str]]]] = [
    (
        "interleaved",
        [call(0, "[1", "a", "f"), call(1, "[2", "b", "g"), call(0, "]"), call(1, "]")],
        [("a", "f", "[1]"), ("b", "g", "[2]")],
    ),
    (
        "every index 0",
        [call(0, "[1]", "a", "f"), call(0, "[2", "b", "g"), call(0, "]")],
        [("a", "f", "[1]"), ("b", "g", "[2]")],
    ),
    (
        "no index",
        [call(None, "[1", "a", "f"), call(None, "]"), call(None, "[2]", "b", "f")],
        [("a", "f", "[1]"), ("b", "f", "[2]")],
    ),
    ("no id", [call(0, "[1]", "", "f"), call(0, "[2]", "", "f")], [("", "f", "[1]"), ("", "f", "[2]")]),
    ("repeated", [call(0, "[", "a", "f"), call(0, "1", "a", "f"), call(0, "]", "a", "f")], [("a", "f", "[1]")]),
    ("late name", [call(0, "[", "a"), call(0, "1]", None, "f"), call(0, "")], [("a", "f", "[1]")]),
    ("no name", [call(0, "[1]", "a")], [("a", "", "[1]")]),
    ("another id in each", [call(0, "[", "a", "f"), call(0, "1]", "b")], [("a", "f", "[1]")]),
    ("no arguments", [call(0, None, "a", "f")], [("a", "f", "{}")]),
    (
        "legacy",
        [{"function_call": {"name": "f", "arguments": "["}}, {"function_call": {"arguments": "1]"}}],
        [("", "f", "[1]")],
    ),
]


@pytest.mark.parametrize(("deltas", "expected"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_calls_as_providers_send_them(deltas: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    choice = assemble(read(chunks(*deltas, finish("stop")))).choices[0]
    assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == expected
    assert choice.stop == "tool_calls"


def test_arguments_as_an_object() -> None:
    delta = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]}
    assert assemble(read(chunks(delta, finish()))).choices[0].tool_calls[0].arguments == '{"x":1}'


def thoughts(*deltas: dict[str, Any], quirks: Quirks | None = None) -> list[Any]:
    found = assemble(read(chunks(*deltas, {"content": "a"}, finish()), quirks or Quirks())).choices[0].content
    assert found[-1] == Text("a")
    return list(found[:-1])


def test_thoughts_as_plain_text() -> None:
    for field in ("reasoning_content", "reasoning"):
        (found,) = thoughts({field: "h", "content": None}, {field: "m"})
        assert found == Thinking("hm", origin="openai", ext={"openai": {"~field": field}})
    (found,) = thoughts({"thoughts": "hm"}, quirks=Quirks(reasoning_field="thoughts"))
    assert found.text == "hm"


def test_thoughts_as_details() -> None:
    def detail(**fields: Any) -> dict[str, Any]:
        return {
            "content": "",
            "reasoning": fields.get("text"),
            "reasoning_details": [{"index": 0, "format": "anthropic-claude-v1", **fields}],
        }

    (found,) = thoughts(
        {"reasoning_details": []},
        detail(type="reasoning.text", text="", signature=""),
        detail(type="reasoning.text", text="h"),
        detail(type="reasoning.text", text="m"),
        detail(type="reasoning.text", signature="sig"),
    )
    assert (found.text, found.signature, found.origin) == ("hm", "sig", "anthropic")
    first, second = thoughts(
        detail(type="reasoning.summary", summary="s"), detail(type="reasoning.encrypted", data="d")
    )
    assert (first.text, first.summary, second.redacted) == ("s", True, "d")


def test_thoughts_as_mistral_sends_them() -> None:
    piece = [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]
    (found,) = thoughts({"content": piece}, {"content": piece}, {"content": [{"type": "text", "text": ""}]})
    assert found.text == "hh"


def test_text_and_thoughts_may_alternate() -> None:
    stream = chunks({"reasoning": "a"}, {"content": "b"}, {"reasoning": "c"}, {"content": "d"}, finish())
    assert [getattr(p, "text", "") for p in assemble(read(stream)).choices[0].content] == ["a", "b", "c", "d"]


def test_the_rest() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "u"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    stream = chunks(
        {"refusal": "n"},
        {"refusal": "o"},
        {"content": "a"},
        {"annotations": [cited]},
        {"audio": {"id": "a1"}},
        {"audio": {"data": "AA"}},
        {"audio": {"data": "BB", "transcript": "hi"}},
        {"audio": {"expires_at": 9}},
        {"images": [image]},
        finish(),
    )
    choice = assemble(read(stream)).choices[0]
    assert choice.content[0] == Refusal("no")
    text, audio, picture = choice.content[1:]
    assert isinstance(text, Text)
    assert text.citations[0].url == "u"
    assert isinstance(audio, Audio)
    assert (audio.id, audio.source.data, audio.transcript) == ("a1", "AABB", "hi")
    assert isinstance(picture, Image)
    assert choice.ext == {"openai": {"message.audio.expires_at": 9}}


def test_logprobs() -> None:
    entry = {"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    stream = chunks({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [entry]}}]}, finish())
    assert assemble(read(stream)).choices[0].logprobs == (TokenLogprob("a", -1.0),)


def test_usage() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = {"choices": [], "usage": usage}
    found = read(chunks({"content": "a", "usage": None}, finish(), last, last))
    assert [e.usage for e in found if isinstance(e, ev.UsageReported)] == [Usage(1, 2, total=3)]
    groq = {**finish(), "x_groq": {"usage": usage}}
    assert assemble(read(chunks({"content": "a"}, groq))).usage == Usage(1, 2, total=3)


def test_several_choices() -> None:
    def at(index: int, text: str, reason: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]}

    found = assemble(read(chunks(at(0, "a"), at(1, "b"), at(1, "c", "length"), at(0, "", "stop"))))
    assert [(c.index, c.text, c.stop) for c in found.choices] == [(0, "a", "stop"), (1, "bc", "length")]
    assert isinstance(error(chunks(at(0, "a", "stop"), at(1, "b"))), StreamInterruptedError)


def test_unknown_fields_are_told_once_per_value() -> None:
    def chunk(delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": delta, "odd": fields.pop("odd", None)}], "obfuscation": "x", **fields}

    stream = chunks(
        chunk({"content": "a", "channel": "x"}, provider="P", system_fingerprint="fp"),
        chunk({"content": "b", "channel": "x"}, provider="P", system_fingerprint="fp", odd=1),
        chunk({"content": "c", "channel": "y"}, provider="Q", odd=1, service_tier="flex"),
        finish(native_finish_reason="STOP"),
    )
    found = read(stream)
    assert [(e.ext["openai"], e.choice) for e in found if isinstance(e, ev.ExtAdded)] == [
        ({"message.channel": "x"}, 0),
        ({"odd": 1}, 0),
        ({"provider": "Q", "service_tier": "flex"}, None),
        ({"message.channel": "y"}, 0),
    ]
    whole = assemble(found)
    assert whole.ext == {"openai": {"provider": "Q", "system_fingerprint": "fp", "service_tier": "flex"}}
    assert whole.choices[0].ext == {"openai": {"message.channel": "y", "odd": 1, "native_finish_reason": "STOP"}}


def test_a_message_beside_or_in_place_of_a_delta() -> None:
    beside = {"choices": [{"index": 0, "delta": {"content": "b"}, "message": {"content": "ab"}}]}
    instead = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}}]}
    (choice,) = assemble(read(chunks(instead, beside, finish()))).choices
    assert (choice.text, choice.ext) == ("ab", None)


def test_nothing_follows_the_end() -> None:
    parser_events = read(HELLO + HELLO)
    assert parser_events == read(HELLO)
    assert read(HELLO + b"data: junk\n\n") == read(HELLO)


def test_an_end_without_a_mark() -> None:
    assert read(HELLO.removesuffix(b"data: [DONE]\n\n")) == read(HELLO)
    assert read(HELLO.removesuffix(b"\n\ndata: [DONE]\n\n")) == read(HELLO)


CUT: list[bytes] = [
    chunks({"content": "a"}, done=False),
    chunks({"content": "a"}),
    chunks({"content": "a"}, done=False)[:-20],
    b"data: [DONE]\n\n",
    chunks({"choices": []}),
]


@pytest.mark.parametrize("name", ["openai", "responses"])
def test_where_a_body_is_no_json_is_said_alike_in_whichever_pieces_it_comes(name: str) -> None:
    said = []
    for pieces in ([b"\n[sex"], [b"\n", b"[sex"], [b"\n[", b"sex"]):
        parser = dialect(name).stream_parser(Quirks())
        events = [event for piece in pieces for event in parser.feed(piece)]
        said.append(repr([*events, *parser.close()]))
    assert len(set(said)) == 1


@pytest.mark.parametrize("stream", CUT)
def test_a_cut_answer_is_no_answer(stream: bytes) -> None:
    assert isinstance(error(stream), StreamInterruptedError | UpstreamProtocolError)


@pytest.mark.parametrize("last", [finish(""), {"choices": [], "usage": {"prompt_tokens": 1}}])
def test_an_answer_may_be_complete_without_a_reason(last: dict[str, Any]) -> None:
    found = assemble(read(chunks({"content": "a"}, last)))
    assert (found.choices[0].stop, found.choices[0].stop_raw) == ("stop", None)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (chunks({"error": {"message": "slow", "code": 429}}, done=False), RateLimitError),
        (chunks({"content": "a"}, {"error": {"message": "bad", "type": "invalid_request_error"}}), InvalidRequestError),
        (chunks({"content": "a"}, {"error": "down"}), UpstreamError),
        (b'event: error\ndata: {"message": "bad", "status_code": 400}\n\n', InvalidRequestError),
        (b'data: {"object": "error", "message": "bad", "code": 400}\n\n', InvalidRequestError),
        (b"data: {]\n\n", UpstreamProtocolError),
        (b"data: 5\n\n", UpstreamProtocolError),
        (b'data: {"type": "message_start"}\n\n', UpstreamProtocolError),
        (chunks({"choices": [5]}), UpstreamProtocolError),
        (chunks({"choices": 5}), UpstreamProtocolError),
        (chunks({"content": [{"type": "image_url"}]}), UpstreamProtocolError),
        (b"<html>busy</html>", UpstreamProtocolError),
        (b"", UpstreamProtocolError),
        (b'{"error": {"message": "slow", "code": 429}}', RateLimitError),
        (b'{"choices": [', UpstreamProtocolError),
        (b"Internal Server Error", UpstreamProtocolError),
    ],
)
def test_failures(stream: bytes, kind: type[Exception]) -> None:
    assert type(error(stream)) is kind


def test_a_malformed_event_ends_it_and_what_came_before_stays() -> None:
    found = read(chunks({"content": "a"}, done=False) + b"data: {oops\n\n" + HELLO)
    assert [type(e).__name__ for e in found] == ["Started", "PartStarted", "TextDelta", "StreamFailed"]


def test_a_document_in_place_of_a_stream() -> None:
    body = {"id": "c1", "model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    whole = assemble(read(json.dumps(body).encode(), step=7))
    assert (whole.id, whole.choices[0].text, whole.choices[0].stop) == ("c1", "hi", "stop")


DELTAS = st.lists(
    st.sampled_from(
        [
            {"content": "é€"},
            {"content": ""},
            {"reasoning": "hm"},
            {"reasoning_content": "hm", "odd": 1},
            {"refusal": "no"},
            call(0, "{", "a", "f"),
            call(0, "}"),
            call(1, "{}", "b", "g"),
            finish("stop"),
            finish("tool_calls"),
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
            {"error": {"message": "x", "code": 500}},
        ]
    ),
    max_size=8,
)


@settings(max_examples=150)
@given(DELTAS, st.booleans(), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 900), max_size=12))
def test_any_split_gives_the_same_events(deltas: list[Any], done: bool, end: bytes, cuts: list[int]) -> None:
    from .wire import DIALECT

    stream = chunks(*deltas, done=done).replace(b"\n", end)
    at = sorted({c for c in cuts if c < len(stream)})
    parser = DIALECT.stream_parser(Quirks())
    found = [e for a, b in zip([0, *at], [*at, len(stream)], strict=True) for e in parser.feed(stream[a:b])]
    found += parser.close()
    assert list(map(repr, found)) == list(map(repr, read(stream)))
    assert sum([isinstance(e, ev.Ended | ev.StreamFailed) for e in found]) == 1
