"""A broken answer continued: whatever was delivered and however the rest comes, the whole answer is there once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.assemble import Assembler, assemble
from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Message, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ResponseFormat
from tsuji.core.usage import Usage
from tsuji.routing.continuation import Continuation
from tsuji.routing.joint import anchor_of

ASKED = ChatRequest("m", (Message("user", (Text("tell me"),)),), max_tokens=500, reasoning=Reasoning(effort="high"))
USAGE = Usage(input_tokens=7, output_tokens=9)


def stream(pieces: list[str], thoughts: str = "") -> list[ev.Event]:
    out: list[ev.Event] = [ev.Started("id", "model")]
    at = 0
    if thoughts:
        thinking = Thinking("", origin="openai")
        out += [ev.PartStarted(thinking, 0), ev.TextDelta(thoughts, 0), ev.PartEnded(0)]
        at = 1
    out.append(ev.PartStarted(Text(""), at))
    out += [ev.TextDelta(piece, at) for piece in pieces]
    return [*out, ev.PartEnded(at), ev.Finished("stop"), ev.UsageReported(USAGE), ev.Ended()]


def cut_in_pieces(text: str, sizes: list[int]) -> list[str]:
    pieces: list[str] = []
    for size in sizes:
        if text:
            pieces.append(text[:size])
            text = text[size:]
    return [*pieces, text] if text else pieces


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Words that no text has twice, so that what is a repetition is no matter of opinion."""
    count = draw(st.integers(2, 40))
    blanks = draw(st.lists(st.sampled_from([" ", ", ", ".\n\n", "\n- ", "  "]), min_size=count, max_size=count))
    words = [
        f"{draw(st.sampled_from(['the', 'Zug', 'fährt', '東京', 'x']))}{number}" for number in range(100, 100 + count)
    ]
    return "".join([word + blank for word, blank in zip(words, blanks, strict=True)]).rstrip()


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=80)


@given(texts(), SIZES, SIZES, st.data())
def test_a_text_cut_anywhere_is_whole_however_the_model_goes_on(
    text: str, sizes: list[int], more: list[int], data: st.DataObject
) -> None:
    first = stream(cut_in_pieces(text, sizes))
    at = data.draw(st.integers(3, len(first) - 4))  # something has been delivered, and the text's part has not ended
    whole = Assembler()
    so_far = Continuation(ASKED)
    for event in first[:at]:
        whole.add(event)
    so_far.add(first[:at])
    delivered = so_far.text
    assert text.startswith(delivered)
    how = data.draw(st.sampled_from(["exact", "anchor", "overlap", "anew", "prefill"]))
    answer = {
        "exact": text[len(delivered) :],
        "anchor": anchor_of(delivered) + text[len(delivered) :],
        "overlap": overlapping(text, delivered, data),
        "anew": text,
        "prefill": text[len(delivered.rstrip()) :],
    }[how]
    splice = so_far.splice("prefill" if how == "prefill" else "prompt")
    for event in stream(cut_in_pieces(answer, more), data.draw(st.sampled_from(["", "hm"]))):
        new = splice.feed([event])
        so_far.add(new)
        for one in new:
            whole.add(one)
    choice = whole.response().choices[0]
    assert choice.text == so_far.text == text
    assert (choice.stop, whole.response().usage, whole.complete) == ("stop", USAGE, True)
    assert [type(part) for part in choice.content if type(part) is not Thinking] == [Text]


def overlapping(text: str, delivered: str, data: st.DataObject) -> str:
    """Goes on after repeating whole words of what was delivered, as many as make eight characters."""
    words = [m.start() for m in re.finditer(r"(?<!\w)\w", delivered)]
    starts = [start for start in words if 8 <= len(delivered) - start <= 200]
    return text[data.draw(st.sampled_from(starts)) if starts else len(delivered) :]


@given(texts(), st.integers(3, 200))
def test_nothing_is_lost_of_text_that_repeats_itself(text: str, times: int) -> None:
    """A continuation that looks like a repetition, of a text that does repeat itself, is kept."""
    line = text.replace("\n", " ") + "\n"
    so_far = Continuation(ASKED)
    so_far.add([ev.PartStarted(Text(""), 0), ev.TextDelta(line * min(times, 5), 0)])
    splice = so_far.splice("prompt")
    out = splice.feed(stream(["It begins otherwise. ", line]))
    assert "".join([e.text for e in out if type(e) is ev.TextDelta]) == "It begins otherwise. " + line


