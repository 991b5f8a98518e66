"""`tsuji router train --ledger`: prompts that are stored, answers by one model each, and what was thought of them."""

import json
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from benchmarks.learned_routing import TSUJI

from tests.ledger.records import record
from tests.routing.test_learned import outcomes
from tsuji.config import load_config
from tsuji.ledger import contents, feedback
from tsuji.ledger.contents import Contents
from tsuji.ledger.drain import drain
from tsuji.ledger.feedback import Feedback
from tsuji.ledger.lessons import lessons
from tsuji.ledger.opening import opened
from tsuji.ledger.record import encode
from tsuji.ledger.spool import Spool
from tsuji.routing.learned import read_policy
from tsuji.routing.learned.decide import decide, predict

NANO = 1_000_000_000


def body(prompt: str) -> str:
    return json.dumps({"model": "fast", "messages": [{"role": "user", "content": prompt}]})


def asked(id: str, prompt: str | None, target: str, cost: int | None = NANO, **more: Any) -> list[bytes]:
    kept = Contents(id, 1, 2**62, body(prompt)) if prompt is not None else None
    return [encode(record(id, target=target, cost=cost, **more)), *([contents.encode(kept)] if kept else [])]


def thought(id: str, value: float, source: str = "client", key_id: str = "") -> bytes:
    return feedback.encode(Feedback(id, source, key_id, 1, value))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "tsuji.toml"
    file.write_text(f'[ledger]\nfolder = "{tmp_path}"\n')
    return file


def filled(config: Path, frames: list[bytes]) -> Any:
    """The ledger's engine, with them in it."""
    engine, folder = opened(load_config(config)), config.parent / "frames"
    folder.mkdir()
    spool = Spool(folder, lambda work: work())
    for frame in frames:
        spool.write(frame)
    spool.close()
    assert drain(engine, folder) == len(frames)
    return engine


def test_which_answers_teach(config: Path) -> None:
    engine = filled(
        config,
        [
            *asked("a", "one", "up:a", tags=("task:sum", "x"), key_id="k_1"),
            thought("a", 0.5, key_id="k_1"),
            thought("a", 1.0, key_id="k_2"),
            *asked("b", "two", "up:b", explain={"needs": {"task": "text"}}),
            thought("b", 0.25, "judge"),
            *asked("c", "nothing is thought of it", "up:a"),
            *asked("d", None, "up:a"),
            thought("d", 1.0),
            *asked("e", "no price", "up:a", cost=None),
            thought("e", 1.0),
            *asked("f", "from the cache", "up:a", cache="hit"),
            thought("f", 1.0),
            *asked("g", "failed", "up:a", status="failed"),
            thought("g", 0.0),
            *asked("h", "another route", "up:a", route="other", cache="stored"),
            thought("h", 1.0),
        ],
    )
    found = [(one.target, one.task, one.quality, one.cost) for one in lessons(engine)]
    assert found == [("up:a", "sum", 0.5, 1.0), ("up:b", "text", 0.25, 1.0), ("up:a", "", 1.0, 1.0)]
    assert [json.loads(one.body)["messages"][0]["content"] for one in lessons(engine, "other")] == ["another route"]
    engine.dispose()


def test_a_policy_is_trained_from_the_ledger(config: Path, tmp_path: Path) -> None:
    chance, frames = Random(0), list[bytes]()
    for at, row in enumerate(outcomes(900)):
        model = chance.choice(sorted(row.quality))
        tags = (f"task:{row.task}",)
        frames += asked(str(at), row.prompt, f"up:{model}", int(row.cost[model] * NANO), tags=tags)
        frames.append(thought(str(at), row.quality[model]))
    frames += [*asked("odd", "out of bounds", "up:dear"), thought("odd", 7.0)]
    filled(config, frames).dispose()
    policy = tmp_path / "policy.json"
    command = [str(TSUJI), "router", "train", "--ledger", "--config", str(config), "--out", str(policy)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "900 prompts with answers that were judged; 1 could not be used" in ran.stdout
    (group,) = read_policy(policy.read_bytes(), "p").groups
    assert group.models == ["up:cheap", "up:cheap at sums", "up:dear"]
    assert group.learned
    assert decide(group, predict(group, "What is 3 + 4 * 3?", "sum"), 0.8).model == "up:cheap at sums"
    assert decide(group, predict(group, "Tell me of the history of town 3, please.", "text"), 1.0).model == "up:dear"
    both = subprocess.run([*command, "outcomes.jsonl"], capture_output=True, text=True)
    assert (both.returncode != 0, "not both" in both.stderr) == (True, True)
