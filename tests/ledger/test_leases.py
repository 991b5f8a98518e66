"""Leasing in SQL: never more than the limit, nothing refused that is free, every charge booked once."""

from dataclasses import dataclass
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, delete, select

from tests.ledger.test_limits import limit
from tsuji.ledger import leases, limitstore, tables
from tsuji.ledger.asks import Ask
from tsuji.ledger.keys import MICRO
from tsuji.ledger.leases import EXPIRY, grant
from tsuji.ledger.limits import PARTS, Limit, window
from tsuji.ledger.record import Charge

NOON = 1_800_000_000 * MICRO
AMOUNT = 1000


def set_limit(engine: Engine, **more: Any) -> Limit:
    return limitstore.put(engine, limit(**{"amount": AMOUNT, "period": "day", **more}))


def wish(of: Limit, lease: str, now: int = NOON, subject: str = "", **more: Any) -> Ask:
    return Ask(lease, of.id, subject, window(of.period, now).start, **more)


def book(engine: Engine, *charges: Charge) -> None:
    with engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        leases.book(connection, charges)


def charge(of: Limit, lease: str, amount: int, now: int = NOON, subject: str = "") -> Charge:
    return Charge(of.id, window(of.period, now).start, lease, amount, subject)


def balance(engine: Engine, of: Limit, now: int = NOON, subject: str = "") -> tuple[int, int]:
    found = [s for s in limitstore.standings(engine, now) if s.limit.id == of.id and s.subject == subject]
    return (found[0].spent, found[0].held) if found else (0, 0)


@pytest.mark.parametrize(
    ("need", "least", "lump", "left", "granted"),
    [
        (10, 10, 5, 1000, 15),
        (10, 10, 500, 1000, 71),
        (10, 10, 5, 10, 10),
        (10, 10, 5, 9, 0),
        (10, 3, 5, 9, 9),
        (5, 5, 9, -1, 0),
    ],
)
def test_a_lump_shrinks_with_what_is_left(need: int, least: int, lump: int, left: int, granted: int) -> None:
    assert grant(need, least, lump, left) == granted


def test_a_lease_is_granted_booked_and_closed(engine: Engine) -> None:
    one = set_limit(engine)
    assert not leases.beat(engine, "run", NOON)
    assert leases.beat(engine, "run", NOON)
    (first,) = leases.ask(engine, "run", [wish(one, "a", need=100, least=10, fresh=True)])
    assert (first.granted, first.left, first.short) == (100, 900, False)
    book(engine, charge(one, "a", 30), charge(one, "a", 20))
    assert balance(engine, one) == (50, 50)
    leases.ask(engine, "run", [wish(one, "a", granted=100, returned=50, closed=True)])
    assert balance(engine, one) == (50, 0)
    with engine.connect() as connection:
        assert connection.execute(select(tables.leases)).all() == []


def test_what_is_told_twice_or_never_heard_changes_nothing(engine: Engine) -> None:
    one = set_limit(engine)
    leases.beat(engine, "run", NOON)
    again = [wish(one, "a", need=100, least=100, fresh=True)] * 2
    assert [found.granted for found in leases.ask(engine, "run", again)] == [100, 100]
    assert leases.ask(engine, "run", again)[0].granted == 100
    back = wish(one, "a", granted=100, returned=40)
    leases.ask(engine, "run", [back, back])
    assert balance(engine, one) == (0, 60)


def test_a_closed_lease_waits_for_what_is_in_the_spool(engine: Engine) -> None:
    one = set_limit(engine)
    leases.beat(engine, "run", NOON)
    leases.ask(engine, "run", [wish(one, "a", need=100, least=100, fresh=True)])
    leases.ask(engine, "run", [wish(one, "a", granted=100, returned=60, closed=True)])
    assert balance(engine, one) == (0, 40)
    book(engine, charge(one, "a", 40))
    assert balance(engine, one) == (40, 0)
    assert leases.ask(engine, "run", [wish(one, "a", granted=100, returned=60, need=1, least=1)])[0].lost


def test_what_a_request_used_beyond_its_lease_is_spent_all_the_same(engine: Engine) -> None:
    one = set_limit(engine)
    leases.beat(engine, "run", NOON)
    leases.ask(engine, "run", [wish(one, "a", need=100, least=100, fresh=True)])
    book(engine, charge(one, "a", 130), charge(one, "", 7), charge(one, "unheard of", 3))
    assert balance(engine, one) == (140, 0)