def test_thoughts_that_were_delivered_are_followed_by_a_whole_answer() -> None:
    so_far = Continuation(ASKED)
    begun = [ev.Started("1", "a"), ev.PartStarted(Thinking("", origin="openai"), 0), ev.TextDelta("let me", 0)]
    so_far.add(begun)
    assert so_far.delivered == "thoughts"
    assert so_far.request("fresh") == ASKED
    events = [*begun, *so_far.splice("fresh").feed(stream(["yes"], thoughts="again"))]
    content = assemble(events).choices[0].content
    assert [(type(part), part.text) for part in content] == [(Thinking, "let me"), (Thinking, "again"), (Text, "yes")]


def test_thoughts_of_the_continuing_model_are_not_put_into_the_text() -> None:
    so_far = Continuation(ASKED)
    begun = stream(["one two "])[:3]
    so_far.add(begun)
    content = assemble([*begun, *so_far.splice("prompt").feed(stream(["three"], "hm"))]).choices[0].content
    assert content == (Text("one two three"),)


def test_a_tool_call_may_follow_the_text() -> None:
    so_far = Continuation(ASKED)
    begun = stream(["I will look"])[:3]
    so_far.add(begun)
    call = [
        ev.Started("2", "b"),
        ev.PartStarted(ToolCall("c", "look", ""), 0),
        ev.ArgumentsDelta("{}", 0),
        ev.PartEnded(0),
        ev.Finished("tool_calls"),
        ev.Ended(),
    ]
    content = assemble([*begun, *so_far.splice("prompt").feed(call)]).choices[0].content
    assert content == (Text("I will look"), ToolCall("c", "look", "{}"))


@pytest.mark.parametrize(
    "events",
    [
        [ev.PartStarted(ToolCall("c", "f", ""), 0)],
        [ev.PartStarted(Thinking("", origin="anthropic"), 0), ev.TextDelta("hm", 0)],
        [ev.PartStarted(Thinking("", origin="openai"), 0), ev.TextDelta("hm", 0), ev.SignatureDelta("s", 0)],
        [ev.PartStarted(Text(""), 0, 1), ev.TextDelta("b", 0, 1)],
        [ev.PartStarted(Refusal(""), 0), ev.TextDelta("no", 0)],
    ],
)
def test_what_cannot_be_continued_is_fixed(events: list[ev.Event]) -> None:
    so_far = Continuation(ASKED)
    so_far.add(events)
    assert so_far.delivered == "fixed"


@pytest.mark.parametrize(
    "fields", [{"response_format": ResponseFormat("json")}, {"n": 2}, {"logprobs": True}, {"modalities": ("audio",)}]
)
def test_what_was_asked_for_may_make_an_answer_fixed(fields: dict[str, object]) -> None:
    so_far = Continuation(ChatRequest("m", **fields))
    assert so_far.delivered == "nothing"
    so_far.add(stream(["a"])[:3])
    assert so_far.delivered == "fixed"
    assert so_far.fixed


def test_what_is_asked_for_the_rest() -> None:
    so_far = Continuation(ASKED)
    so_far.add(stream(["One, two, "])[:3])
    filled, asked = so_far.request("prefill"), so_far.request("prompt")
    assert filled.messages[-1] == Message("assistant", (Text("One, two,"),))
    assert filled.reasoning is None
    assert asked.messages[-2] == Message("assistant", (Text("One, two, "),))
    assert asked.messages[-1].role == "user"
    assert asked.messages[-1].text.endswith("\n\nOne, two, ")
    assert asked.max_tokens == filled.max_tokens == 498


def test_an_answer_that_begins_anew_and_differs_is_refused() -> None:
    so_far = Continuation(ASKED)
    so_far.add(stream(["The capital of Japan is the city of Tokyo, which lies on the bay of that name."])[:3])
    with pytest.raises(UpstreamProtocolError, match="another one"):
        so_far.splice("prompt").feed(stream(["The capital of Japan is the city of Kyoto."]))


@pytest.mark.parametrize(
    ("delivered", "answer", "whole"),
    [
        ("The qui", "quick brown fox", "The quick brown fox"),
        ("It costs 1", "10 yen", "It costs 110 yen"),
        ("a banana", "na", "a bananana"),
        ("He said that had", " had been", "He said that had had been"),
        ("Good mor", "ning", "Good morning"),
    ],
)
def test_little_is_taken_for_a_repetition(delivered: str, answer: str, whole: str) -> None:
    so_far = Continuation(ASKED)
    so_far.add(stream([delivered])[:3])
    out = so_far.splice("prompt").feed(stream([answer]))
    assert delivered + "".join([e.text for e in out if type(e) is ev.TextDelta]) == whole
