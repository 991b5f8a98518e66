"""What open models write, by family: the same calls, thoughts and texts at any split of the stream."""

import json
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core.tools import Tool
from tsuji.engine.formats.families import ANY, FAMILIES, family_of
from tsuji.engine.formats.reader import Family, FormatReader

Found = list[tuple[str, ...]]

TOOLS = (
    Tool(
        "look_up",
        parameters={"type": "object", "properties": {"word": {"type": "string"}, "most": {"type": "integer"}}},
    ),
    Tool("now", parameters={"type": "object", "properties": {}}),
)
ARGS = '{"word": "tide", "most": 3}'


def read(family: Family, pieces: Sequence[str], *, tools: Sequence[Tool] = TOOLS, thinking: bool = False) -> Found:
    """("text" | "thinking", text) and ("call", name, arguments as text); neighbours of one kind joined."""
    reader = FormatReader(family, tools, thinking=thinking)
    found: Found = []
    opened = False
    for piece in [p for text in pieces for p in reader.feed(text)] + reader.finish():
        last = found[-1] if found else ("",)
        if piece.kind == "call":
            assert not opened
            opened = True
            found.append(("call", piece.text, ""))
        elif piece.kind == "arguments":
            assert opened and piece.text
            found[-1] = ("call", last[1], last[2] + piece.text)
        elif piece.kind == "end":
            assert opened
            opened = False
        elif last[0] == piece.kind:
            assert not opened
            found[-1] = (piece.kind, last[1] + piece.text)
        else:
            assert not opened and piece.text
            found.append((piece.kind, piece.text))
    assert not opened
    return found


def decoded(found: Found) -> list[tuple[object, ...]]:
    return [(*entry[:2], json.loads(entry[2])) if entry[0] == "call" else entry for entry in found]


def _expected(entry: dict[str, Any]) -> tuple[object, ...]:
    if "call" in entry:
        return ("call", entry["call"], entry["arguments"])
    [(kind, text)] = entry.items()
    return (kind, text)


_FILE = tomllib.loads((Path(__file__).parent / "cases.toml").read_text())
CASES = [(case["family"], case["text"], [_expected(entry) for entry in case["read"]]) for case in _FILE["case"]]
IDS = [f"{number}-{name}" for number, (name, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "text", "expected"), CASES, ids=IDS)
def test_a_familys_calls_are_read_whole_and_at_every_split(
    name: str, text: str, expected: list[tuple[object, ...]]
) -> None:
    whole = read(FAMILIES[name], [text])
    assert decoded(whole) == expected
    assert read(FAMILIES[name], list(text)) == whole
    for at in range(len(text)):
        assert read(FAMILIES[name], [text[:at], text[at:]]) == whole
    if name != "phi" and not text.startswith("{"):  # a word and bare JSON are marks of their own family alone
        assert read(ANY, [text]) == whole


