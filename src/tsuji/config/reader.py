"""Parsed TOML to the structs of `schema`, with every mistake noted instead of the first one raised.

A message never shows a value, only its type: it could be a key.
"""

from typing import Any, cast

from msgspec import inspect

from tsuji.catalog import nearest

from .problem import Path, Problems
from .schema import FileTable

MISSING: Any = object()
"""Stands in a list for an item that did not fit."""
_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a table",
    list: "a list",
}


def read(document: dict[str, Any], problems: Problems) -> FileTable:
    """What fits of the document, so that the rest of it can be checked too; `problems` says what does not."""
    return _struct(document, cast(inspect.StructType, inspect.type_info(FileTable)), (), problems)


def _value(value: object, info: inspect.Type, path: Path, problems: Problems) -> Any:
    """The value as `info` says, or MISSING with a problem noted."""
    if isinstance(info, inspect.Metadata):
        return _value(value, info.type, path, problems)
    if isinstance(info, inspect.UnionType):
        return _value(value, _of_union(value, info), path, problems)
    if isinstance(info, inspect.StructType):
        return _struct(value, info, path, problems)
    if isinstance(info, inspect.DictType):
        return _dict(value, info, path, problems)
    if isinstance(info, inspect.VarTupleType):
        return _list(value, info, path, problems)
    if isinstance(info, inspect.LiteralType):
        return _literal(value, info, path, problems)
    if isinstance(info, inspect.AnyType):
        return value
    return _scalar(value, info, path, problems)


def _of_union(value: object, info: inspect.UnionType) -> inspect.Type:
    """TOML has no null; what remains is one type, or text and a table."""
    types = [_bare(t) for t in info.types if not isinstance(_bare(t), inspect.NoneType)]
    for t in types:
        if isinstance(value, dict) == isinstance(t, inspect.StructType | inspect.DictType):
            return t
    return types[0]


def _bare(info: inspect.Type) -> inspect.Type:
    return _bare(info.type) if isinstance(info, inspect.Metadata) else info


def _struct(value: object, info: inspect.StructType, path: Path, problems: Problems) -> Any:
    if not isinstance(value, dict):
        return _wrong(path, "a table", value, problems)
    given = cast("dict[str, object]", value)
    fields = {f.name: f for f in info.fields}
    for name in given:
        if name not in fields:
            problems.add((*path, name), f"unknown key; {nearest(name, tuple(fields))}")
    read: dict[str, Any] = {}
    for name, field in fields.items():
        found = _value(given[name], field.type, (*path, name), problems) if name in given else MISSING
        if found is not MISSING:
            read[name] = found
        elif field.required:
            if name not in given:
                problems.add(path, f"{name!r} is missing")
            read[name] = MISSING
    return MISSING if any(v is MISSING for v in read.values()) else info.cls(**read)


def _dict(value: object, info: inspect.DictType, path: Path, problems: Problems) -> Any:
    if not isinstance(value, dict):
        return _wrong(path, "a table", value, problems)
    given = cast("dict[str, object]", value)
    read = {name: _value(item, info.value_type, (*path, name), problems) for name, item in given.items()}
    return {name: item for name, item in read.items() if item is not MISSING}


def _list(value: object, info: inspect.VarTupleType, path: Path, problems: Problems) -> Any:
    if not isinstance(value, list):
        return _wrong(path, "a list in [brackets]", value, problems)
    given = cast("list[object]", value)
    if len(given) < (info.min_length or 0):
        problems.add(path, "must not be empty")
    return tuple([_value(item, info.item_type, (*path, i), problems) for i, item in enumerate(given)])


def _literal(value: object, info: inspect.LiteralType, path: Path, problems: Problems) -> Any:
    known = tuple([str(v) for v in info.values])
    if value in known:
        return value
    if not isinstance(value, str):
        return _wrong(path, "text", value, problems)
    return _refused(path, f"{value!r} is not one of: {', '.join(known)}", problems)


def _scalar(value: object, info: inspect.Type, path: Path, problems: Problems) -> Any:
    if isinstance(info, inspect.BoolType):
        return value if isinstance(value, bool) else _wrong(path, _NAMES[bool], value, problems)
    if isinstance(info, inspect.StrType):
        if not isinstance(value, str):
            return _wrong(path, _NAMES[str], value, problems)
        return value if len(value) >= (info.min_length or 0) else _refused(path, "must not be empty", problems)
    if isinstance(info, inspect.IntType):
        return (
            _number(value, info, path, problems) if type(value) is int else _wrong(path, _NAMES[int], value, problems)
        )
    assert isinstance(info, inspect.FloatType), f"the schema uses {info}"
    if type(value) is not int and type(value) is not float:
        return _wrong(path, _NAMES[float], value, problems)
    if value - value != 0:
        return _refused(path, "must be a finite number", problems)
    return _number(value, info, path, problems)


def _number(value: float, info: inspect.IntType | inspect.FloatType, path: Path, problems: Problems) -> Any:
    within = (
        (info.gt is None or value > info.gt)
        and (info.ge is None or value >= info.ge)
        and (info.lt is None or value < info.lt)
        and (info.le is None or value <= info.le)
    )
    if within:
        return float(value) if isinstance(info, inspect.FloatType) else value
    limits = (("above ", info.gt), ("at least ", info.ge), ("below ", info.lt), ("at most ", info.le))
    return _refused(
        path, "must be " + " and ".join([f"{w}{limit:g}" for w, limit in limits if limit is not None]), problems
    )


def _refused(path: Path, message: str, problems: Problems) -> Any:
    problems.add(path, message)
    return MISSING


def _wrong(path: Path, wanted: str, value: object, problems: Problems) -> Any:
    return _refused(path, f"must be {wanted}, not {_NAMES.get(type(value), 'a date or time')}", problems)
