"""From the spool into SQL."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.ledger.postgres import Postgres
from tests.ledger.records import record
from tsuji.ledger import tables
from tsuji.ledger.database import ready
from tsuji.ledger.drain import BATCH, drain
from tsuji.ledger.keys import Hasher
from tsuji.ledger.process import Orders, Process, Report
from tsuji.ledger.record import Assigned, Attempt, Record, encode
from tsuji.ledger.report import add_up
from tsuji.ledger.requests import Which
from tsuji.ledger.spool import Spool, frame, frames, segments


def spooled(folder: Path, *records: Record) -> None:
    spool = Spool(folder, lambda work: work())
    for one in records:
        spool.write(encode(one))
    spool.close()


def ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.execute(select(tables.usage.c.id)).scalars())


def test_every_field_arrives(engine: Engine, tmp_path: Path) -> None:
    tries = [Attempt("a:1", 10, 20, "rate_limit", 0), Attempt("b:2", 30, 40, None, 2**60)]
    numbers = {name: at for at, name in enumerate(Record.__struct_fields__) if name.endswith("_tokens")}
    one = record(
        "r1",
        key_id="k_1",
        user_id="ann",
        team_id="core",
        provider_dialect="anthropic",
        error="rate_limit",
        first_token=5,
        cost=2**60,
        price_source="config",
        price_version="1",
        service_tier="flex",
        tags=("x", "\u8fbb"),
        trace="ab" * 16,
        stream=True,
        attempts=tries,
        cache="shared",
        guarded=("secrets:redact",),
        assigned=(part := Assigned("june", "two", "ab" * 8, 0.25, "r0")),
        **numbers,
    )
    spooled(tmp_path, one)
    assert drain(engine, tmp_path) == 1
    with engine.connect() as connection:
        row = dict(connection.execute(select(tables.usage)).mappings().one())
        attempts = connection.execute(select(tables.attempts).order_by(tables.attempts.c.number)).all()
    parts = {name: getattr(part, name) for name in Assigned.__struct_fields__}
    assert row == {name: getattr(one, name) for name in row.keys() - parts.keys()} | parts | {
        "tags": ["x", "\u8fbb"],
        "guarded": ["secrets:redact"],
    }
    assert set(row) - parts.keys() == set(Record.__struct_fields__) - {"attempts", "charges", "assigned"}
    assert attempts == [("r1", 1, "a:1", 10, 20, "rate_limit", 0), ("r1", 2, "b:2", 30, 40, None, 2**60)]
    assert segments(tmp_path) == []


def test_unknown_is_null_and_not_0(engine: Engine, tmp_path: Path) -> None:
    spooled(tmp_path, record("1"), record("2", cost=0, input_tokens=0))
    drain(engine, tmp_path)
    with engine.connect() as connection:
        rows = connection.execute(select(tables.usage.c.cost, tables.usage.c.input_tokens).order_by("id")).all()
    assert rows == [(None, None), (0, 0)]


def test_a_record_that_is_read_twice_is_there_once(engine: Engine, tmp_path: Path) -> None:
    many = [record(f"r{number:05}") for number in range(BATCH + 7)]
    spooled(tmp_path, *many)
    kept = segments(tmp_path)[0].read_bytes()
    assert drain(engine, tmp_path) == len(many)
    (tmp_path / "again.spool").write_bytes(kept + frame(encode(record("new"))))
    drain(engine, tmp_path)
    assert ids(engine) == sorted([one.id for one in many] + ["new"])
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.attempts)).scalar_one() == len(many) + 1


def test_a_torn_tail_is_dropped_and_damage_is_kept(engine: Engine, tmp_path: Path, caplog: Any) -> None:
    torn = frame(encode(record("torn")))[:-3]
    (tmp_path / "1.spool").write_bytes(frame(encode(record("a"))) + torn)
    damaged = bytearray(frame(encode(record("b"))) + frame(encode(record("c"))))
    damaged[-1] ^= 1
    (tmp_path / "2.spool").write_bytes(damaged)
    drain(engine, tmp_path)
    assert ids(engine) == ["a", "b"]
    assert [file.name for pattern in ("*.damaged", "*.spool", "*.rejected") for file in tmp_path.glob(pattern)] == [
        "2.damaged"
    ]
    assert (tmp_path / "2.damaged").read_bytes() == bytes(damaged)[len(frame(encode(record("b")))) :]
    assert "never completed" in caplog.text
    assert "damaged" in caplog.text


def test_what_the_database_refuses_is_kept_and_stops_no_other(engine: Engine, tmp_path: Path, caplog: Any) -> None:
    poison = record("poison", input_tokens=2**63 + 1)  # an unsigned number, which no database here takes
    spooled(tmp_path, record("a"), poison, record("b"))
    (tmp_path / "zz.spool").write_bytes(frame(b"\x93\x01\x02\x03") + frame(encode(record("c"))))
    drain(engine, tmp_path)
    assert ids(engine) == ["a", "b", "c"]
    kept = sorted(tmp_path.glob("*.rejected"))
    assert [frames(file.read_bytes())[0] for file in kept] == [[encode(poison)], [b"\x93\x01\x02\x03"]]
    assert caplog.text.count("1 usage records cannot be stored") == 2
    assert segments(tmp_path) == []


def test_what_is_wrong_with_the_database_is_not_held_against_the_records(engine: Engine, tmp_path: Path) -> None:
    spooled(tmp_path, record("a"))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE attempts RENAME TO elsewhere"))
    with pytest.raises(DBAPIError):
        drain(engine, tmp_path)
    assert ids(engine) == []
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO attempts"))
    assert drain(engine, tmp_path) == 1
    assert ids(engine) == ["a"]


def test_a_database_that_goes_away_loses_nothing(postgres: Postgres, tmp_path: Path) -> None:
    engine = ready(postgres.url())
    spooled(tmp_path, record("a"))
    postgres.stop()
    try:
        with pytest.raises(OperationalError):
            drain(engine, tmp_path)
        assert len(segments(tmp_path)) == 1
    finally:
        postgres.start()
    assert drain(engine, tmp_path) == 1
    assert ids(engine) == ["a"]
    engine.dispose()


DAY = 86_400_000_000


def test_a_database_is_up_again_with_the_first_batch(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told before all that has waited is moved on, which may take long."""
    heard: list[tuple[Report, int]] = []
    url = engine.url.render_as_string(hide_password=False)
    orders = Orders(url, str(tmp_path), Hasher(b"0123456789abcdef0123456789abcdef").check(), "run")
    process = Process(orders, lambda report: heard.append((report, len(segments(tmp_path)))))
    for number in range(3):
        spooled(tmp_path, record(f"r{number}"))

    def fails(*_: object) -> None:
        raise OperationalError("insert", {}, Exception("gone"))

    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait()
        yield from ()

    with monkeypatch.context() as patched:
        patched.setattr("tsuji.ledger.drain._insert", fails)
        running = threading.Thread(target=process.run, args=(nothing(),))
        running.start()
        while not any(report.failure for report, _ in heard):
            time.sleep(0.01)
    while segments(tmp_path):
        time.sleep(0.01)
    over.set()
    running.join()
    assert ids(engine) == ["r0", "r1", "r2"]
    told = [(bool(report.failure), waiting) for report, waiting in heard if report.failure is not None]
    assert told == [(False, 3), (True, 3), (False, 3)]


