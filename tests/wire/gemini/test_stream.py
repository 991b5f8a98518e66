"""Streams, both ways."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.gemini.wires import GEMINI, answer, ask, chunks, events, parse, pieces, read, sse
from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import RateLimitError, StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.parts import Audio, Citation, Image, Media, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS


def chunk(*parts: dict[str, Any], index: int = 0, **candidate: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "index": index, **candidate}], "modelVersion": "m", "responseId": "r"}


USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
LONG = sse(
    chunk({"text": "hm ", "thought": True}),
    chunk({"text": "so", "thought": True}),
    {**chunk({"text": "Hé"}), "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}},
    chunk({"text": "llo 日本"}),
    chunk({"text": "", "thoughtSignature": "Zm9v"}),
    chunk(
        {"functionCall": {"name": "f", "args": {"a": [1, "b"]}}, "thoughtSignature": "YmFy"},
        {"functionCall": {"id": "c2", "name": "g"}},
    ),
    chunk({"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
    {**chunk({"text": ""}, finishReason="STOP", avgLogprobs=-1.0), "usageMetadata": USAGE},
)


def render(answered: list[ev.Event]) -> bytes:
    return GEMINI.stream_renderer(ask()).render(answered)


def failure(found: list[ev.Event]) -> TsujiError:
    assert [type(e) for e in found].count(ev.StreamFailed) == 1
    last = found[-1]
    assert isinstance(last, ev.StreamFailed)
    return last.error


def test_parts() -> None:
    assert assemble(events(LONG)) == ChatResponse(
        "r",
        "m",
        (
            Choice(
                0,
                (
                    Thinking("hm so", origin="gemini"),
                    Text("Héllo 日本"),
                    Text("", signature="Zm9v"),
                    ToolCall("", "f", '{"a":[1,"b"]}', "YmFy"),
                    ToolCall("c2", "g", "{}", ext={"gemini": {"~bare": True}}),
                    Image(Media(data="aGk=", media_type="image/png")),
                ),
                "tool_calls",
                "STOP",
                ext={"gemini": {"avgLogprobs": -1.0}},
            ),
        ),
        usage=Usage(input_tokens=3, output_tokens=4, total=7),
    )


def test_events_in_order() -> None:
    found = events(sse(chunk({"text": "a"}), chunk({"text": "b"}, finishReason="STOP")))
    assert found == [
        ev.Started("r", "m"),
        ev.PartStarted(Text(""), 0),
        ev.TextDelta("a", 0),
        ev.TextDelta("b", 0),
        ev.PartEnded(0),
        ev.Finished("stop", 0, "STOP"),
        ev.Ended(),
    ]


@given(st.lists(st.integers(0, len(LONG)), max_size=12))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    assert events(LONG, cuts) == events(LONG)


@given(st.lists(st.integers(0, len(LONG)), max_size=12))
def test_tail_at_any_split(cuts: list[int]) -> None:
    tail = GEMINI.stream_tail()
    for piece in pieces(LONG, cuts):
        tail.feed(piece)
    assert (tail.complete, tail.failed) == (True, False)
    assert tail.usage == Usage(input_tokens=3, output_tokens=4, total=7)


def test_signed_texts_stand_alone() -> None:
    body = sse(
        chunk({"text": "a"}),
        chunk({"text": "b", "thoughtSignature": "Zm9v"}),
        chunk({"text": "c"}, finishReason="STOP"),
    )
    content = assemble(events(body)).choices[0].content
    assert content == (Text("a"), Text("b", signature="Zm9v"), Text("c"))
    assert assemble(events(render(events(body)))).choices[0].content == content


def test_reason_with_every_chunk_counts_at_the_end() -> None:
    body = sse(chunk({"text": "a"}, finishReason="STOP"), chunk({"text": "b"}, finishReason="MAX_TOKENS"))
    found = events(body)
    assert [type(e) for e in found].count(ev.Finished) == 1
    assert assemble(found).choices[0] == Choice(0, (Text("ab"),), "length", "MAX_TOKENS")


def test_several_candidates() -> None:
    body = sse(
        chunk({"text": "a"}, index=0),
        chunk({"text": "x"}, index=1),
        chunk({"text": "b"}, index=0, finishReason="STOP"),
        chunk({"functionCall": {"name": "f"}}, index=1, finishReason="STOP"),
    )
    first, second = assemble(events(body)).choices
    assert (first.text, first.stop) == ("ab", "stop")
    assert (second.text, second.stop) == ("x", "tool_calls")
    assert isinstance(
        events(sse(chunk({"text": "a"}, finishReason="STOP"), chunk({"text": "x"}, index=1)))[-1], ev.StreamFailed
    )


def test_grounding_cites_the_open_text() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
        "groundingSupports": [{"segment": {"endIndex": 2, "text": "ab"}, "groundingChunkIndices": [0]}],
    }
    found = events(sse(chunk({"text": "a"}), chunk({"text": "b"}, finishReason="STOP", groundingMetadata=grounding)))
    choice = assemble(found).choices[0]
    assert choice.content == (Text("ab", citations=(Citation("ab", "u", "t", 0, 2),)),)
    assert choice.ext == {"gemini": {"groundingMetadata": grounding}}
    last = chunks(render(found))[-1]["candidates"][0]
    assert last["groundingMetadata"] == grounding
    assert "citationMetadata" not in last


def test_citations_come_before_the_piece_that_ends_their_text() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
        "groundingSupports": [{"segment": {"startIndex": 1, "endIndex": 3}, "groundingChunkIndices": [0]}],
    }
    last = chunk(
        {"text": "c"}, {"text": "", "thoughtSignature": "Zm9v"}, groundingMetadata=grounding, finishReason="STOP"
    )
    choice = assemble(events(sse(chunk({"text": "ab"}), last))).choices[0]
    assert choice.content == (
        Text("abc", citations=(Citation(url="u", title="t", start=1, end=3),)),
        Text("", signature="Zm9v"),
    )


def test_blocked_prompt() -> None:
    body = sse(
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 2}, "responseId": "r"}
    )
    found = events(body)
    response = assemble(found)
    assert (response.choices[0].stop, response.choices[0].stop_raw) == ("content_filter", "SAFETY")
    assert chunks(render(found))[-1]["promptFeedback"] == {"blockReason": "SAFETY"}


def test_an_end_too_early() -> None:
    assert isinstance(failure(events(sse(chunk({"text": "a"})))), StreamInterruptedError)
    assert isinstance(failure(events(b"")), StreamInterruptedError)
    assert isinstance(
        failure(events(sse(chunk({"text": "a"})) + b'data: {"candidates": [{"cont')), UpstreamProtocolError
    )


def test_an_error_inside() -> None:
    document = {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}
    found = events(sse(chunk({"text": "a"}), document, chunk({"text": "b"}, finishReason="STOP")))
    assert isinstance(failure(found), RateLimitError)
    tail = GEMINI.stream_tail()
    tail.feed(sse(chunk({"text": "a"}), document))
    assert (tail.failed, tail.complete) == (True, False)


@pytest.mark.parametrize(
    "body", [b"<html></html>", b"data: <x>\n\n", b"data: []\n\n", b"data: {}\n\n", b"hello\n\n", b"{}", b"{"]
)
def test_other_shapes(body: bytes) -> None:
    assert isinstance(failure(events(body)), UpstreamProtocolError)


def test_nothing_follows_a_failure() -> None:
    parser = GEMINI.stream_parser(NO_QUIRKS)
    assert len(parser.feed(b"data: {x}\n\n" + LONG)) == 1
    assert parser.feed(LONG) == []
    assert parser.close() == []


def test_a_body_of_json() -> None:
    listed = [chunk({"text": "a"}), chunk({"text": "b"}, finishReason="STOP")]
    body = json.dumps(listed).encode()
    assert events(body, [5, 50]) == events(sse(*listed))
    document = [{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}]
    assert isinstance(failure(events(json.dumps(document, indent=1).encode())), RateLimitError)


def test_logprobs_are_added_up() -> None:
    def part(token: str) -> dict[str, Any]:
        return {"chosenCandidates": [{"token": token, "logProbability": -0.5}]}

    body = sse(
        chunk({"text": "a"}, logprobsResult=part("a")),
        chunk({"text": "b"}, logprobsResult=part("b"), finishReason="STOP"),
    )
    choice = assemble(events(body)).choices[0]
    assert choice.logprobs == (TokenLogprob("a", -0.5), TokenLogprob("b", -0.5))
    said = chunks(render(events(body)))[-1]["candidates"][0]
    assert [c["token"] for c in said["logprobsResult"]["chosenCandidates"]] == ["a", "b"]


def test_rendered_chunks() -> None:
    found = chunks(render(events(LONG)))
    texts = [p for c in found for p in c["candidates"][0]["content"]["parts"]]
    assert texts == [
        {"text": "hm ", "thought": True},
        {"text": "so", "thought": True},
        {"text": "Hé"},
        {"text": "llo 日本"},
        {"text": "", "thoughtSignature": "Zm9v"},
        {"functionCall": {"name": "f", "args": {"a": [1, "b"]}}, "thoughtSignature": "YmFy"},
        {"functionCall": {"id": "c2", "name": "g"}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"text": ""},
    ]
    assert all(c["responseId"] == "r" and c["modelVersion"] == "m" for c in found)
    assert ["usageMetadata" in c for c in found] == [False] * 8 + [True]
    assert found[-1]["usageMetadata"] == USAGE
    assert found[-1]["candidates"][0]["finishReason"] == "STOP"
    assert ["finishReason" in c["candidates"][0] for c in found[:-1]] == [False] * 8


def test_a_round_trip_changes_nothing() -> None:
    assert assemble(events(render(events(LONG)))) == assemble(events(LONG))


def test_event_by_event_is_the_same_as_at_once() -> None:
    renderer = GEMINI.stream_renderer(ask())
    assert b"".join([renderer.render([event]) for event in events(LONG)]) == render(events(LONG))


def test_replayed_answers() -> None:
    response = read(answer({"text": "hm", "thought": True, "thoughtSignature": "Zm9v"}, {"text": "Hi"}))
    assert events(render(replay(response)))[-1] == ev.Ended()


def test_arguments_in_pieces() -> None:
    def call(**fields: Any) -> dict[str, Any]:
        return {"functionCall": fields}

    def piece(path: str, more: bool = True, **value: Any) -> dict[str, Any]:
        return call(partialArgs=[{"jsonPath": path, **value}], willContinue=more)

    body = sse(
        chunk({**call(name="f", id="c", willContinue=True), "thoughtSignature": "Zm9v"}),
        chunk(piece("$.city", stringValue="Na", willContinue=True)),
        chunk(piece("$.city", stringValue="ra"), piece("$.days[1].rain", boolValue=True)),
        chunk(piece("$['a b']", numberValue=1.5), piece("$.none", nullValue="NULL_VALUE"), call()),
        chunk({"text": "ok"}, finishReason="STOP"),
    )
    choice = assemble(events(body)).choices[0]
    args = '{"city":"Nara","days":[null,{"rain":true}],"a b":1.5,"none":null}'
    assert choice.content == (ToolCall("c", "f", args, "Zm9v"), Text("ok"))
    assert choice.stop == "tool_calls"


@pytest.mark.parametrize("path", ["", "$", "$.a.b", "$.a[99999]", "$[0]"])
def test_pieces_that_fit_nowhere_are_left_out(path: str) -> None:
    pieces_ = [{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": path, "stringValue": "y"}, {"jsonPath": "$.c"}]
    body = sse(chunk({"functionCall": {"name": "f", "partialArgs": pieces_}}, finishReason="STOP"))
    assert assemble(events(body)).choices[0].tool_calls == (ToolCall("", "f", '{"a":"x"}'),)


def test_a_failed_stream_has_an_error_and_no_end() -> None:
    found = chunks(
        render(
            [
                ev.Started("i", "m"),
                ev.PartStarted(Text(""), 0),
                ev.TextDelta("a", 0),
                ev.StreamFailed(RateLimitError("slow")),
            ]
        )
    )
    assert found[-1] == {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}
    assert all("finishReason" not in c for f in found[:-1] for c in f["candidates"])


def test_thinking_of_others_travels_through_a_client() -> None:
    given = [
        ev.Started("i", "m"),
        ev.PartStarted(Thinking("", origin="anthropic"), 0),
        ev.TextDelta("let ", 0),
        ev.TextDelta("me", 0),
        ev.SignatureDelta("si", 0),
        ev.SignatureDelta("g", 0),
        ev.PartEnded(0),
        ev.PartStarted(Thinking("", redacted="xx", origin="anthropic"), 1),
        ev.PartEnded(1),
        ev.PartStarted(ToolCall("c", "f", ""), 2),
        ev.ArgumentsDelta('{"a":', 2),
        ev.ArgumentsDelta("1}", 2),
        ev.PartEnded(2),
        ev.Finished("tool_calls"),
        ev.Ended(),
    ]
    contents = [c["candidates"][0]["content"] for c in chunks(render(given))]
    assert [p.get("text") for c in contents for p in c["parts"]] == ["let ", "me", "", "", None, ""]
    history = [p for m in parse({"contents": contents}).messages for p in m.content]
    assert Thinking("let me", signature="sig", origin="anthropic") in history
    assert Thinking(redacted="xx", origin="anthropic") in history
    assert ToolCall("c", "f", '{"a":1}') in history


def test_other_parts_of_others() -> None:
    given = [
        ev.Started("", ""),
        ev.PartStarted(Refusal(""), 0),
        ev.TextDelta("No", 0),
        ev.PartEnded(0),
        ev.PartStarted(Audio(Media(), format="wav"), 1),
        ev.TextDelta("spoken", 1),
        ev.AudioDelta("aG", 1),
        ev.AudioDelta("k=", 1),
        ev.PartEnded(1),
        ev.PartStarted(Thinking(""), 2),
        ev.TextDelta("hm", 2),
        ev.PartEnded(2),
        ev.CitationAdded(Citation(url="u"), 0),
        ev.Finished("refusal", stop_raw="refusal"),
        ev.UsageReported(Usage(input_tokens=1)),
        ev.Ended(),
    ]
    found = chunks(render(given))
    assert [p for c in found for p in c["candidates"][0]["content"]["parts"]] == [
        {"text": "No"},
        {"inlineData": {"data": "aGk=", "mimeType": "audio/wav"}},
        {"text": "hm", "thought": True},
        {"text": ""},
    ]
    assert found[-1]["candidates"][0]["citationMetadata"] == {"citationSources": [{"uri": "u"}]}
    assert found[-1]["candidates"][0]["finishReason"] == "SAFETY"


def test_tail_of_a_cut_and_of_a_broken_stream() -> None:
    tail = GEMINI.stream_tail()
    tail.feed(sse(chunk({"text": "a"})))
    assert tail.complete is False
    tail.feed(b"data: nonsense\n\n")
    tail.feed(sse(chunk({"text": "a"}, finishReason="STOP")))
    assert tail.complete is False
    blocked = GEMINI.stream_tail()
    blocked.feed(sse({"promptFeedback": {"blockReason": "OTHER"}}))
    assert blocked.complete is True
