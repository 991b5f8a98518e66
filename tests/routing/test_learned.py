"""The learned policy: features, training on outcomes made up so that the best choice is known, files, decisions."""

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from benchmarks.learned_routing import judged, split
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import ConfigError, InvalidRequestError
from tsuji.routing.learned import decide, read_policy
from tsuji.routing.learned import train as training
from tsuji.routing.learned.curve import aiq, cost_at, hull, range_of
from tsuji.routing.learned.decide import group_for, predict
from tsuji.routing.learned.features import NAMES, features
from tsuji.routing.learned.fit import Data
from tsuji.routing.learned.train import Outcome, train

SHARED = Path(__file__).parents[3] / "shared" / "routing" / "outcomes.jsonl.gz"
MODELS = ("dear", "cheap", "cheap at sums")


def outcomes(count: int, seed: int = 0) -> list[Outcome]:
    """Sums are as safe with a cheap model; other questions need the dear one."""
    chance = random.Random(seed)
    made: list[Outcome] = []
    for number in range(count):
        is_sum = chance.random() < 0.5
        prompt = (
            f"What is {number} + {number * 7} * 3?" if is_sum else f"Tell me of the history of town {number}, please."
        )
        right = {"dear": 0.9, "cheap": 0.4, "cheap at sums": 0.9 if is_sum else 0.2}
        quality = {name: float(chance.random() < share) for name, share in right.items()}
        cost = {name: (10.0 if name == "dear" else 1.0) * (0.9 + 0.2 * chance.random()) for name in right}
        made.append(Outcome(prompt, "sum" if is_sum else "text", "made", quality, cost))
    return made


@pytest.fixture(scope="module")
def policy() -> Any:
    return train(outcomes(600), "d")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("task", [True, False])
def test_it_learns_which_model_is_worth_its_price(task: bool, policy: Any) -> None:
    known = policy if task else train([row._replace(task="") for row in outcomes(600)], "d")
    (group,) = known.groups
    assert group.learned
    assert group.metrics["gain_lower"] > 0
    held = outcomes(400, seed=1)
    at = 0.75
    chosen = [decide(group, predict(group, row.prompt, row.task if task else ""), at).model for row in held]
    cost = mean([row.cost[model] for row, model in zip(held, chosen, strict=True)])
    quality = mean([row.quality[model] for row, model in zip(held, chosen, strict=True)])
    dear = mean([row.quality["dear"] for row in held])
    assert quality > dear - 0.06
    assert cost < 8.5


def test_its_ends_are_the_cheapest_and_the_best(policy: Any) -> None:
    (group,) = policy.groups
    predicted = predict(group, "Tell me of the history of town 7, please.", "text")
    assert decide(group, predicted, 0.0).model != "dear"
    assert decide(group, predicted, 1.0).model == "dear"
    assert decide(group, predicted, 1.0, ["cheap"]).model == "cheap"
    assert decide(group, predicted, 1.0, ["another"]).model == "another"


def test_where_nothing_can_be_known_single_models_are_taken() -> None:
    chance = random.Random(3)
    rows = [
        Outcome(f"word {n} " * chance.randrange(1, 9), "", "", {m: chance.random() for m in MODELS},
                dict.fromkeys(MODELS, 1.0) | {"dear": 2.0})
        for n in range(300)
    ]  # fmt: skip
    (group,) = train(rows, "d").groups
    assert not group.learned
    assert all(stop.model is not None for stop in group.stops)


def test_a_task_that_is_not_named_is_guessed(policy: Any) -> None:
    (group,) = policy.groups
    for prompt, task in (("What is 12 + 84 * 3?", "sum"), ("Tell me of the history of town 7, please.", "text")):
        named, guessed = predict(group, prompt, task), predict(group, prompt)
        assert guessed.quality == pytest.approx(named.quality, abs=0.05)
        assert guessed.cost == pytest.approx(named.cost, rel=0.05)
    assert group.stretch >= 1


def test_a_prompt_unlike_those_of_the_training_is_noticed(policy: Any) -> None:
    (group,) = policy.groups
    assert not any(predict(group, row.prompt).strange for row in outcomes(100, seed=2))
    for prompt in ("def f(x):\n    return {x: [1]}\n" * 200, "東京" * 300, "{" * 9000):
        assert predict(group, prompt).strange


def test_what_prompts_are_worth_adds_up_to_aiq() -> None:
    chance = np.random.default_rng(4)
    quality, cost = chance.random((300, 4)) ** [1, 2, 3, 4], chance.random((300, 4)) / [1, 2, 4, 8]
    data = Data(quality, cost, np.zeros((300, 1)), np.zeros((300, 0)))
    prices = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0]
    likely = quality + chance.normal(0, 0.3, quality.shape)
    worth = training._worth(data, likely, cost, prices)
    expected = aiq(training._points(data, likely, cost, prices), range_of(training._means(data)))
    assert worth.mean() == pytest.approx(expected, abs=2e-3)


