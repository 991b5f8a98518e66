"""The base of result objects: light Structs that read like Pydantic models of the official clients."""

from collections.abc import Collection, Mapping
from copy import copy, deepcopy
from typing import Any, Self, TypeVar, cast, get_args

import msgspec

from tsuji.core.errors import UpstreamProtocolError

Kind = TypeVar("Kind", bound="Result")


class Result(msgspec.Struct, kw_only=True, dict=True):
    """Fields of the provider's that have no attribute here read as attributes all the same; `model_extra` has them.

    `to_dict()` leaves out what is None; `model_dump()` has every field. A pickled result keeps its document alone: no
    trace, which knows the configuration and its keys, and no way to `parsed`.
    """

    # What is not part of the document lives in __dict__, under names that no JSON key can reach.

    @property
    def model_extra(self) -> dict[str, Any]:
        return vars(self).get("_extra") or {}

    def __getattr__(self, name: str) -> Any:
        if name in self.model_extra:
            return self.model_extra[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self._fields() if value is not None]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _fields(self) -> list[tuple[str, Any]]:
        found = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [*found, *self.model_extra.items()]

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Collection[str] | None = None,
        exclude: Collection[str] = (),
        exclude_none: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        by_alias: bool | None = None,
    ) -> dict[str, Any]:
        """A plain dict of JSON values, whatever `mode` is. include, exclude: names of fields of this object.

        exclude_unset and exclude_defaults are the same as exclude_none, and there are no aliases.
        """
        without = exclude_none or exclude_unset or exclude_defaults
        return {
            name: _plain(value, without)
            for name, value in self._fields()
            if (include is None or name in include) and name not in exclude and not (without and value is None)
        }

    def to_dict(self, *, mode: str = "python") -> dict[str, Any]:
        return self.model_dump(exclude_none=True)

    def model_dump_json(
        self, *, indent: int | None = None, exclude_none: bool = False, exclude_unset: bool = False
    ) -> str:
        text = msgspec.json.encode(self.model_dump(exclude_none=exclude_none or exclude_unset))
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()

    def to_json(self, *, indent: int | None = 2) -> str:
        return self.model_dump_json(indent=indent, exclude_none=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = deepcopy(self) if deep else copy(self)
        for name, value in (update or {}).items():
            setattr(copied, name, value)
        return copied

    def __copy__(self) -> Self:
        return _remade(type(self), self._own(), vars(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        beside = {**vars(self), "_extra": deepcopy(self.model_extra, memo)}
        return _remade(type(self), deepcopy(self._own(), memo), beside)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self._own(), {"_extra": self.model_extra})

    def _own(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__}


def _remade(kind: type[Kind], fields: dict[str, Any], beside: dict[str, Any]) -> Kind:
    made = kind(**fields)
    vars(made).update(beside)
    return made


def _plain(value: Any, without_none: bool) -> Any:
    if isinstance(value, Result):
        return value.model_dump(exclude_none=without_none)
    if isinstance(value, list):
        return [_plain(item, without_none) for item in cast("list[Any]", value)]
    return str(value) if isinstance(value, str) else value


def read(kind: type[Kind], document: dict[str, Any]) -> Kind:
    """A result from its JSON document, with all that the document has.

    Raises UpstreamProtocolError, whose body is the document, where a provider's own field has a type of its own.
    """
    try:
        result = msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"the answer is not an OpenAI-style one: {error}", body=document) from None
    read_extras(result, document)
    return result


def read_extras(result: Result, document: dict[str, Any]) -> None:
    """Keeps, at every level, what `document`, which `result` was converted from, has beyond the fields of `result`."""
    known, nested = _shape_of(type(result))
    if not document.keys() <= known:
        vars(result)["_extra"] = {name: value for name, value in document.items() if name not in known}
    for name in nested:
        source = document.get(name)
        if type(source) is dict:
            read_extras(getattr(result, name), cast("dict[str, Any]", source))
        elif type(source) is list:
            for item, original in zip(getattr(result, name), cast("list[Any]", source), strict=True):
                read_extras(item, original)


_shapes: dict[type[Result], tuple[frozenset[str], tuple[str, ...]]] = {}


def _shape_of(kind: type[Result]) -> tuple[frozenset[str], tuple[str, ...]]:
    """(names of the fields, those that hold further results)."""
    found = _shapes.get(kind)
    if found is None:
        fields = msgspec.structs.fields(kind)
        nested = tuple([f.name for f in fields if _holds_results(f.type)])
        found = _shapes[kind] = frozenset([f.name for f in fields]), nested
    return found


def _holds_results(type_: Any) -> bool:
    """A Result, a list of them, or either or None."""
    if isinstance(type_, type) and issubclass(type_, Result):
        return True
    return any(map(_holds_results, get_args(type_)))
