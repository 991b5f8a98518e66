"""Made-up JSON of an official client's types: every field filled in, every variant of a union in turn."""

import inspect
import types
import typing
from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

import pydantic
import typing_extensions

_UNIONS = (Union, types.UnionType)
_WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired)
_PLAIN: dict[Any, Any] = {str: "text", int: 3, float: 0.5, bool: True, bytes: "AAAA", object: "any", Any: "any"}
_DEPTH = 7


def variants(form: Any) -> Iterator[Any]:
    """The members of a union, of unions of unions too, and the words of a literal; any other type is its only one."""
    form = bare(form)
    if get_origin(form) in _UNIONS:
        for each in get_args(form):
            yield from variants(each)
    elif get_origin(form) is Literal:
        for word in get_args(form):
            yield Literal[word]
    elif form is not type(None):
        yield form


def bare(form: Any) -> Any:
    """Without Annotated, Required and the names of aliases."""
    while True:
        if get_origin(form) in _WRAPPERS:
            form = get_args(form)[0]
        elif isinstance(form, typing_extensions.TypeAliasType):
            form = form.__value__
        else:
            return form


def fields(form: Any) -> dict[str, Any]:
    """Name on the wire -> type, of a model or a typed dictionary."""
    if inspect.isclass(form) and issubclass(form, pydantic.BaseModel):
        return {f.alias or name: f.annotation for name, f in form.model_fields.items()}
    return typing_extensions.get_type_hints(form, include_extras=True)


def filled(form: Any, depth: int = 0, name: str = "") -> Any:
    """One value of the type; of a union its first member. None where it would nest without end.

    name: of the field, on which it depends what text there may be.
    """
    form = bare(form)
    origin, args = get_origin(form), get_args(form)
    if origin in _UNIONS:
        return filled(next(variants(form)), depth, name)
    if origin is Literal:
        return args[0]
    if form is str and name.lower().endswith(("uri", "url")):
        return "https://example.org/a"
    if form is str and "mime" in name.lower():
        return "image/png"
    if form in _PLAIN:
        return 0 if form is int and "indic" in name.lower() else _PLAIN[form]
    if depth > _DEPTH:
        return None
    if origin in (dict,) or form is dict or (inspect.isclass(origin) and issubclass(origin, typing.Mapping)):
        return {"key": filled(args[1], depth + 1) if len(args) == 2 else "any"}
    if origin is not None and args and inspect.isclass(origin) and hasattr(origin, "__iter__"):
        made = filled(args[0], depth + 1, name)
        return [] if made is None else [made]
    if inspect.isclass(form) and issubclass(form, Enum):
        return next(v.value for v in form if "UNSPECIFIED" not in v.value)
    if form in (datetime, date):
        return "2026-01-02T03:04:05Z"
    if inspect.isclass(form) and (issubclass(form, pydantic.BaseModel) or typing_extensions.is_typeddict(form)):
        made = {key: filled(hint, depth + 1, key) for key, hint in fields(form).items()}
        return {k: v for k, v in made.items() if v is not None}
    return "any"
