"""POST /v1/feedback: what the client thinks of an answer."""

import re
from functools import partial
from math import isfinite
from time import time
from typing import TYPE_CHECKING

import msgspec

from tsuji.core.errors import InvalidRequestError, NotFoundError, RequestTooLargeError
from tsuji.gateway import reply
from tsuji.ledger.feedback import CLIENT, Feedback, encode
from tsuji.ledger.keys import MICRO
from tsuji.ledger.record import CONFIGURED

if TYPE_CHECKING:
    from tsuji.gateway.gateway import Gateway
    from tsuji.gateway.request import Request
    from tsuji.gateway.server import Connection

MAX_BODY = 16_384
MAX_CHOICE = 64
MAX_COMMENT = 2_000
_MAX_VALUE = 1e9
_ID = re.compile(r"[0-9a-f]{20,40}")


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """request_id: as x-tsuji-request-id said. One of value (true is 1, false 0) and choice."""

    request_id: str
    value: bool | float | None = None
    choice: str | None = None
    comment: str | None = None


_decoder = msgspec.json.Decoder(Said)


def take(gateway: "Gateway", request: "Request", connection: "Connection") -> None:
    """Answers 202 once it is in the spool. Of several on one request, the last counts; only those count that come with
    the key of the request, which the ledger sees to. Raises TsujiError.
    """
    ledger = gateway.ledger
    if ledger is None:
        raise NotFoundError("this gateway has no ledger, so there is nothing to keep feedback in; see ledger.enabled")
    refusal = ledger.refusal()
    if refusal is not None:
        raise refusal
    said = read(request.body)
    key = CONFIGURED if request.configured else request.grant.key.id if request.grant is not None else ""
    value = float(said.value) if said.value is not None else None
    if value is not None and 0 <= value <= 1:
        gateway.drift.hear(said.request_id, key, value)
    made = Feedback(said.request_id, CLIENT, key, int(time() * MICRO), value, said.choice, said.comment)
    head = reply.status_line(202) + reply.JSON
    body = msgspec.json.encode({"object": "feedback", "request_id": said.request_id})
    ledger.spool.add(encode(made), partial(gateway.give, request, connection, head, body))


def read(body: bytes) -> Said:
    """Raises InvalidRequestError."""
    if len(body) > MAX_BODY:
        raise RequestTooLargeError(f"feedback may have {MAX_BODY:,} bytes")
    try:
        said = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(
            f"the body is no feedback: {error}; send request_id, and value (a number or boolean) or choice (a text)"
        ) from None
    if _ID.fullmatch(said.request_id) is None:
        raise InvalidRequestError("'request_id' is what x-tsuji-request-id said of the answer", param="request_id")
    if (said.value is None) == (said.choice is None):
        raise InvalidRequestError("feedback has one of 'value' and 'choice'", param="value")
    if said.value is not None and not (isfinite(said.value) and abs(said.value) <= _MAX_VALUE):
        raise InvalidRequestError(f"'value' is a number up to {_MAX_VALUE:g}", param="value")
    if said.choice is not None and not (0 < len(said.choice) <= MAX_CHOICE and said.choice.isprintable()):
        raise InvalidRequestError(f"'choice' has 1 to {MAX_CHOICE} printable letters", param="choice")
    if said.comment is not None:
        if len(said.comment) > MAX_COMMENT:
            raise InvalidRequestError(f"'comment' has {MAX_COMMENT:,} letters at most", param="comment")
        said.comment = said.comment.replace("\0", "\ufffd")  # PostgreSQL has no place for it
    return said