def test_who_comes_short_is_told_when_there_will_be_more(engine: Engine) -> None:
    total, day, rolling = (set_limit(engine, period=period) for period in ("total", "day", "3600s"))
    for of in (total, day, rolling):
        book(engine, charge(of, "", 600, NOON - 1800 * MICRO), charge(of, "", 390))
    leases.beat(engine, "run", NOON)
    asks = [wish(of, of.period, need=100, least=100, fresh=True) for of in (total, day, rolling)]
    found = leases.ask(engine, "run", asks)
    assert [(one.granted, one.left, one.short, one.others) for one in found] == [(0, 10, True, 0)] * 3
    earlier = window("3600s", NOON - 1800 * MICRO).start
    back = earlier + 3600 * MICRO * (PARTS + 1) // PARTS
    assert [one.resets for one in found] == [None, window("day", NOON).end, back]
    later = [wish(rolling, "b", back, need=100, least=100, fresh=True)]
    assert leases.ask(engine, "run", later)[0].granted == 100


def test_others_are_told_that_somebody_wants_what_they_hold(engine: Engine) -> None:
    one = set_limit(engine)
    for run in ("rich", "poor"):
        leases.beat(engine, run, NOON)
    leases.ask(engine, "rich", [wish(one, "a", need=950, least=1, fresh=True)])
    assert leases.wanted(engine, "rich") == []
    (found,) = leases.ask(engine, "poor", [wish(one, "b", need=100, least=100, fresh=True)])
    assert (found.granted, found.short, found.others) == (0, True, 950)
    assert leases.wanted(engine, "rich") == ["a"]
    leases.ask(engine, "rich", [wish(one, "a", granted=950, returned=900)])
    (found,) = leases.ask(engine, "poor", [wish(one, "b", need=100, least=100, fresh=True)])
    assert (found.granted, found.left, found.short) == (100, 850, False)
    assert leases.wanted(engine, "rich") == []


def test_a_run_that_does_not_live_gives_back_what_it_did_not_book(engine: Engine) -> None:
    one = set_limit(engine)
    for run in ("dead", "live"):
        leases.beat(engine, run, NOON)
    leases.ask(engine, "dead", [wish(one, "a", need=900, least=1, fresh=True)])
    book(engine, charge(one, "a", 100))
    leases.beat(engine, "live", NOON + EXPIRY)
    assert leases.reap(engine, NOON + EXPIRY) == 0
    assert leases.reap(engine, NOON + EXPIRY + 1) == 1
    assert balance(engine, one) == (100, 0)
    assert leases.ask(engine, "dead", [wish(one, "c", need=1, least=1, fresh=True)])[0].lost
    assert not leases.beat(engine, "dead", NOON + 2 * EXPIRY)
    assert leases.ask(engine, "dead", [wish(one, "a", granted=900, need=1, least=1)])[0].lost
    book(engine, charge(one, "a", 5))  # from its spool
    assert balance(engine, one) == (105, 0)


def test_a_run_that_ends_well_leaves_nothing_held(engine: Engine) -> None:
    one = set_limit(engine)
    leases.beat(engine, "run", NOON)
    leases.ask(engine, "run", [wish(one, "a", need=100, least=1, fresh=True)])
    leases.end(engine, "run")
    assert balance(engine, one) == (0, 0)


def test_a_limit_that_is_removed_takes_all_with_it(engine: Engine) -> None:
    one = set_limit(engine)
    leases.beat(engine, "run", NOON)
    leases.ask(engine, "run", [wish(one, "a", need=100, least=1, fresh=True)])
    limitstore.remove(engine, one.id)
    assert leases.ask(engine, "run", [wish(one, "a", granted=100, need=1, least=1)])[0].lost
    book(engine, charge(one, "a", 5))
    with engine.connect() as connection:
        assert connection.execute(select(tables.balances)).all() == []


