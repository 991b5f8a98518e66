"""The limits in SQL, with the users and teams that they are on. Every change begins by raising the version that the
gateways watch: it also waits for any other.

All but `all_limits` raise LedgerError where the database cannot be used. by: who changes, for the audit.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select, tuple_, update

from tsuji.core.errors import NotFoundError

from . import tables
from .audit import CLI, note
from .database import explained
from .limits import EACH, Limit, check, comes_back, window

log = logging.getLogger("tsuji.ledger")
_FIELDS = Limit.__struct_fields__
_CHANGED = ("amount", "soft", "unpriced")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """team_id: of keys of this user that name no team themselves."""

    id: str
    name: str
    team_id: str | None = None
    created: int


class Team(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    created: int


class Standing(NamedTuple):
    """How a limit stands now, for one subject. spent: booked. held: leased to workers, in use or not. left: for others.

    resets: when something of what is spent comes back, in microseconds since 1970; None: never, or nothing is.
    """

    limit: Limit
    subject: str
    spent: int
    held: int
    left: int
    resets: int | None


def all_limits(engine: Engine) -> tuple[int, list[Limit]]:
    """Their version, and they, oldest first."""
    with engine.connect() as connection:
        # The version first: a change in between is read as well, and seen as a change once more.
        seen = connection.execute(select(tables.ledger.c.limits_version)).scalar_one()
        rows = connection.execute(select(tables.limits).order_by(tables.limits.c.created, tables.limits.c.id))
        return seen, [limit for row in rows.mappings() if (limit := _readable(row)) is not None]


def find(engine: Engine, id: str) -> Limit:
    """Raises NotFoundError."""
    with explained():
        _, limits = all_limits(engine)
    found = next((limit for limit in limits if limit.id == id), None)
    if found is None:
        raise NotFoundError(f"no limit {id!r}; 'tsuji budgets list' shows them")
    return found


def put(engine: Engine, limit: Limit, *, by: str = CLI) -> Limit:
    """Sets it. One of the same kind, subject, unit and period is changed instead: it keeps its id, and what was spent.

    Raises InvalidRequestError for one that means nothing.
    """
    check(limit)
    with explained(), engine.begin() as connection:
        _changing(connection)
        return _put(connection, limit, by)


def put_all(connection: Connection, limits: list[Limit], by: str = CLI) -> None:
    """The same for several, within a transaction of the caller's, which has checked them."""
    _changing(connection)
    for limit in limits:
        _put(connection, limit, by)


def change(engine: Engine, id: str, changes: dict[str, Any], *, by: str = CLI) -> Limit:
    """changes: of its amount, soft, unpriced. Raises NotFoundError, or InvalidRequestError for what means nothing."""
    with explained(), engine.begin() as connection:
        _changing(connection)
        limit = check(msgspec.structs.replace(_there(connection, id), **changes))
        return _put(connection, limit, by)


def remove(engine: Engine, id: str, *, by: str = CLI) -> None:
    """With all that was spent on it. Raises NotFoundError."""
    with explained(), engine.begin() as connection:
        _changing(connection)
        if not connection.execute(delete(tables.limits).where(tables.limits.c.id == id)).rowcount:
            raise NotFoundError(f"no limit {id!r}; 'tsuji budgets list' shows them")
        for table in (tables.leases, tables.balances):
            connection.execute(delete(table).where(table.c.limit_id == id))
        note(connection, by, "limit.remove", id)


def page(
    engine: Engine, *, after: tuple[int, str] | None = None, limit: int, **wanted: str
) -> tuple[list[Limit], tuple[int, str] | None]:
    """Oldest first, and the next page's `after`; None: there is no more. wanted: kind, subject, unit of each."""
    table = tables.limits.c
    query = select(tables.limits).where(*[table[column] == value for column, value in wanted.items()])
    if after is not None:
        query = query.where(tuple_(table.created, table.id) > after)
    with explained(), engine.connect() as connection:
        rows = connection.execute(query.order_by(table.created, table.id).limit(limit + 1)).mappings().all()
    last = rows[limit - 1] if len(rows) > limit else None
    found = [one for row in rows[:limit] if (one := _readable(row)) is not None]
    return found, None if last is None else (last["created"], last["id"])


def standings_of(engine: Engine, limits: Sequence[Limit], now: int) -> list[Standing]:
    """As `standings`, of these."""
    with explained(), engine.connect() as connection:
        return [standing for limit in limits for standing in _standings(connection, limit, now)]


