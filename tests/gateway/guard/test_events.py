"""A stream of events under guardrails spells what the whole answer does, however it is split."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.guard.test_rules import FRAGMENTS, RULES
from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.parts import Citation, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.gateway.guard import texts
from tsuji.gateway.guard.checks import Check
from tsuji.gateway.guard.guard import Chain, Guard
from tsuji.gateway.guard.rules import redact
from tsuji.gateway.guard.stream import Filter

CHECKS = (Check("p", "redact", RULES["pii"]), Check("w", "redact", RULES["words"]), Check("l", "log", RULES["secrets"]))

said = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map("".join)
arguments = st.sampled_from(
    ['{"to": "ann@example.com", "n": [1, 4111111111111111]}', '{"a": "極秘"}', "{}", '{"cut": "']
)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, said),
    st.builds(Text, said, citations=st.just((Citation(text="ann@example.com"), Citation(text="harmless")))),
    st.builds(Refusal, said),
    st.builds(Thinking, said, signature=st.sampled_from([None, "c2ln"]), origin=st.just("anthropic")),
    st.builds(ToolCall, st.just("c1"), st.just("send"), arguments),
    st.just(Opaque("anthropic", "odd", {"deep": [{"say": "call 03-1234-5678"}]})),
)
choices = st.builds(
    Choice,
    content=st.lists(parts, min_size=1, max_size=4).map(tuple),
    stop=st.just("stop"),
    logprobs=st.sampled_from([None, (TokenLogprob("x", -0.5),)]),
)


def guard() -> Guard:
    driver: Any = SimpleNamespace(operation="chat", id="0")
    return Guard(driver, Chain(), Chain(CHECKS))


def split(events: list[ev.Event], sizes: list[int]) -> list[ev.Event]:
    """Deltas in pieces of these sizes, by turns."""
    out: list[ev.Event] = []
    for event in events:
        if not isinstance(event, ev.TextDelta | ev.ArgumentsDelta):
            out.append(event)
            continue
        text, turn = event.text if isinstance(event, ev.TextDelta) else event.json, 0
        while text:
            size = sizes[turn % len(sizes)]
            piece, text, turn = text[:size], text[size:], turn + 1
            kind = type(event)
            out.append(kind(piece, event.index, event.choice))
    return out


def redacted(answer: ChatResponse) -> ChatResponse:
    for check in CHECKS:
        if check.action == "redact" and check.rules is not None:
            rules = check.rules
            answer = texts.within(answer, lambda text, rules=rules: redact(rules, text, []))
    return answer


def plain(answer: ChatResponse) -> Any:
    """Without what a stream may keep of citations and thinking: it learns of a hit after they began."""
    out = []
    for choice in answer.choices:
        for part in choice.content:
            match part:
                case Text():
                    out.append((part.text, [cited.text for cited in part.citations]))
                case Thinking():
                    out.append((part.text, part.signature))
                case _:
                    out.append(part)
        out.append(choice.logprobs)
    return out


@settings(max_examples=150, deadline=None)
@given(choices, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 7))
def test_any_split_of_a_stream_is_the_whole_redacted(choice: Choice, sizes: list[int], batch: int) -> None:
    answer = ChatResponse("id", "m", (choice,))
    events = split(replay(answer), sizes)
    filtered: list[ev.Event] = []
    through = Filter(guard())
    for at in range(0, len(events), batch):
        filtered += through.feed(events[at : at + batch])
    got, want = plain(assemble(filtered)), plain(redacted(answer))
    assert got == want


def test_a_harmless_stream_stays_as_it_is() -> None:
    answer = ChatResponse("id", "m", (Choice(content=(Text("It was fine. "),), stop="stop"),))
    events = replay(answer)
    assert Filter(guard()).feed(events) == events
