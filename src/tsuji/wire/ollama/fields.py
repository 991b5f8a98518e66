"""Names and checks that all parsers here share."""

from typing import Any, Final

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Ext

NAME: Final = "ollama"
Object = dict[str, Any]

UNEXPECTED = (TypeError, ValueError, KeyError, OverflowError, RecursionError, msgspec.MsgspecError)
"""What a hostile body can still provoke behind the checks: endless depth, numbers beyond all bounds, half a surrogate
pair."""

_encode = msgspec.json.Encoder().encode


class Wrong(Exception):
    """A value is not what it should be. Parsers turn it into the error that blames the right side."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(path, expected)
        self.path = path
        self.expected = expected

    def request_error(self) -> InvalidRequestError:
        return InvalidRequestError(f"{self.path!r} must be {self.expected}", param=self.path)


def an_object(value: Any, path: str) -> Object:
    if value.__class__ is not dict:
        raise Wrong(path, "an object")
    return value


def a_list(value: Any, path: str) -> list[Any]:
    if value.__class__ is not list:
        raise Wrong(path, "a list")
    return value


def a_string(value: Any, path: str) -> str:
    if value.__class__ is not str:
        raise Wrong(path, "a string")
    return value


def a_name(value: Any, path: str) -> str:
    if value.__class__ is not str or not value:
        raise Wrong(path, "a non-empty string")
    return value


def a_boolean(value: Any, path: str) -> bool:
    if value.__class__ is not bool:
        raise Wrong(path, "true or false")
    return value


def a_number(value: Any, path: str) -> float:
    if value.__class__ is not int and value.__class__ is not float:
        raise Wrong(path, "a number")
    return value


def an_integer(value: Any, path: str) -> int:
    """A whole number; 40.0 is one."""
    if value.__class__ is float and value.is_integer():
        return int(value)
    if value.__class__ is not int:
        raise Wrong(path, "a whole number")
    return value


def text_of(value: Any) -> str:
    """For what providers may leave out, or get wrong without harm."""
    return value if value.__class__ is str else ""


def count_of(value: Any) -> int | None:
    """Likewise."""
    return value if value.__class__ is int and value >= 0 else None


def dicts_in(value: Any) -> list[Object]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if item.__class__ is dict] if value.__class__ is list else []


def own(ext: Ext | None) -> Object:
    """The fields of this dialect in `ext`, remembered spellings included."""
    return ext.get(NAME, {}) if ext else {}


def plain(ext: Ext | None) -> Object:
    """The same without spellings."""
    return {k: v for k, v in own(ext).items() if k[0:1] != "~"}


def to_ext(fields: Object) -> Ext | None:
    return {NAME: fields} if fields else None


def rest(fields: Object, known: frozenset[str]) -> Object:
    """The fields that are not `known` and not null."""
    return {k: v for k, v in fields.items() if k not in known and v is not None}


def json_text(value: Any) -> str:
    return _encode(value).decode()
