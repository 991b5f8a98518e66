"""A Converse answer to a ChatResponse. It says neither its model nor an id: both are ""."""

from typing import Any, Final

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice

from ..anthropic.fields import UNEXPECTED, Object, Wrong, as_object, object_or_empty, rest, text_or_none, within
from .blocks_in import ANSWER, parse_blocks
from .errors import is_error, parse_error_body
from .fields import ext_of
from .stops import parse_stop
from .usage import parse_usage

_KNOWN: Final = frozenset(("output", "stopReason", "usage"))
_decode = msgspec.json.Decoder().decode


def decode_answer(body: bytes) -> Object:
    """A JSON object from the provider. Raises UpstreamProtocolError, or the error that the object is."""
    try:
        found = _decode(body)
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's answer is not JSON: {error}") from None
    if type(found) is not dict:
        raise UpstreamProtocolError("the provider's answer is not a JSON object", body=found)
    fields = as_object(found)
    if is_error(fields):
        raise parse_error_body(fields)
    return fields


def parse_response(body: bytes, quirks: Quirks) -> ChatResponse:
    """Raises UpstreamProtocolError if the body is no answer of this dialect, and the error that it holds if it does."""
    fields = decode_answer(body)
    message = object_or_empty(fields.get("output")).get("message")
    if type(message) is not dict:
        raise UpstreamProtocolError(
            "the provider's answer is no Converse answer: it has no output.message", body=fields
        )
    content = as_object(message).get("content")
    try:
        parts = () if content is None else within("output.message.content", lambda v: parse_blocks(v, ANSWER), content)
    except Wrong as wrong:
        raise UpstreamProtocolError(f"in the provider's answer '{wrong.path}' must be {wrong.expected}") from None
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's answer is malformed: {error}") from None
    raw = fields.get("stopReason")
    extra = rest(fields, _KNOWN)
    choice = Choice(0, parts, parse_stop(raw), text_or_none(raw), stop_sequence_of(extra))
    tier = tier_of(extra)
    return ChatResponse(
        id="",
        model="",
        choices=(choice,),
        usage=parse_usage(fields.get("usage")),
        service_tier=tier,
        ext=ext_of(extra),
    )


def tier_of(fields: Object) -> str | None:
    return text_or_none(object_or_empty(fields.get("serviceTier")).get("type"))


def stop_sequence_of(fields: Object) -> str | None:
    """Told among the additional fields, where the request asked for it."""
    additional: Any = fields.get("additionalModelResponseFields")
    return text_or_none(object_or_empty(additional).get("stop_sequence"))
