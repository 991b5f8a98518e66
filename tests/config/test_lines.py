"""Where keys stand, in every way that TOML lets one write them."""

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.config.lines import key_lines
from tsuji.config.problem import dotted, line_of

TEXT = '''# a comment = 1
a = 1
[server]   # [not.this]
host = "127.0.0.1"
keys = [
  "one",   # "two"
  'th#ree',
]
[providers.mock]
quirks = { drop = ["n", "seed"], rename.max = "x" }
headers."x-one" = """
[inside]
"""
[ providers . 'quoted.name' ]
base_url = 'a\\b'
[routes."my \\"route\\""]
targets = ["a:b", # ]
  { model = "c:d", weight = 2 }, """e:f"""]
[[many]]
x = 1
[[many]]
y = 2
[many.below]
z = [[1], [2,
 3]]
'''


def test_every_form_of_key_is_found() -> None:
    lines = key_lines(TEXT)
    expected: dict[tuple[str | int, ...], int] = {
        ("a",): 2,
        ("server",): 3,
        ("server", "host"): 4,
        ("server", "keys"): 5,
        ("server", "keys", 1): 7,
        ("providers",): 9,
        ("providers", "mock", "quirks"): 10,
        ("providers", "mock", "quirks", "drop", 1): 10,
        ("providers", "mock", "quirks", "rename", "max"): 10,
        ("providers", "mock", "headers", "x-one"): 11,
        ("providers", "quoted.name"): 14,
        ("providers", "quoted.name", "base_url"): 15,
        ("routes", 'my "route"', "targets"): 17,
        ("routes", 'my "route"', "targets", 1, "weight"): 18,
        ("routes", 'my "route"', "targets", 2): 18,
        ("many", 0, "x"): 20,
        ("many", 1): 21,
        ("many", 1, "y"): 22,
        ("many", 1, "below", "z"): 24,
        ("many", 1, "below", "z", 1, 1): 25,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_all_that_was_parsed_has_a_line() -> None:
    lines = key_lines(TEXT)

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        if path:
            assert path in lines
        for key, item in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            walk(item, (*path, key))

    walk(tomllib.loads(TEXT), ())


def test_a_missing_key_is_reported_where_its_table_begins() -> None:
    assert line_of(key_lines(TEXT), ("providers", "mock", "base_url")) == 9
    assert line_of({}, ("x",)) is None


def test_paths_are_written_as_toml_writes_them() -> None:
    assert dotted(("routes", "my route", "targets", 0, "model")) == 'routes."my route".targets[0].model'
    assert dotted(()) == ""


_names = st.text(min_size=1, max_size=8)
_values = st.recursive(
    st.integers(0, 9) | st.text(max_size=6) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(k))} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(_toml(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(f"\\U{ord(c):08x}" if not c.isalnum() or not c.isascii() else c for c in value) + '"'


@settings(deadline=None)
@given(st.dictionaries(_names, _values, max_size=4))
def test_any_document_can_be_scanned(document: dict[str, Any]) -> None:
    text = "".join(f"{_toml(name)} = {_toml(value)}\n" for name, value in document.items())
    assert tomllib.loads(text) == document
    lines = key_lines(text)
    assert [lines[(name,)] for name in document] == sorted(lines[(name,)] for name in document)
    assert {path[0] for path in lines} == set(document)
