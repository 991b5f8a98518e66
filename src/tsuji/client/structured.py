"""`response_format`: what may stand there, what is asked of the provider, and how the answer becomes an instance."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

import msgspec

from tsuji.core.errors import InvalidRequestError, UpstreamProtocolError

from .schema import Schema, decoder, json_schema, strict

Parse = Callable[[str], Any]
_known: WeakKeyDictionary[Any, tuple[Schema, Parse]] = WeakKeyDictionary()


def structured(response_format: Any) -> tuple[Schema, Parse | None]:
    """(OpenAI's `response_format`, text -> instance; None where plain text or any JSON was asked for).

    A type becomes a strict schema where that is possible; a bare JSON schema is wrapped; OpenAI's form stays.
    Raises InvalidRequestError for anything else.
    """
    if isinstance(response_format, Mapping):
        return _of_mapping(cast("Mapping[str, Any]", response_format))
    try:
        found = _known.get(response_format)
    except TypeError:  # list[Item] and the like cannot be weakly referenced
        return _of_type(response_format)
    if found is None:
        found = _known[response_format] = _of_type(response_format)
    return found


def _of_mapping(form: Mapping[str, Any]) -> tuple[Schema, Parse | None]:
    kind = form.get("type")
    if kind == "text":
        return dict(form), None
    if kind == "json_object":
        return dict(form), _any_json
    if kind == "json_schema" and isinstance(form.get("json_schema"), Mapping):
        return dict(form), _checked(form["json_schema"].get("schema"))
    if kind == "json_schema" or not form.keys() & {"type", "properties", "anyOf", "$ref", "enum"}:
        raise InvalidRequestError(
            "response_format must be a type, a JSON schema, or {'type': 'json_schema', 'json_schema': {'name': ..., "
            "'schema': ...}}",
            param="response_format",
        )
    name = _name(str(form.get("title", "answer")))
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(form)}}, _checked(form)


def _of_type(type_: Any) -> tuple[Schema, Parse]:
    schema, closed = strict(json_schema(type_, "response_format"))
    name = _name(getattr(type_, "__name__", None) or "answer")
    asked: Schema = {"name": name, "schema": schema, "strict": closed}
    return {"type": "json_schema", "json_schema": asked}, decoder(type_)


def _name(text: str) -> str:
    """OpenAI allows letters, digits, "_" and "-", at most 64."""
    return "".join([c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in text])[:64] or "answer"


_any_json: Parse = msgspec.json.Decoder().decode


def _checked(schema: Any) -> Parse:
    """JSON that fits the schema."""

    def parse_checked(text: str) -> Any:
        from .schema_check import check

        value = _any_json(text)
        check(value, schema)
        return value

    return parse_checked


def parse(text: str, how: Parse, finish_reason: str | None) -> Any:
    """Raises UpstreamProtocolError where the text is not what was asked for; the text itself is still there."""
    try:
        return how(text)
    except (ValueError, RecursionError) as error:
        cut = finish_reason == "length"
        why = "it was cut at max_tokens; raise that" if cut else f"{error}"
        raise UpstreamProtocolError(
            f"the answer is not what response_format describes: {why}. message.content has the text"
        ) from error