def test_workers_that_ask_at_once_get_no_more_than_there_is(engine: Engine) -> None:
    one = set_limit(engine)
    total: list[int] = []
    booked: list[int] = []

    def work(run: str) -> None:
        leases.beat(engine, run, NOON)
        granted = spent = 0
        for _ in range(25):
            known = {"granted": granted, "fresh": granted == 0}
            granted = leases.ask(engine, run, [wish(one, run, need=13, least=13, **known)])[0].granted
            amount = min(3, granted - spent)
            spent += amount
            book(engine, charge(one, run, amount))
        total.append(granted)
        booked.append(spent)

    threads = [Thread(target=work, args=(f"run {at}",)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(total) == AMOUNT // 13 * 13
    assert balance(engine, one) == (sum(booked), sum(total) - sum(booked))


@dataclass
class Held:
    """A lease as its worker knows it. settled: in the spool, not yet booked."""

    of: Limit
    run: str
    window: int
    granted: int = 0
    returned: int = 0
    settled: int = 0
    booked: int = 0
    fresh: bool = True

    @property
    def free(self) -> int:
        return self.granted - self.returned - self.settled - self.booked


class Leasing(RuleBasedStateMachine):
    """Workers that ask, spend, give back, die and drain later, in any order, while time passes; beside it a model in
    which a request is a number.
    """

    engine: Engine
    RUNS = ("one", "two", "three")

    @initialize(periods=st.lists(st.sampled_from(["total", "hour", "600s"]), min_size=1, max_size=2, unique=True))
    def begin(self, periods: list[str]) -> None:
        with self.engine.begin() as connection:
            for table in (tables.leases, tables.balances, tables.runs, tables.limits):
                connection.execute(delete(table))
        self.now = NOON
        self.limits = [set_limit(self.engine, period=period) for period in periods]
        self.held: dict[str, Held] = {}
        self.spool: list[tuple[str, Charge]] = []
        self.spent: dict[tuple[str, int], int] = {}
        self.number = 0
        self.alive = dict.fromkeys(self.RUNS, self.now)
        for run in self.RUNS:
            leases.beat(self.engine, run, self.now)

    def used(self, of: Limit) -> int:
        """spent + held by the model, in the windows that count."""
        since = window(of.period, self.now).since
        spent = sum([amount for (id, start), amount in self.spent.items() if id == of.id and start >= since])
        held = [h for h in self.held.values() if h.of is of and h.window >= since]
        return spent + sum([h.granted - h.returned - h.booked for h in held])

    @rule(
        which=st.integers(0, 1),
        run=st.sampled_from(RUNS),
        need=st.integers(1, 600),
        least=st.integers(1, 600),
        lump=st.integers(0, 500),
        heard=st.booleans(),
    )
    def ask(self, which: int, run: str, need: int, least: int, lump: int, heard: bool) -> None:
        of = self.limits[which % len(self.limits)]
        start = window(of.period, self.now).start
        at = next((id for id, h in self.held.items() if (h.of, h.run, h.window) == (of, run, start)), None)
        if at is None:
            self.number += 1
            at = f"lease {self.number}"
            self.held[at] = Held(of, run, start)
        lease, least, before = self.held[at], min(need, least), self.used(of)
        asked = Ask(at, of.id, "", start, lease.granted, lease.returned, need, least, lump, lease.fresh)
        for _ in range(1 if heard else 2):  # an answer that was not heard is asked for again
            (found,) = leases.ask(self.engine, run, [asked])
        assert not found.lost
        more, left = found.granted - lease.granted, AMOUNT - before
        assert more <= max(left, 0)
        assert more >= need if left >= need else more == (left if left >= least else 0)
        assert found.short == (left < need)
        lease.granted, lease.fresh = found.granted, False

    @precondition(lambda self: any(h.free for h in self.held.values()))
    @rule(data=st.data(), part=st.integers(1, 4))
    def give_back(self, data: Any, part: int) -> None:
        at = data.draw(st.sampled_from(sorted(id for id, h in self.held.items() if h.free)))
        lease = self.held[at]
        lease.returned += -(-lease.free // part)
        leases.ask(self.engine, lease.run, [Ask(at, lease.of.id, "", lease.window, lease.granted, lease.returned)])

    @precondition(lambda self: any(h.free for h in self.held.values()))
    @rule(data=st.data(), amount=st.integers(1, 400))
    def spend(self, data: Any, amount: int) -> None:
        at = data.draw(st.sampled_from(sorted(id for id, h in self.held.items() if h.free)))
        lease = self.held[at]
        amount = min(amount, lease.free)
        lease.settled += amount
        self.spool.append((at, Charge(lease.of.id, lease.window, at, amount)))

    @rule()
    def drain(self) -> None:
        book(self.engine, *[charge for _, charge in self.spool])
        for at, charge in self.spool:
            key = charge.limit, charge.window
            self.spent[key] = self.spent.get(key, 0) + charge.amount
            if at in self.held:
                self.held[at].settled -= charge.amount
                self.held[at].booked += charge.amount
        self.spool.clear()

    @rule(run=st.sampled_from(RUNS))
    def die(self, run: str) -> None:
        """Its spool is drained first, by a process that is left; then nobody hears of it any more."""
        self.drain()
        for other in self.RUNS:
            if other != run:
                leases.beat(self.engine, other, self.now + EXPIRY)
        self.now += EXPIRY + 1
        leases.reap(self.engine, self.now)
        self.held = {id: h for id, h in self.held.items() if h.run != run}
        assert not leases.beat(self.engine, run, self.now)

    @rule(seconds=st.integers(1, 2000))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds * MICRO
        for run in self.RUNS:
            leases.beat(self.engine, run, self.now)

    @invariant()
    def never_more_than_the_limit(self) -> None:
        for of in getattr(self, "limits", []):
            spent, held = balance(self.engine, of, self.now)
            assert spent + held <= AMOUNT
            assert spent + held == self.used(of)


def test_leases_behave_like_the_model(engine: Engine) -> None:
    Leasing.engine = engine
    examples = 60 if engine.dialect.name == "sqlite" else 25
    checks = [HealthCheck.too_slow]
    run_state_machine_as_test(
        Leasing,
        settings=settings(max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=checks),
    )
