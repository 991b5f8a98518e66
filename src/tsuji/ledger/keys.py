"""Virtual keys: what one is, what it looks like, and how it is recognised."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from string import ascii_letters, digits

import msgspec

from tsuji.core.parts import Noun

PREFIX = b"tsuji-"
_BASE62 = digits + ascii_letters
_BLOCK = 64
_LETTERS = 43
"""62**43 > 2**256."""
MICRO = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


class Scopes(Noun, frozen=True):
    """What a key is for; an empty tuple allows everything.

    models: names of routes and provider:model, where `*` stands for any letters. operations: "chat", "embeddings",
    "models" (to list them) and the like. networks: addresses and CIDR ranges that it may be used from. require: tags
    and data policies that a target must have to be asked for it. explain: its holder may be told how a target was
    chosen, with the names of the others and what is known of them.
    """

    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    explain: bool = False


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger. Times are microseconds since 1970; None is never.

    id: public. digest: see Hasher. replaced_by: the id of the key that it was rotated to. tags: on every record of
    its requests. metadata: the owner's own, not looked at.
    """

    id: str
    digest: bytes
    name: str
    user_id: str | None = None
    team_id: str | None = None
    created: int
    expires: int | None = None
    revoked: int | None = None
    replaced_by: str | None = None
    scopes: Scopes = Scopes()
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}

    def state(self, now: int) -> str:
        """ "live", "expired" or "revoked"."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "live"

    def standing(self, now: int) -> str:
        """As `state`; but "rotated" while it overlaps with the key that replaced it."""
        state = self.state(now)
        return "rotated" if state == "live" and self.replaced_by is not None else state

    def __repr__(self) -> str:
        return f"Key({self.id!r}, {self.name!r})"


def firsts(keys: Sequence[Key]) -> dict[str, str]:
    """The id of each key, and of the first that it was rotated from: what a limit on a key is on."""
    before = {key.replaced_by: key.id for key in keys if key.replaced_by is not None}
    found: dict[str, str] = {}
    for key in keys:
        first, seen = key.id, {key.id}
        while first in before and before[first] not in seen:
            first = before[first]
            seen.add(first)
        found[key.id] = first
    return found


def moment(micro: int) -> datetime:
    """The time of so many microseconds since 1970, UTC; the nearest that can be said, for what is beyond year 9999."""
    return _EPOCH + timedelta(microseconds=max(0, min(micro, _LAST)))


def new_key() -> str:
    """What a client shows: 256 random bits."""
    return PREFIX.decode() + _base62(int.from_bytes(secrets.token_bytes(32)), _LETTERS)


def new_id() -> str:
    return "k_" + "".join(secrets.choice(_BASE62) for _ in range(10))


class Hasher:
    """HMAC-SHA256 under one secret. Whoever does not know it cannot choose a digest, nor a key by its digest.

    RFC 2104's two keyed blocks are hashed once, here: that is most of the time that a digest takes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        block = (sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes([byte ^ 0x36 for byte in block]))
        self._outer = sha256(bytes([byte ^ 0x5C for byte in block]))

    def digest(self, key: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(key)
        outer.update(inner.digest())
        return outer.digest()

    def check(self) -> bytes:
        """Says whether a ledger's keys were made with this secret, and nothing else of it."""
        return self.digest(b"the secret of a tsuji ledger")[:16]

    def __repr__(self) -> str:
        return "Hasher()"


def _base62(number: int, length: int) -> str:
    out: list[str] = []
    for _ in range(length):
        number, at = divmod(number, 62)
        out.append(_BASE62[at])
    return "".join(reversed(out))
