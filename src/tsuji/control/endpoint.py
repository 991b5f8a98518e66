"""An endpoint: a method, a path, and a typed function. What the function takes and gives says the rest."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from inspect import cleandoc
from typing import Any, cast, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from tsuji.core.errors import InvalidRequestError, NotFoundError, TsujiError

from .call import Call

_MOST_PARAMETERS = 30
_DIGITS = re.compile(r"-?[0-9]{1,18}")


class WrongMethodError(InvalidRequestError):
    """The path exists, for other methods."""

    kind = "method_not_allowed"
    default_status = 405


class InvalidFieldError(InvalidRequestError):
    """What is sent can be read, and is not what is asked for; `param` says where."""

    kind = "invalid_field"
    default_status = 422


class Endpoint:
    """path: as Starlette takes it. status: of success. may_conflict: 409 is among its answers.

    open: no token is asked, and no ledger read.

    handler: its first parameter is the Call; `query` and `body` are structs; any other is part of the path. Its
    docstring's first line says what it does.
    """

    def __init__(
        self,
        method: str,
        path: str,
        handler: Callable[..., Any],
        *,
        status: int = 200,
        may_conflict: bool = False,
        open: bool = False,
    ) -> None:
        hints = get_type_hints(handler, include_extras=True)
        self.method = method
        self.path = path
        self.handler = handler
        self.name = handler.__name__
        self.description = cleandoc(handler.__doc__ or "")
        self.status = status
        self.may_conflict = may_conflict
        self.open = open
        self.returns: type = hints.pop("return")
        hints = {name: hint for name, hint in hints.items() if hint is not Call}
        self.query: type[msgspec.Struct] | None = hints.pop("query", None)
        self.body: type[msgspec.Struct] | None = hints.pop("body", None)
        self.in_path: dict[str, Any] = hints

    def arguments(self, path: Mapping[str, str], query: bytes, body: bytes | None) -> dict[str, Any]:
        """For the handler, beside the Call. Raises TsujiError for what it does not take."""
        found: dict[str, Any] = {name: _part(path[name], hint) for name, hint in self.in_path.items()}
        parameters = _parameters(query)
        if self.query is not None:
            found["query"] = _converted(parameters, self.query)
        elif parameters:
            raise InvalidFieldError("this endpoint takes no query", param=next(iter(parameters)))
        if self.body is not None:
            found["body"] = _decoded(body or b"", self.body)
        return found


def _part(text: str, hint: Any) -> str:
    try:
        return msgspec.convert(text, hint)
    except msgspec.ValidationError:
        raise NotFoundError(f"nothing has the id {text!r}; ids are as a list shows them") from None


def _parameters(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(query.decode("ascii"), True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise InvalidRequestError("the query is not percent-encoded UTF-8") from None
    except ValueError:
        raise InvalidRequestError(f"the query has more than {_MOST_PARAMETERS} parameters") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise InvalidFieldError("a parameter is given twice; give it once", param=twice)
    return found


def _converted(parameters: dict[str, str], kind: type[msgspec.Struct]) -> msgspec.Struct:
    given: dict[str, Any] = dict(parameters)
    for name in _numbers(kind) & parameters.keys():
        if _DIGITS.fullmatch(parameters[name]):
            given[name] = int(parameters[name])
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _invalid(error, "query") from None


@cache
def _numbers(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that are whole numbers. msgspec's lax conversion would take 1e1 for one, and 5 for a time."""
    fields = cast("inspect.StructType", inspect.type_info(kind)).fields
    bare = {one.name: one.type.type if isinstance(one.type, inspect.Metadata) else one.type for one in fields}
    return frozenset([name for name, info in bare.items() if isinstance(info, inspect.IntType)])


def _decoded(body: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(error, "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise InvalidRequestError("the body is nested too deeply") from None


def _invalid(error: msgspec.ValidationError, part: str) -> TsujiError:
    """msgspec says where at the end: "... - at `$.scopes.models[0]`"."""
    message, _, where = str(error).partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    return InvalidFieldError(f"the {part}{' at ' + where if where else ''}: {message}", param=where or None)
