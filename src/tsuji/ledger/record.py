"""What is kept of a request. Never its prompt, its answer or a key."""

from typing import Any

import msgspec

CONFIGURED = "server.keys"


class Attempt(msgspec.Struct, array_like=True):
    """One try at a target. started, ended: microseconds since 1970. error: its kind, None for none.

    cost: nano-dollars that it was billed, None: unknown.
    """

    target: str
    started: int
    ended: int
    error: str | None = None
    cost: int | None = None


class Charge(msgspec.Struct, array_like=True):
    """What a request takes of a limit: `amount`, in the limit's unit, of `lease`, in the window that began at `window`
    (microseconds since 1970; 0 where the limit has no windows). lease: "" where it was let through without one.
    subject: whose it is, by the limit's kind.
    """

    limit: str
    window: int
    lease: str
    amount: int
    subject: str = ""


class Assigned(msgspec.Struct, array_like=True):
    """Its part in an experiment. unit: hash of the user's or session's name; "" where each request is its own.

    share: the probability with which it fell to the arm. shadow_of: the request that it mirrors; nobody got its answer.
    """

    experiment: str
    arm: str
    unit: str
    share: float
    shadow_of: str | None = None


class Record(msgspec.Struct, array_like=True):
    """One request. It is written as an array: fields may only be added, at the end, with a default.

    id: the request's, as x-tsuji-request-id says it. time: when it came, in microseconds since 1970.
    key_id, user_id, team_id: None where no virtual key was shown; key_id is CONFIGURED for one of the configuration's.
    route: the name that was asked for. target: that answered, or was tried last. dialect: the client's.
    status: "done"; "failed": an error was answered; "cut": the answer ended before its end; "cancelled": the client
    left, or the gateway stopped, before it. http_status: None where nothing was sent. error: its kind.
    latency, first_token: microseconds since `time`. Tokens are as in core.Usage; None: not told.
    cost: nano-dollars, None: unknown. price_source, price_version: of the price that it was worked out with.
    cache: "hit", "semantic", "shared" (with a request under way) or "stored"; None: the cache had no part in it.
    guarded: what guardrails did, as "name:action". charges: on limits, booked when the record reaches the database.
    explain: see routing.explain, as JSON values; None where the target was the route's first and the only try.
    assigned: None where it is in no experiment.
    """

    id: str
    time: int
    key_id: str | None
    user_id: str | None
    team_id: str | None
    route: str
    target: str | None
    dialect: str
    provider_dialect: str | None
    operation: str
    stream: bool
    status: str
    http_status: int | None
    error: str | None
    latency: int
    first_token: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    reasoning_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    cost: int | None
    price_source: str | None
    price_version: str | None
    service_tier: str | None
    tags: tuple[str, ...]
    trace: str | None
    attempts: list[Attempt]
    cache: str | None = None
    guarded: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    explain: dict[str, Any] | None = None
    assigned: Assigned | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
_MOST = 2**63 - 1
_COUNTS = [name for name in Record.__struct_fields__ if name.endswith("_tokens")]


def encode(record: Record) -> bytes:
    """Counts that no database can hold are None: a provider that counts so has not told."""
    try:
        return _encoder.encode(record)
    except OverflowError:
        for name in (*_COUNTS, "cost"):
            count = getattr(record, name)
            if count is not None and abs(count) > _MOST:
                setattr(record, name, None)
        return _encoder.encode(record)


def decode(data: bytes) -> Record:
    """Raises msgspec.MsgspecError."""
    try:
        return _decoder.decode(data)
    except UnicodeDecodeError as error:  # of a text; msgspec says so of JSON only
        raise msgspec.DecodeError(f"a text is not UTF-8: {error}") from None
