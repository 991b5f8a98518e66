"""Answers of a local model whose template knows no tools: its own format and bare JSON, in a stream as in the whole."""

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_adapt import CALL, NOW, PLAIN, WEATHER, request
from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.parts import Text, Thinking
from tsuji.core.response import ChatResponse, Choice
from tsuji.engine.adapt import Unadapt, adapt_request
from tsuji.engine.formats.families import ANY, FAMILIES
from tsuji.engine.formats.reader import Family

GLM = "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>"
MISTRAL = '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}'
WORDS = st.sampled_from(
    [
        GLM,
        MISTRAL,
        CALL,
        f"<tool_call>{CALL}</tool_call>",
        "<think>Hm.</think>",
        "Plain.",
        "\n",
        "<tool",
        "[",
        "</think>",
    ]
)


def answer(*texts: str) -> ChatResponse:
    return ChatResponse("chatcmpl-x", "m", tuple([Choice(i, (Text(t),), "stop", "stop") for i, t in enumerate(texts)]))


def test_a_models_own_format_is_read_where_llama_does_not() -> None:
    adapted, back = adapt_request(request(tools=(WEATHER, NOW)), PLAIN)
    assert back is not None and adapted.tools == ()
    [choice] = back.response(answer(f"<think>\nHm.\n</think>\n\nI look.\n{GLM}{MISTRAL}")).choices
    assert choice.stop == "tool_calls" and choice.content[:2] == (Thinking("Hm."), Text("I look."))
    calls = [(call.name, json.loads(call.arguments)) for call in choice.tool_calls]
    assert calls == [("get_weather", {"city": "Oslo"})] * 2
    assert len({call.id for call in choice.tool_calls}) == 2


def test_a_call_of_another_tool_stays_text() -> None:
    text = "<tool_call>launch<arg_key>at</arg_key><arg_value>1</arg_value></tool_call>"
    [choice] = Unadapt((WEATHER,), ANY).response(answer(text)).choices
    assert choice.stop == "stop" and choice.text.startswith("<tool_call>launch")


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from([ANY, FAMILIES["glm"]]),
    texts=st.lists(WORDS, max_size=4),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_a_stream_gives_what_the_whole_answer_gives(family: Family, texts: list[str], cuts: list[int]) -> None:
    back = Unadapt((WEATHER, NOW), family)
    whole = answer("".join(texts), GLM)
    events: list[ev.Event] = []
    for event in replay(whole):
        if type(event) is ev.TextDelta:
            at = [0, *sorted(min(cut, len(event.text)) for cut in cuts), len(event.text)]
            events += [ev.TextDelta(event.text[a:b], event.index, event.choice) for a, b in pairwise(at)]
        else:
            events.append(event)
    turned = back.events()
    assert assemble([out for event in events for out in turned.feed([event])]) == back.response(whole)
