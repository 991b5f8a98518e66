"""What a gateway does with a request on a route with an experiment."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config
from tests.ledger.test_gateway import PRICE, Booked
from tests.scripted import Reply
from tsuji.config import LedgerConfig
from tsuji.ledger import tables
from tsuji.routing import Route, Target
from tsuji.routing.experiment import Arm, Experiment, Judge, assign

ARMS = (Arm("one", 0), Arm("two", 1))


@pytest.fixture
def tried(serve: Any, scripted: Any, tmp_path: Path) -> Callable[..., Booked]:
    """`tried(experiment, openai=script, ...)`: the route "chat" has the experiment, its targets in that order."""

    def one(experiment: Experiment, **providers: Any) -> Booked:
        known = {name: (name, scripted(script).url) for name, script in providers.items()}
        settings = config(known, ledger=LedgerConfig(folder=tmp_path), prices={f"{name}:m": PRICE for name in known})
        targets = tuple([Target(name, "m") for name in known])
        settings.routes["chat"] = Route("chat", targets, strategy="experiment", experiment=experiment)
        return Booked(serve(settings), tmp_path)

    return one


def settled(gateway: Booked, count: int) -> list[dict[str, Any]]:
    """Its records, once what is asked beside the clients has been answered."""
    mirror, until = gateway.serving.gateway.mirror, time.monotonic() + 10

    async def idle() -> bool:
        return not (mirror._drivers or mirror._judging)

    time.sleep(0.05)
    while not gateway.serving.call(idle()) and time.monotonic() < until:
        time.sleep(0.02)
    found = gateway.rows()
    assert len(found) == count, [(row["arm"], row["shadow_of"], row["route"], row["status"]) for row in found]
    return found


def test_a_user_stays_in_an_arm_and_the_record_says_which(tried: Any) -> None:
    experiment = Experiment("june", ARMS, unit="user", window=60)
    gateway = tried(experiment, openai=answers.chat("openai"), anthropic=answers.chat("anthropic"))
    expected = list[Any]()
    for number in range(12):
        user = f"user{number % 6}"
        arm = assign(experiment, user, 0.0, lambda: 0.5)
        answer = gateway.ask(*asking.chat("openai", model="chat", user=user))
        target = ("openai:m", "anthropic:m")[arm.arm]
        assert answer.headers["x-tsuji-target"] == target
        assert answer.headers["x-tsuji-experiment"] == f"june; arm={ARMS[arm.arm].name}"
        expected.append(("june", ARMS[arm.arm].name, arm.unit, 0.5, target))
    rows = gateway.rows()
    names = ("experiment", "arm", "unit", "share", "target")
    assert [tuple([row[name] for name in names]) for row in rows] == expected
    assert {row["arm"] for row in rows} == {"one", "two"}


def test_without_a_user_the_control_answers_and_nothing_counts(tried: Any) -> None:
    gateway = tried(
        Experiment("june", ARMS, unit="user", window=60),
        openai=answers.chat("openai"),
        anthropic=answers.chat("anthropic"),
    )
    assert gateway.ask(*asking.chat("openai", model="chat")).headers["x-tsuji-target"] == "openai:m"
    assert gateway.row()["experiment"] is None


def test_the_other_arm_answers_where_one_fails(tried: Any) -> None:
    gateway = tried(
        Experiment("june", (Arm("one", 0, 1.0), Arm("two", 1, 0.0))),
        openai=answers.error("openai", 500),
        anthropic=answers.chat("anthropic"),
    )
    answer = gateway.ask(*asking.chat("openai", model="chat"))
    assert (answer.status, answer.headers["x-tsuji-target"]) == (200, "anthropic:m")
    row = gateway.row()
    assert (row["arm"], row["target"], row["status"]) == ("one", "anthropic:m", "done")


@pytest.mark.parametrize(("client", "stream"), [("openai", True), ("anthropic", False), ("gemini", True)])
def test_a_shadow_is_asked_the_same_and_its_answer_is_recorded_only(client: str, stream: bool, tried: Any) -> None:
    asked: list[Any] = []

    def shadow(request: Any) -> Reply:
        asked.append(request)
        return answers.stream("anthropic", ["sha", "dow"]) if stream else answers.chat("anthropic", "shadow")

    gateway = tried(
        Experiment("june", (Arm("one", 0), Arm("dark", 1, 1.0, shadow=True))),
        openai=lambda _: answers.stream("openai") if stream else answers.chat("openai"),
        anthropic=shadow,
    )
    answer = gateway.ask(*asking.chat(client, model="chat", stream=stream))
    assert answer.status == 200 and b"shadow" not in answer.body
    rows = settled(gateway, 2)
    mine, dark = sorted(rows, key=lambda row: row["shadow_of"] or "")
    assert (mine["arm"], mine["target"], mine["shadow_of"]) == ("one", "openai:m", None)
    assert (dark["arm"], dark["target"], dark["shadow_of"]) == ("dark", "anthropic:m", mine["id"])
    assert (dark["status"], dark["cost"], dark["key_id"], dark["stream"]) == ("done", 60_000, None, stream)
    assert dark["tags"] == ["experiment:june", f"request:{mine['id']}"]
    assert len(asked) == 1 and b'"hi"' in asked[0].body


def test_a_shadow_that_hangs_or_fails_is_nobodys_trouble(tried: Any) -> None:
    """And no more of them are under way than are allowed; the others are left out."""
    release = threading.Event()

    def shadow(_: Any) -> Reply:
        release.wait(10)
        return answers.error("anthropic", 500)

    gateway = tried(
        Experiment("june", (Arm("one", 0), Arm("dark", 1, 1.0, shadow=True)), shadows=2),
        openai=lambda _: answers.chat("openai"),
        anthropic=shadow,
    )
    for _ in range(5):
        assert gateway.ask(*asking.chat("openai", model="chat")).status == 200
    assert gateway.serving.gateway.mirror.skipped == 3
    release.set()
    rows = settled(gateway, 7)
    assert sorted([row["status"] for row in rows if row["shadow_of"]]) == ["failed", "failed"]


def test_what_is_mirrored_when_the_gateway_stops_is_recorded(tried: Any) -> None:
    release = threading.Event()

    def shadow(_: Any) -> Reply:
        release.wait(10)
        return answers.chat("anthropic")

    gateway = tried(
        Experiment("june", (Arm("one", 0), Arm("dark", 1, 1.0, shadow=True))),
        openai=lambda _: answers.chat("openai"),
        anthropic=shadow,
    )
    gateway.ask(*asking.chat("openai", model="chat"))
    time.sleep(0.1)
    rows = gateway.rows()
    release.set()
    assert sorted([row["status"] for row in rows]) == ["cancelled", "done"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_judge_scores_the_answer(stream: bool, tried: Any, tmp_path: Path) -> None:
    questions: list[str] = []

    def judge(request: Any) -> Reply:
        questions.append(json.dumps(request.json()))
        return answers.chat("anthropic", "7.5 of 10")

    experiment = Experiment(
        "june", (Arm("one", 0), Arm("two", 0)), metrics=("judge",), judge=Judge("anthropic:m", 1.0, "Is it polite?")
    )
    gateway = tried(
        experiment,
        openai=lambda _: (
            answers.stream("openai", ["canary", "-answer"]) if stream else answers.chat("openai", "canary-answer")
        ),
        anthropic=judge,
    )
    answer = gateway.ask(*asking.chat("openai", model="chat", stream=stream))
    assert answer.status == 200
    settled(gateway, 2)
    (said,) = gateway.rows(tables.feedback)
    assert (said["request_id"], said["source"], said["value"]) == (answer.headers["x-tsuji-request-id"], "judge", 0.75)
    assert len(questions) == 1
    assert all(text in questions[0] for text in ("Is it polite?", "user: hi", "canary-answer"))
    assert b"canary" not in b"".join([file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()])


def test_the_judge_that_has_no_number_leaves_no_score(tried: Any) -> None:
    experiment = Experiment("june", (ARMS[0], Arm("two", 0)), metrics=("judge",), judge=Judge("anthropic:m", 1.0))
    gateway = tried(experiment, openai=answers.chat("openai"), anthropic=answers.chat("anthropic", "11"))
    gateway.ask(*asking.chat("openai", model="chat"))
    settled(gateway, 2)
    assert gateway.rows(tables.feedback) == []


def test_what_is_asked_for_directly_is_in_no_experiment(tried: Any) -> None:
    gateway = tried(Experiment("june", ARMS), openai=answers.chat("openai"), anthropic=answers.chat("anthropic"))
    answer = gateway.ask(*asking.chat("openai", model="openai:m"))
    assert "x-tsuji-experiment" not in answer.headers
    assert gateway.row()["experiment"] is None
