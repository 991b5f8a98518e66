"""What the ledger's process does with experiments, on SQLite and PostgreSQL, and that a gateway hears of it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import start
from tests.ledger.records import record
from tsuji.cli.app import app
from tsuji.config import load_config
from tsuji.ledger import audit, outcomes
from tsuji.ledger.drain import drain
from tsuji.ledger.record import Assigned, encode
from tsuji.ledger.spool import Spool
from tsuji.ledger.trials import Trials
from tsuji.routing.experiment import Arm, Bandit, Experiment, Guardrail

ARMS = (Arm("one", 0), Arm("two", 1))
NOW = 1_800_000_000_000_000


def fill(
    engine: Engine, folder: Path, costs: tuple[float, float], errors: tuple[float, float], count: int = 800
) -> None:
    """Requests of the experiment "june", drained."""
    folder.mkdir(exist_ok=True)
    spool, r = Spool(folder, lambda work: work()), Random(7)
    for at in range(count):
        arm = at % 2
        failed = r.random() < errors[arm]
        part = Assigned("june", ARMS[arm].name, "", 0.5)
        cost = int(1e9 * costs[arm] * r.uniform(0.5, 1.5))
        spool.write(encode(record(f"r{at}", time=at, status="failed" if failed else "done", cost=cost, assigned=part)))
    spool.close()
    assert drain(engine, folder) == count


def test_a_guardrail_stops_an_arm_and_says_so(engine: Engine, tmp_path: Path) -> None:
    fill(engine, tmp_path / "spool", (1.0, 1.0), (0.01, 0.25))
    trials = Trials()
    rules = (Guardrail("error", worse_by=0.02),)
    trials.know([Experiment("june", ARMS, metrics=("cost", "error"), guardrails=rules), Experiment("other", ARMS)])
    states = trials.turn(engine, NOW)
    assert states is not None and states["june"].stopped == (1,) and states["other"].stopped == ()
    assert trials.turn(engine, NOW) is None
    ((change,), _) = audit.changes(engine, limit=5)
    assert (change.who, change.action, change.object) == ("guardrail", "experiment.stop", "june")
    assert change.details["arm"] == "two" and "worse than the control's" in change.details["reason"]
    assert outcomes.resume(engine, "june", "two", audit.CLI)
    states = trials.turn(engine, NOW)
    assert states is not None and states["june"].stopped == ()


def test_a_bandit_learns_from_what_is_recorded(engine: Engine, tmp_path: Path) -> None:
    fill(engine, tmp_path / "spool", (1.0, 0.7), (0.0, 0.0))
    trials = Trials()
    trials.know([Experiment("june", ARMS, metrics=("cost",), bandit=Bandit(0.1))])
    states = trials.turn(engine, NOW)
    assert states is not None
    assert states["june"].shares == pytest.approx((0.1, 0.9))
    assert states["june"].until == NOW / 1e6 + 600


FILE = """
[server]
port = 0
[ledger]
folder = "{folder}"
url = "{url}"
[providers.openai]
api_key = "k"
base_url = "{openai}"
[providers.anthropic]
api_key = "k"
base_url = "{anthropic}"
[routes.chat]
strategy = "experiment"
targets = ["openai:m", "anthropic:m"]
[routes.chat.experiment]
name = "june"
metrics = ["cost", "error"]
arms = [{{ name = "one", target = "openai:m" }}, {{ name = "two", target = "anthropic:m" }}]
"""


@pytest.fixture
def file(scripted: Any, tmp_path: Path) -> Path:
    one, other = scripted(lambda _: answers.chat("openai")), scripted(lambda _: answers.chat("anthropic"))
    path = tmp_path / "tsuji.toml"
    url = f"sqlite:///{tmp_path}/ledger.db"
    path.write_text(FILE.format(folder=tmp_path, url=url, openai=one.url + "/v1", anthropic=other.url))
    return path


@pytest.fixture
def tsuji(file: Path) -> Callable[..., str]:
    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["experiment", *words, "--config", str(file)])
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_what_is_stopped_by_command_is_over_in_a_running_gateway(file: Path, tsuji: Any) -> None:
    """And what the report, in each of its forms, says of it."""
    serving = start(load_config(file))
    try:
        for _ in range(20):
            answer = serving.ask(*asking.chat("openai", model="chat"))
            assert answer.headers["x-tsuji-experiment"].startswith("june; arm=")
        assert "'two' gets all requests" in tsuji("stop", "june", "--winner", "two", "--reason", "cheaper")
        until = time.monotonic() + 10
        while "x-tsuji-experiment" in answer.headers and time.monotonic() < until:
            time.sleep(0.05)
            answer = serving.ask(*asking.chat("openai", model="chat"))
        assert "x-tsuji-experiment" not in answer.headers
        assert {serving.ask(*asking.chat("openai", model="chat")).headers["x-tsuji-target"] for _ in range(8)} == {
            "anthropic:m"
        }
    finally:
        serving.stop()
    assert "It was stopped before" in tsuji("stop", "june")
    rows = json.loads(tsuji("list", "--json"))
    assert [(row["arm"], row["state"], row["route"]) for row in rows] == [
        ("one", "stopped by cli", "chat"),
        ("two", "stopped by cli", "chat"),
    ]
    assert sum(row["requests"] for row in rows) >= 20
    report = json.loads(tsuji("report", "june", "--json"))
    assert report["verdict"][0] == "The experiment is over; all requests go to 'two'."
    assert "It goes on" in tsuji("resume", "june")


def test_the_report_on_a_terminal_and_as_a_picture(file: Path, tsuji: Any, tmp_path: Path) -> None:
    settings = load_config(file)
    from tsuji.ledger.opening import opened

    engine = opened(settings)
    fill(engine, tmp_path / "filled", (1.0, 0.8), (0.01, 0.02))
    engine.dispose()
    text = tsuji("report", "june")
    assert "'two' costs less than 'one'" in text
    for part in ("cost: two minus one:", "error: two minus one:", "400", "●", "units"):
        assert part in text
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    picture = tmp_path / "june.png"
    assert "The picture is in" in tsuji("report", "june", "--png", str(picture))
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    assert width == 1320 and height > 700


def test_a_plan_says_how_many_and_that_it_was_checked() -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["experiment", "plan", *words])

    made = json.loads(run("--effect", "0.05", "--base", "0.6", "--runs", "300", "--json").output)
    assert made["units"][0] == made["units"][1] and made["total"] > made["once"]
    assert made["simulation"]["found"] >= 0.8 and made["simulation"]["false"] <= 0.05
    said = run("--effect", "0.5", "--deviation", "3", "--shares", "0.8,0.1,0.1", "--runs", "100").output
    assert "units in all" in said and "planned =" in said
    for wrong in (
        ["--effect", "1", "--base", "0.5"],
        ["--effect", "0.1"],
        ["--effect", "1", "--deviation", "1", "--shares", "x"],
    ):
        assert run(*wrong).exit_code == 2


def test_what_cannot_be_stopped(tsuji: Any) -> None:
    tsuji("stop", "june", "--arm", "one", code=2)
    tsuji("stop", "june", "--arm", "three", code=2)
    tsuji("stop", "june", "--arm", "two", "--winner", "one", code=2)
    assert "It had not been stopped" in tsuji("resume", "june", "--arm", "two")
