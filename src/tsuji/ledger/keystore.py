"""The keys in SQL. Every change begins by raising the version that the gateways watch: it also waits for any other.

All but `versions` and `all_keys` raise LedgerError where the database cannot be used. by: who changes, for the audit.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, tuple_, update

from tsuji.core.errors import ConfigError, ConflictError, NotFoundError

from . import tables
from .audit import CLI, note
from .database import explained
from .keys import Key, firsts, new_id
from .limits import Limit, check
from .limitstore import mention, put_all

log = logging.getLogger("tsuji.ledger")


class Versions(NamedTuple):
    """Each rises with every change of what it is called after."""

    keys: int
    limits: int
    shortages: int


def versions(engine: Engine) -> Versions:
    table = tables.ledger.c
    with engine.connect() as connection:
        row = connection.execute(select(table.keys_version, table.limits_version, table.shortages)).one()
        return Versions(*row)


def version(engine: Engine) -> int:
    """Of the keys."""
    return versions(engine).keys


def all_keys(engine: Engine) -> tuple[int, list[Key]]:
    """Their version, and they, oldest first. A key without a team has its user's."""
    with engine.connect() as connection:
        # The version first: a change in between is read as well, and seen as a change once more.
        seen = connection.execute(select(tables.ledger.c.keys_version)).scalar_one()
        keys, users = tables.keys, tables.users
        team = func.coalesce(keys.c.team_id, users.c.team_id).label("team_id")
        query = select(*[column for column in keys.c if column.name != "team_id"], team)
        query = query.select_from(keys.outerjoin(users, users.c.id == keys.c.user_id))
        rows = connection.execute(query.order_by(keys.c.created, keys.c.id))
        return seen, [key for row in rows.mappings() if (key := _readable(row)) is not None]


def find(engine: Engine, name: str) -> Key:
    """By id, or by a name that only one key has that can still be used. Raises NotFoundError."""
    with explained():
        _, keys = all_keys(engine)
    found = [key for key in keys if key.id == name]
    found = found or [key for key in keys if key.name == name and key.revoked is None and key.replaced_by is None]
    if not found:
        raise NotFoundError(f"no key {name!r}; 'tsuji keys list' shows them")
    if len(found) > 1:
        raise NotFoundError(f"{len(found)} keys are called {name!r}: say which by its id, from 'tsuji keys list'")
    return found[0]


def first(engine: Engine, key: Key) -> str:
    """The id that limits on this key go by: of the first that it was rotated from. Raises LedgerError."""
    with explained():
        return firsts(all_keys(engine)[1])[key.id]


def get(engine: Engine, id: str) -> Key:
    """Raises NotFoundError."""
    with explained(), engine.connect() as connection:
        return _there(connection, id)


def page(
    engine: Engine, *, after: tuple[int, str] | None = None, limit: int, **wanted: str
) -> tuple[list[Key], tuple[int, str] | None]:
    """Oldest first, and the next page's `after`; None: there is no more. wanted: name, user_id, team_id of each."""
    keys = tables.keys.c
    query = select(tables.keys).where(*[keys[column] == value for column, value in wanted.items()])
    if after is not None:
        query = query.where(tuple_(keys.created, keys.id) > after)
    with explained(), engine.connect() as connection:
        rows = connection.execute(query.order_by(keys.created, keys.id).limit(limit + 1)).mappings().all()
    last = rows[limit - 1] if len(rows) > limit else None
    found = [key for row in rows[:limit] if (key := _readable(row)) is not None]
    return found, None if last is None else (last["created"], last["id"])


def create(engine: Engine, key: Key, limits: Sequence[Limit] = (), *, by: str = CLI) -> None:
    """With limits of its own. Raises InvalidRequestError for one of them that means nothing."""
    limits = [check(limit) for limit in limits]
    with explained(), engine.begin() as connection:
        _changing(connection)
        mention(connection, key.user_id, key.team_id, key.created)
        connection.execute(insert(tables.keys), _row(key))
        note(connection, by, "key.create", key.id, **_said(key))
        if limits:
            put_all(connection, limits, by)


