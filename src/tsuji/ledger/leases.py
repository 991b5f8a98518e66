"""Leasing in SQL: a worker takes of a limit in lumps, and spends from memory.

A *balance* is what one limit's window has seen, for one subject: `spent`, which has been booked, and `held`, the sum of
its leases. A *lease* is what one worker's run may still book on it. Two laws:

1. Under the limit's row lock, spent + held of the windows that count never rises above the limit's amount by a grant.
2. Booking moves an amount from held to spent, once per request, in the transaction that stores its usage. Only what a
   request used beyond its lease is added to spent alone.

A lease's `granted` and `returned` only ever rise, here and in the worker, and each tells the other its own: a message
that is lost, or read twice, changes nothing. Runs that give no sign of life are over after EXPIRY, and what they held
and did not book comes back.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from . import tables
from .asks import Ask, Granted
from .keys import MICRO
from .limits import PARTS, comes_back, is_rolling, part
from .record import Charge

EXPIRY = 30 * MICRO
"""That a run lives after its last sign of life."""
_SHARE = 16
"""Of what is left, this part at most goes to a worker beyond its need: the less there is, the less is hoarded."""
_CAP = 2**62
_BALANCE = tables.balances.c
_LEASE = tables.leases.c
_ON = ("limit_id", "subject", "window")


class _Window(NamedTuple):
    """Of a limit and a subject. since: the first window that counts with it."""

    limit: str
    subject: str
    start: int
    since: int


def beat(engine: Engine, run: str, now: int) -> bool:
    """A sign of life. False: the run had ended, and all its leases with it; it begins anew."""
    with engine.begin() as connection:
        later = update(tables.runs).where(tables.runs.c.id == run).values(expires=now + EXPIRY)
        if connection.execute(later).rowcount:
            return True
        connection.execute(insert(tables.runs), {"id": run, "expires": now + EXPIRY})
        return False


def ask(engine: Engine, run: str, asks: Sequence[Ask]) -> list[Granted]:
    """Gives back, then grants, in the order asked. Whoever comes short is noted, so that others give back: `shortage`
    tells them. A run that does not live is granted nothing.
    """
    with engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        limits = _lock(connection, {wish.limit for wish in asks})
        live = select(tables.runs.c.id).where(tables.runs.c.id == run).with_for_update()
        if connection.execute(live).first() is None:
            return [_lost(wish) for wish in asks]
        return [
            _ask(connection, run, wish, limits[wish.limit]) if wish.limit in limits else _lost(wish) for wish in asks
        ]


def shortage(engine: Engine) -> None:
    """All other workers are to look at `wanted`."""
    with engine.begin() as connection:
        connection.execute(update(tables.ledger).values(shortages=tables.ledger.c.shortages + 1))


def wanted(engine: Engine, run: str) -> list[str]:
    """The run's leases that others come short of."""
    on = [_LEASE[name] == _BALANCE[name] for name in _ON]
    query = select(_LEASE.id).where(*on, _LEASE.run == run, _LEASE.held > 0, ~_LEASE.closed, _BALANCE.wanted)
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def book(connection: Connection, charges: Iterable[Charge]) -> None:
    """Within the transaction that stores their records. Charges on limits that are no more are dropped."""
    sums: dict[tuple[str, str, int], dict[str, int]] = {}
    for charge in charges:
        on = sums.setdefault((charge.limit, charge.subject, charge.window), {})
        on[charge.lease] = on.get(charge.lease, 0) + charge.amount
    if not sums:
        return
    limits = _lock(connection, {limit for limit, _, _ in sums})
    for key, amounts in sums.items():
        if key[0] in limits:
            freed = sum([_take(connection, lease, amount) for lease, amount in sorted(amounts.items())])
            _move(connection, key, sum(amounts.values()), -freed)


def reap(engine: Engine, now: int) -> int:
    """Ends the runs that gave no sign of life; how many leases they had."""
    with engine.connect() as connection:
        if connection.execute(select(tables.runs.c.id).where(tables.runs.c.expires < now).limit(1)).first() is None:
            return 0
    over = select(tables.runs.c.id).where(tables.runs.c.expires < now)
    with engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        _lock(connection, set(connection.execute(select(_LEASE.limit_id).where(_LEASE.run.in_(over))).scalars()))
        runs = list(connection.execute(over.with_for_update()).scalars())  # one may have woken up meanwhile
        _lock(connection, set(connection.execute(select(_LEASE.limit_id).where(_LEASE.run.in_(runs))).scalars()))
        leases = connection.execute(select(tables.leases).where(_LEASE.run.in_(runs))).all()
        for lease in leases:
            _move(connection, (lease.limit_id, lease.subject, lease.window), 0, -lease.held)
        connection.execute(delete(tables.leases).where(_LEASE.run.in_(runs)))
        connection.execute(delete(tables.runs).where(tables.runs.c.id.in_(runs)))
    return len(leases)


def end(engine: Engine, run: str) -> None:
    """The run is over, and all its records are booked: what it still holds comes back."""
    with engine.begin() as connection:
        connection.execute(update(tables.runs).where(tables.runs.c.id == run).values(expires=-1))
    reap(engine, 0)


