"""A tsuji.toml in the making: its tables, and what is to be said beside them."""

import re
from typing import Any, cast

import msgspec

from tsuji.config import config_schema

Table = dict[str, Any]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ENVIRONMENT = "os.environ/"


def table(value: Any) -> Table:
    """Of what was read: empty for what is none."""
    return cast("Table", value) if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    """Of what was read: empty for what is no list."""
    return cast("list[Any]", value) if isinstance(value, list) else []


class Draft:
    """source: what is read. Tables are filled as they are to stand in the file, None for what is not said.

    literal: a key stands in it as it is. notes: what could not be carried over, said at the top of the file.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.top: Table = {}
        self.tables: dict[str, Table] = {}
        self.providers: dict[str, Table] = {}
        self.guardrails: dict[str, Table] = {}
        self.routes: dict[str, Table] = {}
        self.notes: list[str] = []
        self.literal = False
        self._said: dict[tuple[str, str], list[str]] = {}

    def note(self, text: str, table: str = "", name: str = "") -> None:
        """Said once: above the table of that name ("routes", "fast"), or at the top."""
        said = self._said.setdefault((table, name), []) if table else self.notes
        if text not in said:
            said.append(text)

    def table(self, name: str) -> Table:
        return self.tables.setdefault(name, {})

    def secret(self, value: Any, what: str) -> str:
        """`env:NAME` for LiteLLM's `os.environ/NAME`; else the key itself, of which is warned."""
        text = str(value)
        if text.startswith(_ENVIRONMENT):
            return "env:" + text.removeprefix(_ENVIRONMENT)
        if text.startswith(("env:", "file:")):
            return text
        self.literal = True
        self.note(f"{what} is a key as it is: better put it into the environment, and write env:NAME here.")
        return text

    def toml(self) -> str:
        """The file. What this version has no place for becomes a note."""
        schema = config_schema()
        document: Table = {**self.top, **self.tables}
        parts = {"providers": self.providers, "guardrails": self.guardrails, "routes": self.routes}
        document.update({name: tables for name, tables in parts.items() if tables})
        document = _fit(schema, schema, _without_none(document), (), self)
        lines = [f"# Made from {self.source}. 'tsuji config check' says what is still missing here."]
        lines += [line for note in self.notes for line in _comment(note)]
        lines += ["", *[f"{_key(name)} = {_value(value)}" for name, value in document.items() if name in self.top]]
        for name in self.tables:
            lines += self._lines(name, "", document.get(name, {}))
        for name in parts:
            for one, table in document.get(name, {}).items():
                lines += self._lines(name, one, table)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip() + "\n")

    def _lines(self, table: str, name: str, values: Table) -> list[str]:
        said = [line for note in self._said.get((table, name), []) for line in _comment(note)]
        if not values and not said:
            return []
        heading = f"[{table}.{_key(name)}]" if name else f"[{table}]"
        return ["", *said, heading, *[f"{_key(key)} = {_value(value, 4)}" for key, value in values.items()]]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        found = cast("Table", value).items()
        return {key: _without_none(one) for key, one in found if one is not None}
    if isinstance(value, list):
        return [_without_none(one) for one in cast("list[Any]", value)]
    return value


def _fit(schema: Table, whole: Table, value: Any, path: tuple[str, ...], draft: Draft) -> Any:
    """The value without keys and words that the schema does not have; each is noted."""
    schema = _meant(schema, whole, value)
    if isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
        known, more = table(schema.get("properties")), schema.get("additionalProperties")
        kept: Table = {}
        for key, one in cast("Table", value).items():
            inner = table(known.get(key)) or table(more)
            if not inner or not _is_word(_meant(inner, whole, one), one):
                _missing(draft, path, key, one)
            else:
                kept[key] = _fit(inner, whole, one, (*path, key), draft)
        return kept
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_fit(schema["items"], whole, one, path, draft) for one in rows(cast("Any", value))]
    return cast("Any", value)


def _meant(schema: Table, whole: Table, value: Any) -> Table:
    """The schema behind references, and of alternatives the one of the value's kind."""
    while "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    choices = [_meant(one, whole, value) for one in schema.get("anyOf", ())]
    kind = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}[type(value)]
    return next((one for one in choices if one.get("type", kind) == kind), choices[0]) if choices else schema


def _is_word(schema: Table, value: Any) -> bool:
    words = schema.get("enum")
    return words is None or value in words


def _missing(draft: Draft, path: tuple[str, ...], key: str, value: Any) -> None:
    table, name = (path[0], path[1]) if len(path) > 1 else ("", "")
    inside = ".".join([*path[2:], key])
    draft.note(f"not in this version of Tsuji: {inside} = {_value(value)}", table, name)


def _comment(text: str) -> list[str]:
    """Lines of at most 120 characters."""
    lines, line = list[str](), "#"
    for word in text.split():
        if len(line) + len(word) > 118 and line.strip("# "):
            lines.append(line)
            line = "#  "
        line += " " + word
    return [*lines, line]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A TOML string: JSON's escapes are among TOML's, which wants DEL escaped as well (https://toml.io/en/v1.0.0)."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _value(value: Any, indent: int = 0) -> str:
    if isinstance(value, dict):
        pairs = cast("Table", value).items()
        return "{ " + ", ".join([f"{_key(key)} = {_value(one)}" for key, one in pairs]) + " }" if pairs else "{}"
    if isinstance(value, list):
        items = [_value(one) for one in cast("list[Any]", value)]
        short = f"[{', '.join(items)}]"
        if not indent or len(short) < 90 or len(items) < 2:
            return short
        return "[\n" + "".join([f"{' ' * indent}{item},\n" for item in items]) + "]"
    return _text(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)
