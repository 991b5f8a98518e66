"""Streamed answers, to the wire, as the official client reads them."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import RateLimitError
from tsuji.core.events import Event
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage

from .wire import DIALECT, datas, read

START = ev.Started("c1", "m", 7)


def render(*events: Event, usage: bool | None = None, start: bool = True) -> bytes:
    renderer = DIALECT.stream_renderer(ChatRequest("asked", stream=True, stream_usage=usage))
    given = [START, *events] if start else list(events)
    return b"".join([renderer.render([event]) for event in given])


def deltas(stream: bytes) -> list[Any]:
    out: list[Any] = []
    for data in datas(stream):
        if data != "[DONE]":
            ChatCompletionChunk.model_validate(data)
            out += [c["delta"] for c in data["choices"]]
    return out


def text_events(text: str = "hi") -> list[Event]:
    return [
        ev.PartStarted(Text(""), 0),
        ev.TextDelta(text, 0),
        ev.PartEnded(0),
        ev.Finished("stop", 0, "stop"),
        ev.Ended(),
    ]


def test_text() -> None:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}

    assert datas(render(*text_events('a"\n€'))) == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": 'a"\n€'}),
        chunk({}, "stop"),
        "[DONE]",
    ]


def test_usage_only_where_asked() -> None:
    told = ev.UsageReported(Usage(1, 2, total=3))
    *events, last = text_events()
    for asked in (None, False):
        assert all("usage" not in d for d in datas(render(*events, told, last, usage=asked)))
    found = datas(render(*events, told, last, usage=True))
    assert [d["usage"] for d in found[:-2]] == [None, None, None]
    assert found[-2]["choices"] == []
    assert found[-2]["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert found[-1] == "[DONE]"
    assert len(datas(render(*events, last, usage=True))) == 4


def test_calls() -> None:
    stream = render(
        ev.PartStarted(ToolCall("a", "f", ""), 0),
        ev.ArgumentsDelta("", 0),
        ev.ArgumentsDelta('{"x"', 0),
        ev.PartStarted(ToolCall("", "g", "", "sig"), 1),
        ev.ArgumentsDelta(":1}", 0),
        ev.PartEnded(0),
        ev.SignatureDelta("more", 1),
        ev.PartEnded(1),
        ev.PartStarted(ToolCall("c", "h", "[1]"), 2),
        ev.PartEnded(2),
        ev.Finished("tool_calls", 0, "tool_use"),
        ev.Ended(),
    )
    extra = {"google": {"thought_signature": "sig"}}
    assert [d["tool_calls"][0] for d in deltas(stream) if "tool_calls" in d] == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x"'}},
        {
            "index": 1,
            "id": "call_1",
            "type": "function",
            "function": {"name": "g", "arguments": ""},
            "extra_content": extra,
        },
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "extra_content": {"google": {"thought_signature": "more"}}},
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 2, "id": "c", "type": "function", "function": {"name": "h", "arguments": "[1]"}},
    ]
    assert datas(stream)[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_thoughts_of_other_dialects() -> None:
    stream = render(
        ev.PartStarted(Thinking("", origin="anthropic"), 0),
        ev.TextDelta("h", 0),
        ev.TextDelta("m", 0),
        ev.SignatureDelta("si", 0),
        ev.SignatureDelta("g", 0),
        ev.PartEnded(0),
        ev.PartStarted(Thinking(redacted="xx", origin="anthropic"), 1),
        ev.PartEnded(1),
        *[e for e in text_events() if not isinstance(e, ev.PartStarted | ev.TextDelta | ev.PartEnded)],
    )
    detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "hm", "signature": "sig"}
    assert deltas(stream)[1:-1] == [
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {"reasoning_details": [detail]},
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "index": 1, "data": "xx"}
            ]
        },
    ]


def test_thoughts_as_details_stay_details() -> None:
    kept = {"openai": {"~detail": {"type": "reasoning.text", "index": 0}}}
    stream = render(
        ev.PartStarted(Thinking("", ext=kept), 0), ev.TextDelta("hm", 0), ev.SignatureDelta("s", 0), ev.PartEnded(0)
    )
    assert deltas(stream)[1:] == [
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.text", "index": 0, "signature": "s"}]},
    ]


def test_the_rest() -> None:
    cited = ev.CitationAdded(Citation(url="u", title="t"), 1)
    stream = render(
        ev.PartStarted(Refusal("n"), 0),
        ev.TextDelta("o", 0),
        ev.PartStarted(Text("ab"), 1),
        ev.TextDelta("cd", 1),
        cited,
        ev.LogprobsAdded((TokenLogprob("a", -1.0),)),
        ev.PartStarted(Audio(Media(data="AA"), id="a1", transcript="h"), 2),
        ev.AudioDelta("BB", 2),
        ev.TextDelta("i", 2),
        ev.PartStarted(Image(Media(data="AA", media_type="image/png")), 3),
        ev.PartStarted(Opaque("anthropic", "server_tool_use", {}), 4),
        ev.PartStarted(Text("", citations=(Citation(url="v"),)), 5),
    )
    annotation = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 4}}
    last = {"type": "url_citation", "url_citation": {"url": "v", "title": "", "start_index": 4, "end_index": 4}}
    assert deltas(stream)[1:] == [
        {"refusal": "n"},
        {"refusal": "o"},
        {"content": "ab"},
        {"content": "cd"},
        {"annotations": [annotation]},
        {},
        {"audio": {"id": "a1"}},
        {"audio": {"data": "AA"}},
        {"audio": {"transcript": "h"}},
        {"audio": {"data": "BB"}},
        {"audio": {"transcript": "i"}},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
        {"annotations": [last]},
    ]


def test_fields_of_this_dialect_go_back_to_their_places() -> None:
    stream = render(
        ev.Started("c1", "m", service_tier="standard", ext={"openai": {"system_fingerprint": "fp", "provider": "P"}}),
        ev.ExtAdded({"openai": {"provider": "Q"}}),
        ev.ExtAdded({"openai": {"message.channel": "x", "odd": 1}}, 0),
        ev.ExtAdded({"anthropic": {"other": 1}}, 0),
        ev.Finished("stop", 0, "stop", ext={"openai": {"native_finish_reason": "STOP"}}),
        ev.ExtAdded({"openai": {"timings": 7}}),
        ev.Ended(),
        start=False,
    )
    first, second, third, last, _ = datas(stream)
    assert (first["provider"], first["system_fingerprint"], first["service_tier"], first["created"]) == (
        "P",
        "fp",
        "default",
        0,
    )
    assert (second["provider"], second["choices"][0]["delta"]) == ("Q", {})  # programs read choices[0] of every chunk
    assert (third["choices"][0]["delta"], third["choices"][0]["odd"]) == ({"channel": "x"}, 1)
    assert (last["choices"][0]["native_finish_reason"], last["timings"]) == ("STOP", 7)


def test_several_choices() -> None:
    found = datas(
        render(
            ev.PartStarted(Text("a"), 0),
            ev.PartStarted(Text("b"), 0, 1),
            ev.Finished("stop", 1),
            ev.Finished("length", 0),
            ev.StreamFailed(RateLimitError("cut")),
        )
    )
    assert found.pop()["error"]
    assert [(d["choices"][0]["index"], d["choices"][0]["delta"], d["choices"][0]["finish_reason"]) for d in found] == [
        (0, {"role": "assistant", "content": ""}, None),
        (0, {"content": "a"}, None),
        (1, {"role": "assistant", "content": ""}, None),
        (1, {"content": "b"}, None),
        (1, {}, "stop"),
        (0, {}, "length"),
    ]


def test_an_error_is_the_last_event() -> None:
    found = datas(render(*text_events()[:2], ev.StreamFailed(RateLimitError("slow down"))))
    assert found[-1] == {
        "error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    }


def test_an_error_before_anything_else() -> None:
    found = datas(render(ev.StreamFailed(RateLimitError("slow down")), start=False))
    assert len(found) == 1
    assert "error" in found[0]


PARTS = st.one_of(
    st.builds(Text, st.text(min_size=1)),
    st.builds(lambda t: Thinking(t, origin="openai", ext={"openai": {"~field": "reasoning"}}), st.text(min_size=1)),
    st.builds(ToolCall, st.text("abc", min_size=1, max_size=3), st.text("xyz", min_size=1), st.just('{"a":1}')),
    st.builds(Refusal, st.text(min_size=1)),
)


def merged(parts: tuple[Part, ...]) -> tuple[list[str], list[str], list[str], list[ToolCall]]:
    def kind(wanted: type[Any]) -> list[str]:
        return ["".join([p.text for p in parts if type(p) is wanted])]

    return kind(Text), kind(Thinking), kind(Refusal), [p for p in parts if type(p) is ToolCall]


@settings(max_examples=100)
@given(st.lists(PARTS, min_size=1, max_size=5), st.sampled_from(["stop", "length", "content_filter"]))
def test_what_is_rendered_is_read_back(parts: list[Part], stop: Any) -> None:
    ids = iter("abcdefgh")
    unique = [ToolCall(next(ids), p.name, p.arguments) if type(p) is ToolCall else p for p in parts]
    response = ChatResponse("c1", "m", (Choice(0, tuple(unique), stop, stop),), 7, Usage(1, 2, total=3))
    stream = render(*replay(response), usage=True, start=False)
    back = assemble(read(stream))
    assert merged(back.choices[0].content) == merged(tuple(unique))
    assert (back.choices[0].stop_raw, back.usage, back.id, back.created) == (stop, Usage(1, 2, total=3), "c1", 7)
