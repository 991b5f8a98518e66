"""A route with a learned policy, in the gateway and in the library: who is asked, why, and what feedback does."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config
from tests.routing.test_learned import outcomes
from tsuji import InvalidRequestError, Router
from tsuji.config import LedgerConfig
from tsuji.routing import Route, Target
from tsuji.routing.learned.policy import Policy
from tsuji.routing.learned.rule import Rule, known
from tsuji.routing.learned.train import train

SUM = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 12 + 84 * 3?"}]
STORY = [{"role": "user", "content": "Tell me of the history of town 12, please."}]
TARGET, WHY = "x-tsuji-target", {"x-tsuji-explain": "1"}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return train(outcomes(600), "d")


def fast(policy: Policy, **more: Any) -> Route:
    targets = Target("up", "dear"), Target("far", "cheap at sums")
    return Route("fast", targets, "learned", learned=Rule(*known(policy, targets), tolerance=0.15, explore=0.0, **more))


def test_the_gateway_asks_who_is_worth_it_and_says_why(
    serve: Any, scripted: Any, policy: Policy, tmp_path: Path
) -> None:
    urls = {name: ("openai", scripted(answers.chat("openai")).url) for name in ("up", "far")}
    settings = config(urls, ledger=LedgerConfig(folder=tmp_path))
    settings.routes["fast"] = fast(policy)
    serving = serve(settings)

    def ask(messages: Any, headers: dict[str, str] = WHY) -> Any:
        answer = serving.ask(*asking.chat("openai", model="fast", messages=messages), headers)
        assert answer.status == 200, answer.body
        return answer

    assert ask(SUM).headers[TARGET] == "far:cheap at sums"
    story = ask(STORY, {**WHY, "x-tsuji-task": "text"})
    assert story.headers[TARGET] == "up:dear"
    record = json.loads(story.headers["x-tsuji-explain"])
    assert (record["strategy"], record["needs"]["task"]) == ("learned", "text")
    assert "predicted, within 0.15 of the best" in record["candidates"][0]["reason"]
    for _ in range(40):  # sums have become too hard for it
        answer = ask(SUM)
        if answer.headers[TARGET] == "up:dear":
            break
        said = {"request_id": answer.headers["x-tsuji-request-id"], "value": False}
        assert serving.ask("/v1/feedback", said).status == 202
    assert answer.headers[TARGET] == "up:dear"
    claude = serving.ask(*asking.chat("anthropic", model="fast", messages=STORY))
    assert claude.headers[TARGET] == "up:dear"


def test_the_library_does_the_same(scripted: Any, policy: Policy, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(msgspec.json.encode(policy))
    server = scripted(answers.chat("openai"))
    table = {
        "strategy": "learned",
        "policy": str(file),
        "tolerance": 0.15,
        "explore": 0,
        "targets": ["here:dear", "here:cheap at sums"],
    }
    here = {"here": {"dialect": "openai", "base_url": server.url, "api_key": "k"}}
    with Router({"fast": table}, providers=here) as router:
        assert router.completion("fast", SUM).tsuji.target == "here:cheap at sums"
        answer = router.completion("fast", STORY, task="text")
        assert answer.tsuji.target == "here:dear"
        assert answer.tsuji.explain()["needs"]["task"] == "text"
        assert b"task" not in server.last.body
        with pytest.raises(InvalidRequestError):
            answer.tsuji.feedback(2)
        assert [answer.tsuji.feedback(1.0), answer.tsuji.feedback(1.0)] == [True, False]
        for _ in range(40):
            answer = router.completion("fast", SUM)
            if not answer.tsuji.target.endswith("sums"):
                break
            answer.tsuji.feedback(0.0)
        assert answer.tsuji.target == "here:dear"
        direct = router.completion("here:dear", SUM)
        assert not direct.tsuji.feedback(1.0)
