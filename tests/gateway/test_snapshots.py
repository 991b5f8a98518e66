"""The folder that workers share their counters in."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.ledger.records import record
from tsuji.gateway.observe.counters import Counters
from tsuji.gateway.observe.snapshots import Gauges, Snapshots, alone, encode


def counted(times: int, connections: int = 1) -> bytes:
    seen = Counters({"fast"})
    for _ in range(times):
        seen.add(record("x", input_tokens=10), 7)
    return encode(Gauges(connections=connections), seen.sums())


def told(snapshots: Snapshots) -> tuple[int, int]:
    """Requests of all, and connections of the living."""
    found = snapshots.everyone()
    return sum(series.count for series in found.sums.series), sum(gauges.connections for gauges in found.gauges)


@pytest.fixture
def one(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path, "one")


@pytest.fixture
def two(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path, "two")


def test_all_are_added_up(one: Snapshots, two: Snapshots) -> None:
    one.put(0, counted(3))
    two.put(0, counted(4))
    two.put(1, counted(5))
    assert told(one) == told(two) == (8, 2)
    (series,) = one.everyone().sums.series
    assert (series.inputs[-1], series.inputs[2], series.overhead[0]) == (80, 8, 8)


def test_a_late_thread_takes_nothing_back(one: Snapshots) -> None:
    one.put(5, counted(5))
    one.put(4, counted(4))
    assert told(one) == (5, 1)


def test_the_dead_are_added_once(one: Snapshots, two: Snapshots, tmp_path: Path) -> None:
    one.put(0, counted(3))
    two.put(0, counted(4))
    one.fold()
    assert (tmp_path / "two.metrics").exists()  # it lives
    two.close()
    kept = shutil.copy(tmp_path / "two.metrics", tmp_path / "kept")
    one.fold()
    assert not (tmp_path / "two.metrics").exists()
    assert told(one) == (7, 1)
    shutil.copy(kept, tmp_path / "two.metrics")  # as if whoever added it had died before deleting it
    assert told(one) == (7, 1)
    one.fold()
    assert not (tmp_path / "two.metrics").exists()
    assert told(one) == (7, 1)
    three = Snapshots(tmp_path, "three")
    three.put(0, counted(1))
    three.close()
    one.fold()
    assert told(one) == (8, 1)


def test_nobody_folds_while_another_reads(one: Snapshots, two: Snapshots, tmp_path: Path) -> None:
    import fcntl

    two.put(0, counted(4))
    two.close()
    with (tmp_path / "lock").open("w") as reading:
        fcntl.flock(reading, fcntl.LOCK_SH)
        one.fold()
        assert (tmp_path / "two.metrics").exists()
    one.fold()
    assert not (tmp_path / "two.metrics").exists()


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x93\x00\x94\x00\x00\x00\xc0\x93\x90\x90\x80"])
def test_what_cannot_be_read_is_passed_over(damage: bytes, one: Snapshots, tmp_path: Path) -> None:
    """The last one is of another version."""
    one.put(0, counted(3))
    (tmp_path / "other.metrics").write_bytes(damage)
    assert told(one) == (3, 1)
    one.fold()
    assert not (tmp_path / "other.metrics").exists()
    (tmp_path / "dead").write_bytes(damage)
    assert told(one) == (3, 1)


def test_what_never_got_its_name_is_swept(one: Snapshots, tmp_path: Path) -> None:
    for name, age in (("old", 100), ("new", 0)):
        unnamed = tmp_path / f"{name}.metrics.new"
        unnamed.write_bytes(b"")
        os.utime(unnamed, (time.time() - age,) * 2)
    one.fold()
    assert [file.name for file in tmp_path.glob("*.new")] == ["new.metrics.new"]


def test_one_worker_by_itself() -> None:
    found = alone(counted(2, connections=9))
    assert (found.sums.series[0].count, found.gauges[0].connections) == (2, 9)


def test_other_routes_after_a_reload() -> None:
    seen = Counters({"fast"})
    seen.add(record("a"), 1)
    seen.know({"slow"})
    seen.add(record("b"), 1)
    seen.add(record("c", route="slow"), 1)
    assert {series.labels.route: series.count for series in seen.sums().series} == {"fast": 1, "*": 1, "slow": 1}
