"""Values of the official SDKs' own types, drawn at random: what their users can send, and what their parsers know.

`Values(seed).of(type)` gives a JSON value of a TypedDict, a Pydantic model, a union, a literal ... Optional fields come
and go; below a few levels they become rare, so that recursive types end.
"""

import collections.abc
import datetime
import inspect
import pathlib
import random
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

import typing_extensions as te
from pydantic import BaseModel

_BASE64 = "aGVsbG8="
_LISTS = (list, tuple, set, collections.abc.Iterable, collections.abc.Sequence)
_WRAPPERS = (te.Required, te.NotRequired, te.ReadOnly, typing.Annotated)
_BYTES = frozenset(("data", "file_data", "b64_json", "image_bytes", "imageBytes", "videoBytes", "value", "result"))
"""Fields typed as text whose value is base64."""


class Values:
    """alias: models are written by their fields' aliases (camelCase for google-genai)."""

    def __init__(self, seed: int, *, alias: bool = False) -> None:
        self.dice = random.Random(seed)
        self._alias = alias
        self._made = 0

    def of(self, form: Any, depth: int = 0, name: str = "") -> Any:
        origin = get_origin(form)
        if hasattr(form, "__value__"):  # a type alias
            return self.of(form.__value__, depth, name)
        if origin in _WRAPPERS:
            return self.of(get_args(form)[0], depth, name)
        if origin is Union or origin is types.UnionType:
            return self._one_of([a for a in get_args(form) if a is not types.NoneType], depth, name)
        if origin is Literal:
            return self.dice.choice(get_args(form))
        if origin in _LISTS or getattr(origin, "__name__", "") == "SequenceNotStr":
            count = self.dice.randint(1, 2) if depth < 6 else 1
            return [self.of(get_args(form)[0], depth + 1, name) for _ in range(count)]
        if origin is dict or origin is collections.abc.Mapping:
            return {self._text(): self.of(get_args(form)[1], depth + 1, name)}
        if inspect.isclass(form):
            return self._instance(form, depth, name)
        return self._text()

    def _one_of(self, forms: list[Any], depth: int, name: str) -> Any:
        plain = [form for form in forms if form in (str, int, float, bool)]
        forms = [form for form in forms if not _is_file(form)] or forms
        return self.of(self.dice.choice(plain if depth > 7 and plain else forms), depth, name)

    def _instance(self, form: type, depth: int, name: str) -> Any:
        if te.is_typeddict(form):
            hints = te.get_type_hints(form, include_extras=True)
            total = getattr(form, "__total__", True)
            return self._fields(
                {
                    k: (h, get_origin(h) is te.Required or (total and get_origin(h) is not te.NotRequired))
                    for k, h in hints.items()
                },
                depth,
            )
        if issubclass(form, BaseModel):
            rows = form.model_fields.items()
            named = {(f.alias or k) if self._alias or f.alias else k: (f.annotation, f.is_required()) for k, f in rows}
            return self._fields(named, depth)
        if hasattr(form, "__members__"):
            return self.dice.choice([word.value for word in form if "UNSPECIFIED" not in str(word.value)])  # pyright: ignore
        scalars: dict[type, Any] = {
            bool: self.dice.random() < 0.5,
            int: self.dice.randint(1, 50),
            float: self.dice.choice((0.25, 0.5, 1.5)),
            bytes: _BASE64,
            dict: {"key": "value"},
            list: ["item"],
            datetime.datetime: "2026-01-02T03:04:05Z",
        }
        return scalars[form] if form in scalars else _BASE64 if name in _BYTES else self._text()

    def _fields(self, fields: dict[str, tuple[Any, bool]], depth: int) -> dict[str, Any]:
        chance = 0.5 if depth < 3 else 0.35 if depth < 6 else 0.1
        taken = {k: form for k, (form, needed) in fields.items() if needed or self.dice.random() < chance}
        return {k: self.of(form, depth + 1, k) for k, form in taken.items()}

    def _text(self) -> str:
        self._made += 1
        return f"t{self._made}"


def _is_file(form: Any) -> bool:
    """Open files and paths, which SDKs read before they send."""
    return form in (bytes, pathlib.Path) or "PathLike" in str(form) or "IO[" in str(form)