def test_adding_up(engine: Engine, tmp_path: Path) -> None:
    day = 1_699_920_000_000_000  # 2023-11-14
    common: dict[str, Any] = {"input_tokens": 10, "output_tokens": 5}
    spooled(
        tmp_path,
        record("1", time=day, key_id="k_1", user_id="ann", cost=3, **common),
        record("2", time=day + DAY - 1, key_id="k_1", target="b:2", cost=2**61, **common),
        record("3", time=day + DAY, key_id="k_2", target="b:2", **common),
        record("4", time=day + DAY, status="failed", target=None),
        record("5", time=day + DAY, status="cut", cost=2**61, **common),
        record("6", time=day + DAY, status="refused", target=None, cost=0, attempts=[]),
        record("old", time=day - 1, cost=1),
    )
    drain(engine, tmp_path)
    assert add_up(engine, "day", Which(since=day)) == [
        ("2023-11-14", 2, 0, 0, 20, 10, 2**61 + 3, 0),
        ("2023-11-15", 4, 2, 1, 20, 10, 2**61, 1),
    ]
    assert add_up(engine, "key", Which(since=day)) == [
        ("k_1", 2, 0, 0, 20, 10, 2**61 + 3, 0),
        ("-", 3, 2, 1, 10, 5, 2**61, 0),
        ("k_2", 1, 0, 0, 10, 5, 0, 1),
    ]
    assert [row.name for row in add_up(engine, "target", Which(since=day))] == ["up:m", "b:2", "-"]
    assert [row.name for row in add_up(engine, "user", Which(since=day))] == ["-", "ann"]
    assert [row.requests for row in add_up(engine, "route", Which(since=0))] == [7]