def test_one_answer_for_each_prompt_is_enough_where_the_model_was_drawn() -> None:
    chance = random.Random(5)
    rows = outcomes(1200)
    drawn = [(row, chance.choice(MODELS)) for row in rows]
    single = [row._replace(quality={m: row.quality[m]}, cost={m: row.cost[m]}) for row, m in drawn]
    (group,), (whole,) = train(single, "d").groups, train(rows, "d").groups
    assert group.learned
    assert group.metrics["aiq"] == pytest.approx(whole.metrics["aiq"], abs=0.05)
    assert group.metrics["gain_lower"] < whole.metrics["gain_lower"]


def test_a_model_of_few_outcomes_is_not_taken_for_the_best() -> None:
    chance = random.Random(6)
    rows = [row._replace(quality={m: row.quality[m]}, cost={m: row.cost[m]}) for row in outcomes(300)
            for m in [chance.choice(MODELS)]]  # fmt: skip
    lucky = [row._replace(quality={"lucky": 1.0}, cost={"lucky": 1.0}) for row in outcomes(2, seed=9)]
    (group,) = train([*rows, *lucky], "d").groups
    assert group.quality[group.models.index("lucky")] < group.quality[group.models.index("dear")]


def test_few_outcomes_and_missing_ones() -> None:
    few = outcomes(20)
    assert not train(few, "d").groups[0].learned
    ragged = [row._replace(quality={k: v for k, v in row.quality.items() if k != "cheap" or at % 3}) for at, row in
              enumerate(outcomes(300))]  # fmt: skip
    (group,) = train(ragged, "d").groups
    assert set(group.models) == set(MODELS)
    with pytest.raises(InvalidRequestError, match="two models"):
        train([Outcome("x", "", "", {"one": 1.0}, {"one": 1.0})], "d")


def test_a_policy_is_a_file(policy: Any) -> None:
    data = msgspec.json.encode(policy)
    assert read_policy(data, "p") == policy
    assert group_for(policy, ["dear"]).models == policy.groups[0].models


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(version=9),
        lambda d: d.update(features=["letters"]),
        lambda d: d.update(groups=[]),
        lambda d: d["groups"][0].update(models=[]),
        lambda d: d["groups"][0].update(stops=[]),
        lambda d: d["groups"][0].update(scale=[0.0] * len(NAMES)),
        lambda d: d["groups"][0].update(weights=[[1.0]]),
        lambda d: d["groups"][0]["stops"].append({"price": 1, "model": 99}),
        lambda d: d["groups"][0].update(quality="x"),
        lambda d: d.clear(),
    ],
)
def test_what_is_no_policy_is_refused(change: Any, policy: Any) -> None:
    document = json.loads(msgspec.json.encode(policy))
    change(document)
    with pytest.raises(ConfigError, match="tsuji router train"):
        read_policy(json.dumps(document).encode(), "p")


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"[" * 100_000, b"null", b'{"version":1}'])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        read_policy(data, "p")


@given(st.text(max_size=300))
def test_features_are_numbers_of_any_text(text: str) -> None:
    found = features(text)
    assert len(found) == len(NAMES)
    assert all(abs(number) < 1e6 for number in found)


def test_a_hull_rises_and_is_never_below_its_points() -> None:
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.8), (4.0, 0.82), (4.0, 0.9), (2.0, 0.6)]
    assert hull(points) == [(1.0, 0.5), (3.0, 0.8), (4.0, 0.9)]
    over = range_of([(1.0, 0.5), (4.0, 0.9)])
    assert aiq([(1.0, 0.5), (4.0, 0.9)], over) == pytest.approx(0.7)
    assert aiq(points, over) == pytest.approx((0.65 * 2 + 0.85) / 3)
    assert cost_at(points, over, 0.8 / 0.9) == pytest.approx(75.0)
    assert cost_at([(1.0, 0.5)], over, 0.95) is None


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")
def test_outcomes_of_others(tmp_path: Path) -> None:
    """By the commands, on prompts that it has not seen."""
    with gzip.open(SHARED, "rt") as lines:
        rows = [row for line in lines if (row := json.loads(line))["dataset"] == "pareto"]
    found, _, _ = judged(tmp_path, *split(rows, 0))
    for one in found:
        figures = {curve["name"]: curve["aiq"] for curve in one["curves"]}
        assert one["missing"] == 0
        assert figures["oracle"] > figures["policy"] > figures["single models"] > figures["random mix"]
