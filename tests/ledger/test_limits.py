"""Limits: their windows, by a clock that is an argument, and their rows."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from tests.ledger.test_keys import key
from tsuji.core.errors import InvalidRequestError, NotFoundError
from tsuji.ledger import keystore, limitstore, tables
from tsuji.ledger.keys import MICRO, firsts
from tsuji.ledger.limits import CALENDAR, NEVER, PARTS, Limit, check, comes_back, new_limit_id, window

LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * MICRO


def limit(**more: Any) -> Limit:
    given: dict[str, Any] = {"id": new_limit_id(), "kind": "gateway", "unit": "usd", "amount": 1000, "created": 1}
    return Limit(**{**given, **more})


def at(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * MICRO)


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("minute", "2024-02-29T23:59:59.999999", "2024-02-29T23:59:00", "2024-03-01T00:00:00"),
        ("hour", "2024-02-29T23:00:00", "2024-02-29T23:00:00", "2024-03-01T00:00:00"),
        ("day", "2024-02-29T12:00:00", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("week", "2026-11-29T23:59:59", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),  # a Sunday; weeks begin Mondays
        ("week", "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        ("month", "2024-02-29T23:59:59", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("month", "2025-12-31T00:00:00", "2025-12-01T00:00:00", "2026-01-01T00:00:00"),
    ],
)
def test_calendar_windows(period: str, now: str, start: str, end: str) -> None:
    assert window(period, at(now)) == (at(start), at(end), at(start))
    assert comes_back(period, at(start)) == at(end)


@settings(deadline=None)
@given(st.sampled_from([*CALENDAR, "60s", "3600s", "86400s", "7s"]), st.integers(0, LATEST))
def test_windows_follow_one_another(period: str, now: int) -> None:
    found = window(period, now)
    assert found.start <= now < found.end
    assert found.since <= found.start
    assert window(period, found.start) == found
    assert window(period, found.end).start == found.end
    assert window(period, found.end - 1) == found


@settings(deadline=None)
@given(st.sampled_from(["60s", "3600s", "7s"]), st.integers(0, LATEST), st.integers(0, 2**33))
def test_what_is_younger_than_a_rolling_period_counts(period: str, spent: int, later: int) -> None:
    """And what is older than a period and two parts does not."""
    seconds = int(period[:-1])
    counts = window(period, spent).start >= window(period, spent + later).since
    if later <= seconds * MICRO // PARTS * PARTS:
        assert counts
    if later > seconds * MICRO * (PARTS + 2) // PARTS:
        assert not counts
    back = comes_back(period, window(period, spent).start)
    assert back is not None
    assert counts == (spent + later < back)


def test_a_total_never_ends() -> None:
    assert window("total", LATEST) == (0, NEVER, 0)
    assert comes_back("total", 0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"period": "fortnight"},
        {"period": "0s"},
        {"period": "-5s"},
        {"amount": -1},
        {"amount": 2**63},
        {"soft": 2000},
        {"subject": "x"},
        {"kind": "key"},
        {"unit": "concurrent", "period": "day"},
    ],
)
def test_what_is_no_limit(wrong: dict[str, Any], engine: Engine) -> None:
    with pytest.raises(InvalidRequestError):
        check(limit(**wrong))
    with pytest.raises(InvalidRequestError):
        limitstore.put(engine, limit(**wrong))
    assert limitstore.all_limits(engine) == (0, [])


def test_a_limit_is_set_changed_and_removed(engine: Engine) -> None:
    first = limitstore.put(engine, limit(period="day", soft=900))
    other = limitstore.put(engine, limit(period="hour", created=2))
    changed = limitstore.put(engine, limit(period="day", amount=5, created=3, unpriced="allow"))
    assert changed.id == first.id
    assert limitstore.all_limits(engine) == (3, [changed, other])
    assert limitstore.find(engine, first.id).soft is None
    with engine.begin() as connection:
        row = {"limit_id": first.id, "subject": "", "window": 0, "spent": 1, "held": 0, "wanted": False}
        connection.execute(insert(tables.balances), row)
    limitstore.remove(engine, first.id)
    assert limitstore.all_limits(engine) == (4, [other])
    with engine.connect() as connection:
        assert connection.execute(tables.balances.select()).all() == []
    for act in (limitstore.find, limitstore.remove):
        with pytest.raises(NotFoundError, match="no limit"):
            act(engine, first.id)
    assert limitstore.all_limits(engine)[0] == 4


def test_how_limits_stand(engine: Engine) -> None:
    now = at("2026-11-26T05:00:00")
    day = limitstore.put(engine, limit(period="day"))
    each = limitstore.put(engine, limit(kind="user", subject="*", period="3600s", created=2))
    rows = [
        (day.id, "", window("day", now).start, 300, 200),
        (day.id, "", window("day", now).start - 86_400 * MICRO, 999, 0),
        (each.id, "ann", window("3600s", now).since, 100, 0),
        (each.id, "ann", window("3600s", now).start, 850, 100),
        (each.id, "bob", window("3600s", now).since - 1, 1000, 0),
    ]
    with engine.begin() as connection:
        for limit_id, subject, start, spent, held in rows:
            row = {"limit_id": limit_id, "subject": subject, "window": start, "spent": spent, "held": held}
            connection.execute(insert(tables.balances), {**row, "wanted": False})
    found = limitstore.standings(engine, now)
    assert [(s.limit.id, s.subject, s.spent, s.held, s.left) for s in found] == [
        (day.id, "", 300, 200, 500),
        (each.id, "ann", 950, 100, 0),
    ]
    assert [s.resets for s in found] == [at("2026-11-27T00:00:00"), window("3600s", now).end]


def test_users_and_teams_are_made_when_first_named(engine: Engine) -> None:
    keystore.create(engine, key(name="a", user_id="ann", team_id="core"))
    keystore.create(engine, key(name="b", user_id="ann"))
    keystore.create(engine, key(name="c", user_id="bob"))
    assert [(u.id, u.team_id) for u in limitstore.users(engine)] == [("ann", "core"), ("bob", None)]
    assert [team.id for team in limitstore.teams(engine)] == ["core"]
    limitstore.set_team(engine, "bob", "web", 5)
    version, keys = keystore.all_keys(engine)
    assert version == 4
    assert {k.name: k.team_id for k in keys} == {"a": "core", "b": "core", "c": "web"}


def test_limits_given_with_a_key(engine: Engine) -> None:
    one = key()
    own = [limit(kind="key", subject=one.id), limit(kind="key", subject=one.id, unit="requests", period="minute")]
    keystore.create(engine, one, own)
    assert limitstore.all_limits(engine)[0] == 1
    assert {found.id for found in limitstore.all_limits(engine)[1]} == {found.id for found in own}
    with pytest.raises(InvalidRequestError):
        keystore.create(engine, key(), [limit(amount=-1)])
    assert len(keystore.all_keys(engine)[1]) == 1


def test_a_rotated_key_has_the_limits_of_the_first(engine: Engine) -> None:
    first = key()
    keystore.create(engine, first)
    second = keystore.rotate(engine, first.id, b"2" * 32, 5, 10)
    third = keystore.rotate(engine, second.id, b"3" * 32, 6, 10)
    keystore.create(engine, key(name="other"))
    found = firsts(keystore.all_keys(engine)[1])
    assert [found[k.id] for k in (first, second, third)] == [first.id] * 3
    assert len(set(found.values())) == 2
