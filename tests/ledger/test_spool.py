"""The spool: what a process wrote is there whole, whatever happened to the process."""

import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.records import record
from tsuji.ledger import spool as spools
from tsuji.ledger.record import decode, encode
from tsuji.ledger.spool import Spool, claim, frame, frames, segments


class Turn:
    """A turn of the loop: what is put off runs when it is called."""

    def __init__(self) -> None:
        self.put_off: list[Callable[[], None]] = []

    def __call__(self) -> None:
        put_off, self.put_off = self.put_off, []
        for work in put_off:
            work()


@pytest.fixture
def turn() -> Turn:
    return Turn()


@pytest.fixture
def spool(tmp_path: Path, turn: Turn) -> Iterator[Spool]:
    made = Spool(tmp_path, turn.put_off.append)
    yield made
    made.close()


def records(folder: Path) -> list[bytes]:
    """All that is there and nobody writes to."""
    found: list[bytes] = []
    for segment in segments(folder):
        with claim(segment) as data:
            found += frames(data)[0] if data is not None else []
    return found


# Frames.


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=8), st.data())
def test_a_torn_tail_loses_no_whole_record(written: list[bytes], data: Any) -> None:
    whole = b"".join([frame(one) for one in written])
    cut = data.draw(st.integers(0, len(whole)))
    found, end, torn = frames(whole[:cut])
    sizes = [len(frame(one)) for one in written]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    assert found == written[: len([at for at in ends if at <= cut])]
    assert end == max([0, *[at for at in ends if at <= cut]])
    assert torn


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), st.data())
def test_damage_is_never_read_as_a_record(written: list[bytes], data: Any) -> None:
    whole = bytearray(b"".join([frame(one) for one in written]))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    found, _, _ = frames(bytes(whole))
    assert found == written[: len(found)]
    assert len(found) < len(written)


def test_zeros_are_damage() -> None:
    """As some file systems leave them after the machine has crashed."""
    assert frames(frame(b"x") + bytes(64)) == ([b"x"], 9, False)


def test_a_record_is_read_as_it_was_written() -> None:
    one = record("1", input_tokens=7, cost=0, tags=("a", "b"), error="rate_limit")
    assert decode(encode(one)) == one


def test_counts_that_no_database_holds_are_unknown() -> None:
    kept = decode(encode(record("1", input_tokens=2**70, output_tokens=3, cost=2**80)))
    assert (kept.input_tokens, kept.output_tokens, kept.cost) == (None, 3, None)


# Writing.


def test_a_turns_records_are_one_write_and_come_before_the_answers(
    spool: Spool, turn: Turn, tmp_path: Path, monkeypatch: Any
) -> None:
    events: list[str] = []
    real = os.write

    def write(file: int, data: bytes) -> int:
        events.append("write")
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    for name in "abc":
        spool.add(name.encode(), lambda name=name: events.append(name))
    assert events == []
    turn()
    assert events == ["write", "a", "b", "c"]
    spool.rotate()
    assert records(tmp_path) == [b"a", b"b", b"c"]


def test_an_answer_that_cannot_be_sent_keeps_back_no_other(spool: Spool, turn: Turn, caplog: Any) -> None:
    sent: list[str] = []

    def fail() -> None:
        raise RuntimeError("a bug")

    spool.add(b"1", fail)
    spool.add(b"2", lambda: sent.append("2"))
    turn()
    assert sent == ["2"]
    assert "a bug" in caplog.text


def test_a_segment_that_is_written_to_is_not_read(spool: Spool, tmp_path: Path) -> None:
    spool.write(b"1")
    assert len(segments(tmp_path)) == 1
    assert records(tmp_path) == []
    spool.rotate()
    assert records(tmp_path) == [b"1"]
    spool.rotate()
    assert len(segments(tmp_path)) == 1  # nothing new, no new segment
    spool.write(b"2")
    assert len(segments(tmp_path)) == 2


def test_a_segment_that_is_read_is_not_read_by_another(spool: Spool, tmp_path: Path) -> None:
    spool.write(b"1")
    spool.rotate()
    segment = segments(tmp_path)[0]
    with claim(segment) as first, claim(segment) as second:
        assert first is not None
        assert second is None
    with claim(tmp_path / "gone.spool") as none:
        assert none is None


