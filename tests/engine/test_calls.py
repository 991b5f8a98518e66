"""Calls written as text: found at any split of the stream, and nothing else taken for one."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.engine.calls import CallReader

NAMES = ("get_weather", "get", "add")


def read(pieces: list[str]) -> list[tuple[str, ...]]:
    """Calls as ("call", name, arguments) and texts as ("text", text), each joined."""
    reader = CallReader(NAMES)
    found: list[tuple[str, ...]] = []
    opened = False
    for piece in [p for text in pieces for p in reader.feed(text)] + reader.finish():
        if piece.kind == "call":
            assert not opened
            opened = True
            found.append(("call", piece.text, ""))
        elif piece.kind == "arguments":
            assert opened
            found[-1] = ("call", found[-1][1], found[-1][2] + piece.text)
        elif piece.kind == "end":
            assert opened
            opened = False
        elif found and found[-1][0] == "text":
            found[-1] = ("text", found[-1][1] + piece.text)
        else:
            found.append(("text", piece.text))
    assert not opened
    return found


OSLO = ("call", "get_weather", '{"city": "Oslo"}')
FORMS = {
    '{"name": "get_weather", "arguments": {"city": "Oslo"}}': [OSLO],
    ' \n{ "name" :"get_weather" ,\n "arguments": {"city": "Oslo"}\n}\n ': [OSLO],
    '{"name": "get_weather", "parameters": {"city": "Oslo"}}': [OSLO],
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>': [OSLO],
    '```json\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n```': [OSLO],
    '```\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n```\nDone.': [OSLO, ("text", "Done.")],
    '{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}': [OSLO],
    '{"name": "get", "arguments": {}}': [("call", "get", "{}")],
    '{"name": "get", "arguments": null, "id": {"x": "}"}}': [("call", "get", "null")],
    '{"name": "get", "arguments": 5}': [("call", "get", "5")],
    '{"name": "add", "arguments": {"s": "a } \\" { b", "n": [1, {"x": []}]}}': [
        ("call", "add", '{"s": "a } \\" { b", "n": [1, {"x": []}]}')
    ],
    '[{"name": "get", "arguments": {}}, {"name": "add", "arguments": {"a": [1]}}]': [
        ("call", "get", "{}"),
        ("call", "add", '{"a": [1]}'),
    ],
    '{"name": "get", "arguments": {}}\n{"name": "get", "arguments": {"x": 1}}': [
        ("call", "get", "{}"),
        ("call", "get", '{"x": 1}'),
    ],
    '```json\n{"name": "get", "arguments": {}}\n```\n```json\n{"name": "add", "arguments": {}}\n```': [
        ("call", "get", "{}"),
        ("call", "add", "{}"),
    ],
    '{"name": "get", "arguments": {}}</tool': [("call", "get", "{}"), ("text", "</tool")],
    '{"name": "get", "arguments": {"x": "cut he': [("call", "get", '{"x": "cut he')],
    '{"name": "get", "arguments": "{\\"x\\": ': [("call", "get", '"{\\"x\\": ')],
    '{"name": "ge': [("text", '{"name": "ge')],
    '{"name": "other", "arguments": {}}': [("text", '{"name": "other", "arguments": {}}')],
    '{"city": "Oslo"}': [("text", '{"city": "Oslo"}')],
    '{"name": "get"}': [("text", '{"name": "get"}')],
    "[1] A footnote": [("text", "[1] A footnote")],
    "```python\nprint()\n```": [("text", "```python\nprint()\n```")],
    "<tool_": [("text", "<tool_")],
    "  ": [("text", "  ")],
    "Use {}": [("text", "Use {}")],
    "": [],
}


@pytest.mark.parametrize("text", FORMS)
def test_forms(text: str) -> None:
    assert read([text]) == FORMS[text]


@given(st.sampled_from(list(FORMS)), st.lists(st.integers(0, 120)))
def test_any_split_gives_the_same(text: str, cuts: list[int]) -> None:
    at = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert read([text[a:b] for a, b in pairwise(at)]) == FORMS[text]


@given(st.text(alphabet='{}[]"`\\:, \nnameargut<>_cl', max_size=60), st.integers(0, 60))
def test_text_that_is_no_call_comes_out_as_it_was(text: str, cut: int) -> None:
    found = read([text[:cut], text[cut:]])
    if not any(kind == "call" for kind, *_ in found):
        assert "".join(row[1] for row in found) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), JSON, max_size=3), st.integers(0, 300), st.booleans())
def test_arguments_arrive_unchanged(arguments: dict[str, object], cut: int, ascii_only: bool) -> None:
    inner = json.dumps(arguments, ensure_ascii=ascii_only)
    text = f'{{"name": "add", "arguments": {inner}}}'
    assert read([text[:cut], text[cut:]]) == [("call", "add", inner)]


def test_ordinary_text_is_not_held_back() -> None:
    reader = CallReader(NAMES)
    assert [piece.text for piece in reader.feed("Hel")] == ["Hel"]
    assert [piece.text for piece in reader.feed('lo {"name": "get"')] == ['lo {"name": "get"']


def test_arguments_are_passed_on_as_they_come() -> None:
    reader = CallReader(NAMES)
    reader.feed('{"name": "add", "arguments": ')
    assert [(p.kind, p.text) for p in reader.feed('{"a"')] == [("call", "add"), ("arguments", '{"a"')]
    assert [(p.kind, p.text) for p in reader.feed(": 1}")] == [("arguments", ": 1}"), ("end", "")]
