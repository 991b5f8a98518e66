"""What feedback teaches of targets that change after the policy was trained."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tsuji.routing import Route, Target
from tsuji.routing.choice import Candidate, Choice
from tsuji.routing.learned.drift import DOUBT, Drift, Served, lane, served

TRUE = {"a": (0.85, 0.55), "b": (0.70, 0.80)}
"""Quality at the beginning, and after half of the requests."""
COUNT = 4000


def run(drift: Drift | None, share: float, seed: int) -> float:
    """The mean quality of who was asked, by what was predicted in the beginning and the drift, with 5 % explored."""
    chance, total = Random(seed), 0.0
    for at in range(COUNT):
        score = {
            name: qualities[0] + (0.0 if drift is None else drift.offset("r", name)) for name, qualities in TRUE.items()
        }
        taken = max(score, key=lambda name: score[name])
        if chance.random() < 0.05:
            taken = chance.choice("ab")
        quality = TRUE[taken][at >= COUNT // 2]
        total += quality
        if drift is not None and chance.random() < share:
            drift.learn(Served("r", taken, TRUE[taken][0]), float(chance.random() < quality))
    return total / COUNT


def test_it_follows_models_that_change() -> None:
    hindsight = (TRUE["a"][0] + TRUE["b"][1]) / 2
    for share, at_least in ((1.0, 0.85), (0.1, 0.65)):
        frozen = sum([run(None, share, seed) for seed in range(5)]) / 5
        following = sum([run(Drift(), share, seed) for seed in range(5)]) / 5
        assert following - frozen > at_least * (hindsight - frozen), (share, frozen, following, hindsight)


def test_where_nothing_changes_nothing_is_lost() -> None:
    chance, drift = Random(7), Drift()
    for _ in range(3000):
        drift.learn(Served("r", "a", 0.8), float(chance.random() < 0.8))
        drift.learn(Served("r", "b", 0.6), float(chance.random() < 0.6))
    assert abs(drift.offset("r", "a")) < 0.15
    assert abs(drift.offset("r", "b")) < 0.15
    assert drift.offset("another", "a") == 0.0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1), st.floats(-9, 9)), max_size=60))
def test_an_offset_stays_within_what_was_said(said: list[tuple[str, float, float]]) -> None:
    drift = Drift()
    for target, predicted, quality in said:
        drift.learn(Served("r", target, predicted), quality)
    for target in "ab":
        assert -1.0 <= drift.offset("r", target) <= 1.0


def test_an_opinion_counts_once_and_of_its_own_key_only() -> None:
    drift = Drift(most=2)
    for id in ("1", "2", "3"):
        drift.remember(id, Served("r", "a", 0.5, "mine"))
    assert [drift.hear("1", "mine", 1.0), drift.hear("2", "another", 1.0)] == [False, False]
    assert [drift.hear("2", "mine", 1.0), drift.hear("2", "mine", 1.0)] == [True, False]
    assert 0 < drift.offset("r", "a") <= DOUBT / (DOUBT + 0.25) * 0.5


def test_only_what_was_predicted_can_be_learned_of() -> None:
    route = Route("r", (Target("p", "a"), Target("p", "b")))
    choice = Choice("learned", (Candidate(Target("p", "a"), 1.0, "", 0.7), Candidate(Target("p", "b"))))
    assert served(route, choice, "p:a", "k") == Served(lane(route), "p:a", 0.7, "k")
    assert served(route, choice, "p:b") is None
    assert served(route, choice, None) is None