def test_segments_stay_small(spool: Spool, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(spools, "MAX_SEGMENT", 1000)
    for _ in range(30):
        spool.write(b"x" * 100)
    spool.close()
    assert len(segments(tmp_path)) > 2
    assert len(records(tmp_path)) == 30


WRITER = """
import os, sys
from pathlib import Path
from tsuji.ledger.spool import Spool
spool = Spool(Path(sys.argv[1]), lambda work: None)
for number in range(1_000_000):
    spool.write(b"%d " % number + b"x" * (number % 3000))
    print(number, flush=True)
"""


def test_kill_9_loses_no_record_that_was_written(tmp_path: Path) -> None:
    for round in range(5):
        folder = tmp_path / str(round)
        folder.mkdir()
        command = [sys.executable, "-c", WRITER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seen = 0
            for _ in range(random.randint(20, 400)):
                seen = int(process.stdout.readline())
            process.kill()
            seen = max([seen, *[int(line) for line in process.stdout if line.endswith("\n")]])
        found = [int(one.split()[0]) for one in records(folder)]
        assert found == list(range(len(found)))
        assert len(found) > seen


# A disk that takes nothing.


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_full_disk_does_not_take_is_held_and_goes_first(
    whole: bool, spool: Spool, turn: Turn, tmp_path: Path, monkeypatch: Any, caplog: Any
) -> None:
    """whole: nothing of a write arrives; else a part of it does, and is taken back."""
    spool.write(b"before")
    real, sent = os.write, list[str]()

    def full(file: int, data: bytes) -> int:
        if not whole and len(data) > 5:
            return real(file, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        spool.add(b"one", lambda: sent.append("one"))
        turn()
        spool.write(b"two")
        spool.retry()
        assert sent == ["one"]  # requests go on
        assert spool.failure == "No space left on device"
        assert spool.held == len(frame(b"one") + frame(b"two"))
        assert not spool.full
    spool.retry()
    assert (spool.failure, spool.held) == ("", 0)
    spool.write(b"three")
    spool.close()
    assert records(tmp_path) == [b"before", b"one", b"two", b"three"]
    assert caplog.text.count("held in memory") == 1
    assert caplog.text.count("is written to") == 1


def test_what_cannot_be_taken_back_is_in_another_segment_too(spool: Spool, tmp_path: Path, monkeypatch: Any) -> None:
    real = os.write

    def fail(*_: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: real(file, data[:15]) if len(data) > 15 else fail())
        patched.setattr(os, "ftruncate", fail)
        spool.write(b"0123456789")
    spool.retry()
    spool.close()
    assert records(tmp_path) == [b"0123456789"]
    assert len(segments(tmp_path)) == 2


def test_no_more_is_held_than_there_is_room_for(spool: Spool, monkeypatch: Any) -> None:
    monkeypatch.setattr(spools, "MAX_HELD", 100)
    monkeypatch.setattr(Spool, "_begin", lambda self: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    spool.write(b"x" * 60)
    assert not spool.full
    spool.write(b"x" * 60)
    assert spool.full
    monkeypatch.undo()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no tmpfs may be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


@pytest.mark.skipif(shutil.which("mount") is None, reason="this system has no mount")
def test_a_disk_that_is_really_full(small_disk: Path, turn: Turn) -> None:
    spool = Spool(small_disk, turn.put_off.append)
    written = [b"%03d " % number + b"x" * 996 for number in range(150)]
    for one in written:
        spool.write(one)
    assert spool.failure
    for segment in segments(small_disk)[:1]:
        saved = frames(segment.read_bytes())[0]
        assert saved == written[: len(saved)]
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    spool.rotate()
    assert not spool.failure
    spool.close()
    assert records(small_disk) == written


def test_a_text_that_is_not_utf8_is_no_record() -> None:
    """Found by fuzzing: it came out as another exception, which would have held up all records behind it."""
    with pytest.raises(msgspec.DecodeError, match="not UTF-8"):
        decode(encode(record("abcdef")).replace(b"abcdef", b"abc\xffef"))
