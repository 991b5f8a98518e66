"""A Message to a ChatResponse. Lenient about what compatible servers leave out, strict that it is a Message."""

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice

from .blocks_in import parse_blocks
from .errors import is_error, parse_error_body
from .fields import UNEXPECTED, Object, Wrong, as_list, as_object, ext_of, rest, text_or_none, within
from .stops import parse_stop
from .usage import parse_usage, tier_of

MESSAGE = frozenset(("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"))

_decoder = msgspec.json.Decoder()


def decode_answer(body: bytes) -> Object:
    """A JSON object from the provider. Raises UpstreamProtocolError, or the error that the object is."""
    try:
        found = _decoder.decode(body)
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's answer is not JSON: {error}") from None
    if type(found) is not dict:
        raise UpstreamProtocolError("the provider's answer is not a JSON object", body=found)
    fields = as_object(found)
    if is_error(fields):
        raise parse_error_body(fields)
    return fields


def parse_response(body: bytes, quirks: Quirks) -> ChatResponse:
    fields = decode_answer(body)
    content = fields.get("content")
    if fields.get("type", "message") != "message" or not ("stop_reason" in fields or "role" in fields):
        raise UpstreamProtocolError("the provider's answer is not an Anthropic message", body=fields)
    try:
        parts = () if content is None else within("content", lambda v: parse_blocks(as_list(v)), content)
    except Wrong as wrong:
        raise UpstreamProtocolError(f"in the provider's message '{wrong.path}' must be {wrong.expected}") from None
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's message is malformed: {error}") from None
    raw = fields.get("stop_reason")
    usage = fields.get("usage")
    choice = Choice(0, parts, parse_stop(raw), text_or_none(raw), text_or_none(fields.get("stop_sequence")))
    return ChatResponse(
        id=text_or_none(fields.get("id")) or "",
        model=text_or_none(fields.get("model")) or "",
        choices=(choice,),
        usage=parse_usage(usage),
        service_tier=tier_of(usage),
        ext=ext_of(rest(fields, MESSAGE)),
    )
