"""Virtual keys: made, listed, changed, revoked, rotated."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tsuji.core.errors import InvalidRequestError
from tsuji.ledger import keystore
from tsuji.ledger.grant import Operation, check_scopes
from tsuji.ledger.keys import MICRO, Key, Scopes, moment, new_id, new_key

from .call import Call
from .limits import Terms, of_terms
from .shapes import Body, KeyId, Page, Paged, Text, Time, cursor, maybe, micro, position

Tags = Annotated[list[Text], Meta(max_length=100, description="On every record of the key's requests.")]
Metadata = Annotated[
    dict[Text, Annotated[str, Meta(max_length=2000, pattern=r"^[^\u0000]*$(?!\n)")]],
    Meta(max_length=100, description="The owner's own; not looked at."),
]
Expires = Annotated[Time | None, Meta(description="When it ends, in the future; null: never.")]


class ScopesBody(Body, frozen=True, kw_only=True):
    """What a key is for; an empty list allows everything."""

    models: Annotated[
        list[Text], Meta(max_length=200, description="Routes and provider:model; `*` stands for any letters.")
    ] = []
    operations: Annotated[list[Operation], Meta(max_length=20, description="What may be asked for.")] = []
    networks: Annotated[list[Text], Meta(max_length=200, description="Addresses and CIDR ranges.")] = []
    require: Annotated[
        list[Text], Meta(max_length=20, description="What a target must be for it: tags, `no_training`, `local_only`.")
    ] = []
    explain: Annotated[bool, Meta(description="It may be told how targets are chosen, by `x-tsuji-explain`.")] = False

    def scopes(self) -> Scopes:
        """Raises InvalidRequestError."""
        found = Scopes(
            tuple(self.models), tuple(self.operations), tuple(self.networks), tuple(self.require), self.explain
        )
        check_scopes(found)
        return found


class NewKey(Body, frozen=True, kw_only=True):
    """limits: of its own, from its first request on."""

    name: Text
    user_id: Text | None = None
    team_id: Text | None = None
    expires: Expires = None
    scopes: ScopesBody = ScopesBody()
    tags: Tags = []
    metadata: Metadata = {}
    limits: Annotated[list[Terms], Meta(max_length=20)] = []


class KeyChange(Body, frozen=True, kw_only=True):
    """What is left out stays as it is; what is given replaces the whole of what was there."""

    name: Text | UnsetType = UNSET
    expires: Expires | UnsetType = UNSET
    scopes: ScopesBody | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET


class Rotation(Body, frozen=True, kw_only=True):
    """overlap: seconds that the old key stays good."""

    overlap: Annotated[int, Meta(ge=0, le=31_536_000, description="Seconds that the old key stays good.")] = 3600


class KeyQuery(Paged, frozen=True, kw_only=True):
    name: Text | None = None
    user_id: Text | None = None
    team_id: Text | None = None


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """state: "live"; "rotated", as long as it overlaps with its successor, replaced_by; "expired"; or "revoked"."""

    id: str
    name: str
    user_id: str | None
    team_id: str | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    replaced_by: str | None
    scopes: Scopes
    tags: tuple[str, ...]
    metadata: dict[str, str]
    state: str


class MadeKey(KeyFacts, frozen=True, kw_only=True):
    """key: what clients show. It is told this once: the ledger has no more than a keyed hash of it."""

    key: str


def list_keys(call: Call, query: KeyQuery) -> Page[KeyFacts]:
    """List the keys, oldest first."""
    wanted = {name: value for name in ("name", "user_id", "team_id") if (value := getattr(query, name)) is not None}
    after = position(query.after)
    keys, end = keystore.page(call.engine, after=after, limit=query.limit, **wanted)
    return Page([KeyFacts(**_facts(key, call.now)) for key in keys], cursor(end))


def create_key(call: Call, body: NewKey) -> MadeKey:
    """Make a key. The answer shows it this once; a request that is sent twice makes two."""
    shown = new_key()
    key = Key(
        id=new_id(),
        digest=call.hasher.digest(shown.encode()),
        name=body.name,
        user_id=body.user_id,
        team_id=body.team_id,
        created=call.now,
        expires=_ends(body.expires, call.now),
        scopes=body.scopes.scopes(),
        tags=tuple(body.tags),
        metadata=body.metadata,
    )
    limits = [of_terms(terms, "key", key.id, call.now) for terms in body.limits]
    keystore.create(call.engine, key, limits, by=call.who)
    return MadeKey(key=shown, **_facts(key, call.now))


def get_key(call: Call, id: KeyId) -> KeyFacts:
    """Show a key, without the key itself."""
    return KeyFacts(**_facts(keystore.get(call.engine, id), call.now))


def change_key(call: Call, id: KeyId, body: KeyChange) -> KeyFacts:
    """Change a key. Every gateway knows within a second."""
    changes: dict[str, Any] = {}
    if body.name is not UNSET:
        changes["name"] = body.name
    if body.expires is not UNSET:
        changes["expires"] = _ends(body.expires, call.now)
    if body.scopes is not UNSET:
        changes["scopes"] = body.scopes.scopes()
    if body.tags is not UNSET:
        changes["tags"] = tuple(body.tags)
    if body.metadata is not UNSET:
        changes["metadata"] = body.metadata
    return KeyFacts(**_facts(keystore.change(call.engine, id, changes, by=call.who), call.now))


def revoke_key(call: Call, id: KeyId) -> KeyFacts:
    """End a key. Every gateway refuses it within a second; one that is revoked already stays as it is."""
    return KeyFacts(**_facts(keystore.revoke(call.engine, id, call.now, by=call.who), call.now))


def rotate_key(call: Call, id: KeyId, body: Rotation) -> MadeKey:
    """Make a new key for all that an old one is for. Of two who do so at once, the second is refused (409)."""
    shown = new_key()
    until = call.now + body.overlap * MICRO
    key = keystore.rotate(call.engine, id, call.hasher.digest(shown.encode()), call.now, until, by=call.who)
    return MadeKey(key=shown, **_facts(key, call.now))


def _ends(given: datetime | None, now: int) -> int | None:
    """Raises InvalidRequestError."""
    if given is None:
        return None
    ends = micro(given)
    if ends <= now:
        raise InvalidRequestError("expires is in the past; revoke a key to end it now", param="expires")
    if moment(ends) != given:
        raise InvalidRequestError("expires is after the year 9999, UTC; leave it out for never", param="expires")
    return ends


def _facts(key: Key, now: int) -> dict[str, Any]:
    facts = msgspec.structs.asdict(key)
    del facts["digest"]
    times = {"created": moment(key.created), "expires": maybe(key.expires), "revoked": maybe(key.revoked)}
    return facts | times | {"state": key.standing(now)}
