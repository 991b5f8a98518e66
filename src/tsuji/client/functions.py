"""Tools from plain functions: the name, what the docstring says, and a JSON schema from the type hints."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

import msgspec

from tsuji.core.errors import InvalidRequestError

from .docstrings import described
from .schema import Schema, is_pydantic, json_schema

_known: WeakKeyDictionary[Any, Schema] = WeakKeyDictionary()


def tool_of(source: Callable[..., Any] | type, param: str = "tools") -> Schema:
    """The tool entry, in OpenAI's form, of a function, or of a class whose fields are the arguments.

    Raises InvalidRequestError, about `param`, for what cannot be called with named JSON values.
    """
    try:
        found = _known.get(source)
    except TypeError:  # a callable object that cannot be hashed or weakly referenced
        return _tool(source, param)
    if found is None:
        found = _known[source] = _tool(source, param)
    return found


def _tool(source: Callable[..., Any] | type, param: str) -> Schema:
    name = getattr(source, "__name__", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidRequestError(
            f"{param}: a tool needs a name, and {source!r} has none; define it with def", param=param
        )
    description, about = described(_own_doc(source))
    parameters = json_schema(source, param) if isinstance(source, type) else _parameters(source, about, param)
    function: Schema = {"name": name, "parameters": parameters}
    if description:
        function["description"] = description
    return {"type": "function", "function": function}


def _own_doc(source: Any) -> str | None:
    """Not the text that dataclasses and Structs make up from their fields."""
    doc = cast("str | None", source.__doc__)
    return None if isinstance(source, type) and doc and doc.startswith(f"{source.__name__}(") else doc


def _parameters(function: Callable[..., Any], about: dict[str, str], param: str) -> Schema:
    try:
        signature = inspect.signature(function)
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError, ValueError) as error:
        raise InvalidRequestError(f"{param}: cannot read the hints of {function!r}: {error}", param=param) from None
    properties: Schema = {}
    required: list[str] = []
    for name, parameter in signature.parameters.items():
        where = f"{param}: parameter {name!r} of {signature_name(function)}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise InvalidRequestError(f"{where} must be a named one; models call tools by keyword", param=param)
        properties[name] = _property(hints.get(name, Any), about.get(name), parameter.default, where)
        if parameter.default is parameter.empty:
            required.append(name)
    schema: Schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return _with_root_defs(schema)


def signature_name(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__qualname__', function)}()"


def _property(hint: Any, about: str | None, default: Any, where: str) -> Schema:
    if get_origin(hint) is Annotated:
        about = about or _annotation(get_args(hint)[1:])
    schema = {} if hint is Any else json_schema(hint, where)
    if about:
        schema = {**schema, "description": about}
    if default is not inspect.Parameter.empty and default is not None:
        with suppress(TypeError):  # a default that JSON cannot hold is left for the function to fill in
            schema = {**schema, "default": _plain(default)}
    return schema


def _annotation(extras: tuple[Any, ...]) -> str | None:
    """Annotated[int, "how many"], or anything with a description of its own, such as pydantic.Field."""
    for extra in extras:
        text = extra if isinstance(extra, str) else getattr(extra, "description", None)
        if isinstance(text, str):
            return text
    return None


def _plain(value: Any) -> Any:
    if is_pydantic(type(value)):
        return value.model_dump(mode="json")
    return msgspec.to_builtins(value)


def _with_root_defs(schema: Schema) -> Schema:
    defs: Schema = {}
    for name, prop in schema["properties"].items():
        if "$defs" in prop:
            defs.update(prop["$defs"])
            schema["properties"][name] = {k: v for k, v in prop.items() if k != "$defs"}
    return {**schema, "$defs": defs} if defs else schema