def grant(need: int, least: int, lump: int, left: int) -> int:
    """How much of `left` is granted: nothing that would be of no use, and beyond the need only a share."""
    if left <= 0 or left < least:
        return 0
    return left if left < need else need + min(lump, (left - need) // _SHARE)


def _lost(wish: Ask) -> Granted:
    return Granted(wish.lease, wish.granted, lost=True)


def _ask(connection: Connection, run: str, wish: Ask, limit: Row[Any]) -> Granted:
    """The limit's row is locked."""
    lease = connection.execute(select(tables.leases).where(_LEASE.id == wish.lease)).first()
    if lease is None:
        if not wish.fresh:
            return _lost(wish)
        row = {"id": wish.lease, "run": run, "limit_id": wish.limit, "subject": wish.subject, "window": wish.window}
        connection.execute(insert(tables.leases), {**row, "granted": 0, "returned": 0, "held": 0, "closed": False})
    granted, returned, held = (0, 0, 0) if lease is None else (lease.granted, lease.returned, lease.held)
    back = max(wish.returned - returned, 0)
    if wish.closed:
        back += granted - wish.granted  # what it has not heard of it will not take
        granted = wish.granted
    back = min(back, held)
    need = max(wish.need - (granted - wish.granted), 0)
    at = _Window(wish.limit, wish.subject, wish.window, _since(limit.period, wish.window))
    left = limit.amount - _used(connection, at) + back
    least = min(wish.least, need)
    more = 0 if wish.closed else grant(need, least, wish.lump, left)
    if wish.closed and held == back:
        connection.execute(delete(tables.leases).where(_LEASE.id == wish.lease))
    elif more or back or wish.closed:
        values = {"granted": granted + more, "returned": max(returned, wish.returned), "held": held + more - back}
        connection.execute(
            update(tables.leases).where(_LEASE.id == wish.lease).values(**values, closed=wish.closed or _LEASE.closed)
        )
    if more or back:
        _move(connection, (wish.limit, wish.subject, wish.window), 0, more - back)
    answer = Granted(wish.lease, granted + more, max(left - more, 0))
    if need > more and not wish.closed:
        _come_short(connection, run, at, limit, max(least, 1), answer)
    elif need:
        _want(connection, at, wants=False)
    return answer


def _come_short(connection: Connection, run: str, at: _Window, limit: Row[Any], least: int, answer: Granted) -> None:
    answer.short = True
    held = select(func.coalesce(func.sum(_LEASE.held), 0)).where(*_within(tables.leases, at), _LEASE.run != run)
    answer.others = int(connection.execute(held).scalar_one())
    if answer.others:
        _want(connection, at, wants=True)
    if limit.amount >= least:
        answer.resets = _resets(connection, at, limit, least)


def _resets(connection: Connection, at: _Window, limit: Row[Any], least: int) -> int | None:
    """When so much has come back that the least is there, if nothing else is spent."""
    query = select(_BALANCE.window, _BALANCE.spent + _BALANCE.held).where(*_within(tables.balances, at))
    rows = connection.execute(query.order_by(_BALANCE.window)).all()
    left = limit.amount - sum([int(used) for _, used in rows])
    for start, used in rows:
        left += int(used)
        if left >= least:
            return comes_back(limit.period, start)
    return None


def _want(connection: Connection, at: _Window, *, wants: bool) -> None:
    where = (*_within(tables.balances, at), _BALANCE.wanted != wants)
    connection.execute(update(tables.balances).where(*where).values(wanted=wants))


def _since(period: str, start: int) -> int:
    return start - PARTS * part(period) if is_rolling(period) else start


def _within(table: "tables.Table", at: _Window) -> tuple[Any, ...]:
    """Windows of other clocks, a little later than ours, count as well."""
    column = table.c
    when = column.window == at.start if at.since == at.start else column.window >= at.since
    return column.limit_id == at.limit, column.subject == at.subject, when


def _used(connection: Connection, at: _Window) -> int:
    used = select(func.coalesce(func.sum(_BALANCE.spent + _BALANCE.held), 0))
    return int(connection.execute(used.where(*_within(tables.balances, at))).scalar_one())


def _take(connection: Connection, lease: str, amount: int) -> int:
    """Books an amount on a lease; how much of it the lease still held."""
    row = connection.execute(select(_LEASE.held, _LEASE.closed).where(_LEASE.id == lease)).first()
    if row is None:
        return 0
    taken = min(row.held, amount)
    if row.closed and taken == row.held:
        connection.execute(delete(tables.leases).where(_LEASE.id == lease))
    elif taken:
        connection.execute(update(tables.leases).where(_LEASE.id == lease).values(held=row.held - taken))
    return taken


def _move(connection: Connection, key: tuple[str, str, int], spent: int, held: int) -> None:
    """Adds to a balance, which is made where there is none; windows that count no more go then."""
    on = [_BALANCE[name] == value for name, value in zip(_ON, key, strict=True)]
    row = connection.execute(select(_BALANCE.spent, _BALANCE.held).where(*on)).first()
    if row is None:
        _prune(connection, key)
        values = {**dict(zip(_ON, key, strict=True)), "spent": min(spent, _CAP), "held": max(held, 0), "wanted": False}
        connection.execute(insert(tables.balances), values)
    else:
        values = {"spent": min(row.spent + spent, _CAP), "held": max(row.held + held, 0)}
        connection.execute(update(tables.balances).where(*on).values(**values))


def _prune(connection: Connection, key: tuple[str, str, int]) -> None:
    period = connection.execute(select(tables.limits.c.period).where(tables.limits.c.id == key[0])).scalar_one_or_none()
    if period is not None:
        old = _BALANCE.limit_id == key[0], _BALANCE.subject == key[1], _BALANCE.window < _since(period, key[2])
        connection.execute(delete(tables.balances).where(*old, _BALANCE.held == 0))


def _lock(connection: Connection, ids: set[str]) -> Mapping[str, Row[Any]]:
    """The limits' rows, locked, always in the same order. SQLite has one writer at a time anyhow."""
    table = tables.limits
    rows = connection.execute(select(table).where(table.c.id.in_(ids)).order_by(table.c.id).with_for_update())
    return {row.id: row for row in rows}
