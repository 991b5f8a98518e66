"""A local model that was benched here is expected to be as fast as it was, until a request measures it."""

from pathlib import Path

import pytest

from tsuji.client.dispatch import Dispatch
from tsuji.config import Config
from tsuji.engine.bench import Measured, record
from tsuji.routing import Health, Target

DEFAULT = Target("local", "default")


def _record(home: Path) -> None:
    def row(test: str, rate: float, depth: int = 0) -> Measured:
        return Measured(
            time=1.0, name="default", model="m", params_b=0.1, quant="Q4_1", size_gib=0.1, test=test, depth=depth,
            tokens_per_s=rate, threads=2, engine="llama.cpp",
        )  # fmt: skip

    record(home, [row("pp512", 100.0), row("tg32", 10.0), row("pp512", 256.0), row("tg32", 20.0), row("tg32", 5.0, 99)])


def test_the_newest_bench_is_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSUJI_HOME", str(tmp_path))
    _record(tmp_path)
    health = Dispatch(Config(), {}).health.of(DEFAULT)
    assert (health.ttft.value, health.rate.value) == (2.0, 20.0)
    assert health.requests == 0


def test_nothing_is_expected_of_what_was_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSUJI_HOME", str(tmp_path))
    assert Dispatch(Config(), {}).health.of(DEFAULT).rate.value is None


def test_what_is_known_already_is_not_expected_anew() -> None:
    health = Health()
    health.of(DEFAULT).rate.add(50.0, 0.0)
    health.expect(DEFAULT.name, 1.0, 20.0, 1.0)
    assert health.of(DEFAULT).rate.value == 50.0