MARKS = sorted(
    {mark for family in FAMILIES.values() for mark in (*family.calls, *family.thoughts, *family.dropped)}
    | {end for family in FAMILIES.values() for end in family.thoughts.values()}
)
WORDS = st.one_of(
    st.sampled_from(MARKS), st.sampled_from([text for _, text, _ in CASES]), st.text(max_size=12),
    st.sampled_from(["look_up", "{", "}", '"', "[", "]", " ", "\n", ":", ",", '"name"', ARGS, "<arg_key>", "call:"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from([*FAMILIES, "any"]), words=st.lists(WORDS, max_size=8), data=st.data())
def test_any_text_is_read_the_same_however_it_comes(name: str, words: list[str], data: st.DataObject) -> None:
    family = FAMILIES.get(name, ANY)
    text = "".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
    assert read(family, pieces) == read(family, [text])


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from([*FAMILIES, "any"]), text=st.text())
def test_text_without_a_mark_comes_out_as_it_was(name: str, text: str) -> None:
    if not any(mark in text for mark in MARKS):
        assert read(FAMILIES.get(name, ANY), [text]) == ([("text", text)] if text else [])


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_may_begin_within_thinking(name: str) -> None:
    family = FAMILIES[name]
    if not family.thoughts:  # llama has none, harmony names its channel each time
        assert name in ("llama", "harmony")
        return
    end = next(iter(family.thoughts.values()))
    assert read(family, [f"\nHm. {end}\n\nIt is."], thinking=True) == [("thinking", "Hm."), ("text", "It is.")]
    assert read(family, ["Hm, cut"], thinking=True) == [("thinking", "Hm, cut")]


@pytest.mark.parametrize(("name", "text", "expected"), CASES, ids=IDS)
def test_a_call_that_is_cut_is_the_beginning_of_the_whole(
    name: str, text: str, expected: list[tuple[object, ...]]
) -> None:
    """Its arguments are a beginning of the whole call's, by their text or by their members, or no JSON."""
    whole = read(FAMILIES[name], [text])
    for at in range(len(text)):
        cut = read(FAMILIES[name], [text[:at]])
        calls, all_calls = ([e for e in found if e[0] == "call"] for found in (cut, whole))
        for found, complete in zip(calls, all_calls, strict=False):
            assert found[1] == complete[1]
            try:
                members = list(json.loads(found[2]).items())
            except ValueError:
                continue
            assert members == list(json.loads(complete[2]).items())[: len(members)]


@pytest.mark.parametrize(("name", "text", "expected"), CASES, ids=IDS)
def test_a_call_of_a_tool_that_is_not_there_is_text(name: str, text: str, expected: list[tuple[object, ...]]) -> None:
    found = read(FAMILIES[name], [text], tools=(Tool("other"),))
    assert not [entry for entry in found if entry[0] == "call"]
    if any(entry[0] == "call" for entry in expected) and name != "harmony":
        assert "look_up" in str(found) or "now" in str(found)


def test_strings_stay_strings_and_other_values_are_json() -> None:
    odd = (
        '<tool_call>look_up<arg_key>word</arg_key><arg_value>3 "x"\n\\ é</arg_value>'
        "<arg_key>most</arg_key><arg_value>[1, 2]</arg_value><arg_key>more</arg_key><arg_value>not json</arg_value>"
        "</tool_call>"
    )
    [(_, _, arguments)] = read(FAMILIES["glm"], list(odd))
    assert json.loads(arguments) == {"word": '3 "x"\n\\ é', "most": [1, 2], "more": "not json"}
    code = "<function=look_up>\n<parameter=word>\n\n  a\n\n</parameter>\n</function>"
    [(_, _, arguments)] = read(FAMILIES["hermes"], list(code))
    assert json.loads(arguments) == {"word": "\n  a\n"}
    nested = '<|tool_call>call:look_up{word:<|"|>a}<|"|>,most:{list:[1,<|"|>b<|"|>,true],o:{}}}<tool_call|>'
    [(_, _, arguments)] = read(FAMILIES["gemma"], list(nested))
    assert json.loads(arguments) == {"word": "a}", "most": {"list": [1, "b", True], "o": {}}}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("...'<|start|>assistant<|channel|>commentary to='...", "harmony"),
        ("...'<tool_call>' + tc.name ... '<arg_key>'", "glm"),
        ("...<tool_call>\\n{\"name\": \"'", "hermes"),
        ("...'<｜tool▁calls▁begin｜>'", "deepseek"),
        ("...[AVAILABLE_TOOLS] [TOOL_CALLS]", "mistral"),
        ("...<|tool_call|>", "granite"),
        ("...{{- '<|python_tag|>' }}", "llama"),
    ],
)  # fmt: skip
def test_a_template_tells_its_family(template: str, name: str) -> None:
    found = family_of(template)
    assert found is not None and found.name == name


def test_a_template_without_marks_tells_none() -> None:
    assert family_of("{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}") is None