def change(engine: Engine, id: str, changes: dict[str, Any], *, by: str = CLI) -> Key:
    """changes: fields of Key. What the gateways know of it changes within a second.

    Raises NotFoundError, or ConflictError for a key that is revoked.
    """
    with explained(), engine.begin() as connection:
        _changing(connection)
        old = _there(connection, id)
        if old.revoked is not None:
            raise ConflictError(f"the key {id} is revoked: that cannot be undone, nor it be changed; make another one")
        new = msgspec.structs.replace(old, **changes)
        if new != old:
            row, said = _row(new), _said(new)
            connection.execute(
                update(tables.keys).where(tables.keys.c.id == id).values({name: row[name] for name in changes})
            )
            note(connection, by, "key.change", id, **{name: said[name] for name in changes})
        return new


def revoke(engine: Engine, id: str, now: int, *, by: str = CLI) -> Key:
    """A key that is revoked already keeps its time. Raises NotFoundError."""
    with explained(), engine.begin() as connection:
        _changing(connection)
        old = _there(connection, id)
        if old.revoked is not None:
            return old
        connection.execute(update(tables.keys).where(tables.keys.c.id == id).values(revoked=now))
        note(connection, by, "key.revoke", id)
        return msgspec.structs.replace(old, revoked=now)


def rotate(engine: Engine, id: str, digest: bytes, now: int, until: int, *, by: str = CLI) -> Key:
    """A new key with all that the old one was for; the old one is good `until` then.

    Raises NotFoundError, or ConflictError where it is no longer live or has been rotated before.
    """
    with explained(), engine.begin() as connection:
        _changing(connection)
        old = _there(connection, id)
        if old.replaced_by is not None:
            raise ConflictError(f"the key {id} has been rotated before, to {old.replaced_by}: rotate that one")
        if (state := old.state(now)) != "live":
            raise ConflictError(f"the key {id} is {state}: make another one instead")
        new = msgspec.structs.replace(old, id=new_id(), digest=digest, created=now)
        ends = until if old.expires is None else min(until, old.expires)
        connection.execute(insert(tables.keys), _row(new))
        connection.execute(update(tables.keys).where(tables.keys.c.id == id).values(replaced_by=new.id, expires=ends))
        note(connection, by, "key.rotate", id, replaced_by=new.id, expires=ends)
        return new


def check_secret(engine: Engine, check: bytes) -> None:
    """Keys that another secret made would all be refused: better to say so. Raises ConfigError."""
    with engine.begin() as connection:
        _locked(connection)
        known = connection.execute(select(tables.ledger.c.secret_check)).scalar_one()
        if known == check:
            return
        if known is not None and connection.execute(select(tables.keys.c.id).limit(1)).first() is not None:
            raise ConfigError(
                "the keys of this ledger were made with another server.secret than this one; set server.secret to that "
                "one (where none was set, it is in the file server.secret in the ledger's folder)",
                param="server.secret",
            )
        connection.execute(update(tables.ledger).values(secret_check=check))


def _changing(connection: Connection) -> None:
    connection.execute(update(tables.ledger).values(keys_version=tables.ledger.c.keys_version + 1))


def _locked(connection: Connection) -> None:
    connection.execute(update(tables.ledger).values(keys_version=tables.ledger.c.keys_version))


def _there(connection: Connection, id: str) -> Key:
    row = connection.execute(select(tables.keys).where(tables.keys.c.id == id)).mappings().first()
    if row is None:
        raise NotFoundError(f"no key has the id {id!r}; a list of keys shows them")
    key = _readable(row)
    if key is None:
        raise ConflictError(f"the key {id} was written by hand or by a later version of Tsuji, and cannot be read")
    return key


def _said(key: Key) -> dict[str, Any]:
    """All of it but the digest."""
    said: dict[str, Any] = msgspec.to_builtins(key)
    del said["digest"], said["id"]
    return said


def _row(key: Key) -> dict[str, Any]:
    return msgspec.structs.asdict(key) | {"scopes": msgspec.to_builtins(key.scopes), "tags": list(key.tags)}


def _readable(row: RowMapping) -> Key | None:
    try:
        return _key(row)
    except msgspec.ValidationError as error:  # written by hand, or by a later version
        log.error("the key %s cannot be read, and lets nobody in: %s", row["id"], error)
        return None


def _key(row: RowMapping) -> Key:
    return msgspec.convert({name: row[name] for name in Key.__struct_fields__}, Key)