def standings(engine: Engine, now: int) -> list[Standing]:
    """Of every limit; of one on `*`, of each that has spent or leased something. now: microseconds."""
    with explained():
        _, limits = all_limits(engine)
    return standings_of(engine, limits, now)


def mention(connection: Connection, user: str | None, team: str | None, now: int) -> None:
    """Makes the rows of a user and a team who are named for the first time."""
    if team is not None and not _is_there(connection, tables.teams, team):
        connection.execute(insert(tables.teams), {"id": team, "name": team, "created": now})
    if user is not None and not _is_there(connection, tables.users, user):
        connection.execute(insert(tables.users), {"id": user, "name": user, "team_id": team, "created": now})


def users(engine: Engine, *, after: str = "", limit: int | None = None) -> list[User]:
    """By rising id, beyond `after`."""
    return [User(**row) for row in _by_id(engine, tables.users, after, limit)]


def teams(engine: Engine, *, after: str = "", limit: int | None = None) -> list[Team]:
    """By rising id, beyond `after`."""
    return [Team(**row) for row in _by_id(engine, tables.teams, after, limit)]


def _by_id(engine: Engine, table: "tables.Table", after: str, limit: int | None) -> Sequence[RowMapping]:
    query = select(table).where(table.c.id > after).order_by(table.c.id).limit(limit)
    with explained(), engine.connect() as connection:
        return connection.execute(query).mappings().all()


def set_team(engine: Engine, user: str, team: str | None, now: int, *, by: str = CLI) -> User:
    """Of a user: the gateways read the keys anew."""
    with explained(), engine.begin() as connection:
        connection.execute(update(tables.ledger).values(keys_version=tables.ledger.c.keys_version + 1))
        mention(connection, user, team, now)
        connection.execute(update(tables.users).where(tables.users.c.id == user).values(team_id=team))
        note(connection, by, "user.team", user, team_id=team)
        return User(**connection.execute(select(tables.users).where(tables.users.c.id == user)).mappings().one())


def _there(connection: Connection, id: str) -> Limit:
    row = connection.execute(select(tables.limits).where(tables.limits.c.id == id)).mappings().first()
    limit = _readable(row) if row is not None else None
    if limit is None:
        raise NotFoundError(f"no limit {id!r}; a list of limits shows them")
    return limit


def _put(connection: Connection, limit: Limit, by: str) -> Limit:
    table = tables.limits.c
    same = [getattr(table, name) == getattr(limit, name) for name in ("kind", "subject", "unit", "period")]
    known = connection.execute(select(table.id, table.created).where(*same)).first()
    said = {name: value for name, value in msgspec.structs.asdict(limit).items() if name not in ("id", "created")}
    note(connection, by, "limit.set", limit.id if known is None else known.id, **said)
    if known is None:
        connection.execute(insert(tables.limits), msgspec.structs.asdict(limit))
        return limit
    changed = {name: getattr(limit, name) for name in _CHANGED}
    connection.execute(update(tables.limits).where(table.id == known.id).values(**changed))
    return msgspec.structs.replace(limit, id=known.id, created=known.created)


def _standings(connection: Connection, limit: Limit, now: int) -> list[Standing]:
    table = tables.balances.c
    query = (
        select(table.subject, func.sum(table.spent), func.sum(table.held), func.min(table.window))
        .where(table.limit_id == limit.id, table.window >= window(limit.period, now).since)
        .where((table.spent > 0) | (table.held > 0))
        .group_by(table.subject)
        .order_by(table.subject)
    )
    rows = connection.execute(query).all() or ([] if limit.subject == EACH else [(limit.subject, 0, 0, None)])
    return [
        Standing(
            limit,
            subject,
            int(spent),
            int(held),
            max(limit.amount - int(spent) - int(held), 0),
            None if first is None else comes_back(limit.period, first),
        )
        for subject, spent, held, first in rows
    ]


def _is_there(connection: Connection, table: "tables.Table", id: str) -> bool:
    return connection.execute(select(table.c.id).where(table.c.id == id)).first() is not None


def _changing(connection: Connection) -> None:
    connection.execute(update(tables.ledger).values(limits_version=tables.ledger.c.limits_version + 1))


def _readable(row: RowMapping) -> Limit | None:
    """One that cannot be read would otherwise be no limit at all, so the log says so at every change."""
    try:
        return check(msgspec.convert({name: row[name] for name in _FIELDS}, Limit))
    except Exception as error:  # written by hand, or by a later version
        log.error("the limit %s cannot be read, and limits nothing: %s", row["id"], error)
        return None
