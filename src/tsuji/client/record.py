"""The base of result objects: light Structs that read like Pydantic models of the official clients."""

from typing import Any, Self, cast

import msgspec


class Result(msgspec.Struct, kw_only=True, dict=True):
    """Fields of the provider's that have no attribute here read as attributes all the same; `model_extra` has them.

    `to_dict()` leaves out what is None; `model_dump()` has every field.
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
        self, *, mode: str = "python", exclude_none: bool = False, exclude_unset: bool = False
    ) -> dict[str, Any]:
        """A plain dict of JSON values, whatever `mode` is. exclude_unset: the same as exclude_none."""
        without = exclude_none or exclude_unset
        return {k: _plain(v, without) for k, v in self._fields() if not (without and v is None)}

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)

    def model_dump_json(
        self, *, indent: int | None = None, exclude_none: bool = False, exclude_unset: bool = False
    ) -> str:
        text = msgspec.json.encode(self.model_dump(exclude_none=exclude_none or exclude_unset))
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()

    def to_json(self, *, indent: int | None = 2) -> str:
        return self.model_dump_json(indent=indent, exclude_none=True)

    def model_copy(self) -> Self:
        return self.__copy__()


def _plain(value: Any, without_none: bool) -> Any:
    if isinstance(value, Result):
        return value.model_dump(exclude_none=without_none)
    if isinstance(value, list):
        return [_plain(item, without_none) for item in cast("list[Any]", value)]
    return str(value) if isinstance(value, str) else value


def read_extras(result: Result, document: dict[str, Any]) -> None:
    """Fills model_extra, at every level, with what `document`, which `result` was decoded from, has beyond it."""
    known = result.__struct_fields__
    extra = {name: value for name, value in document.items() if name not in known}
    if extra:
        vars(result)["_extra"] = extra
    for name in known:
        value, source = getattr(result, name), document.get(name)
        if isinstance(value, Result) and type(source) is dict:
            read_extras(value, cast("dict[str, Any]", source))
        elif type(value) is list and type(source) is list:
            for item, original in zip(cast("list[Any]", value), cast("list[Any]", source), strict=False):
                if isinstance(item, Result):
                    read_extras(item, original)
