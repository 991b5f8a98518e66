"""Who shares answers with whom: nothing that one client made is given to another beyond the route's scope."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.cache.conftest import Cached
from tests.gateway import asking
from tests.ledger.test_virtual_keys import SECRET, made
from tsuji.config import CacheRule, LedgerConfig, Secret, Server
from tsuji.ledger.database import ready

KEYS = {
    "ann": {"user_id": "ann", "team_id": "core"},
    "ann's other": {"user_id": "ann", "team_id": "core"},
    "bob": {"user_id": "bob", "team_id": "core"},
    "eve": {"user_id": "eve", "team_id": "sales"},
    "nobody": {},
}
SHARED: dict[str, set[tuple[str, str]]] = {
    "key": set(),
    "user": {("ann", "ann's other")},
    "team": {("ann", "ann's other"), ("ann", "bob")},
    "all": {("ann", name) for name in KEYS if name != "ann"},
}


@pytest.fixture
def keyed(cached: Any, tmp_path: Path) -> Any:
    """`keyed(rule, ...) -> (gateway, what each key shows)`."""

    def one(rule: CacheRule, **more: Any) -> tuple[Cached, dict[str, str]]:
        url = f"sqlite:///{tmp_path}/ledger.db"
        engine = ready(url)
        shown = {name: made(engine, name, **owner)[0] for name, owner in KEYS.items()}
        engine.dispose()
        settings = {
            "server": Server(port=0, secret=SECRET, keys=["configured-key-one", "configured-key-two"]),
            "ledger": LedgerConfig(url=Secret(url), folder=tmp_path / "home"),
        }
        gateway = cached("openai", lambda r: answers.chat("openai", f"answer {r.number}"), rule, **settings, **more)
        return gateway, shown

    return one


def ask(gateway: Cached, key: str, **more: Any) -> str:
    answer = gateway.ask(*asking.chat("openai", "r", **more), {"Authorization": f"Bearer {key}"})
    gateway.settle()
    assert answer.status == 200, answer.body
    return answer.headers["x-tsuji-cache"]


@pytest.mark.parametrize("scope", SHARED)
def test_scopes(scope: str, keyed: Any) -> None:
    gateway, shown = keyed(CacheRule(scope=scope))
    assert ask(gateway, shown["ann"]) == "miss"
    assert ask(gateway, shown["ann"]) == "hit"
    for name in KEYS:
        if name != "ann":
            assert ask(gateway, shown[name]) == ("hit" if ("ann", name) in SHARED[scope] else "miss"), name


def test_keys_of_the_configuration_are_told_apart(keyed: Any) -> None:
    gateway, _ = keyed(CacheRule())
    words = [ask(gateway, f"configured-key-{which}") for which in ("one", "two", "one", "two")]
    assert words == ["miss", "miss", "hit", "hit"]


def test_a_key_that_is_not_for_the_route_gets_nothing_of_it(keyed: Any, tmp_path: Path) -> None:
    gateway, _ = keyed(CacheRule(scope="all"))
    assert ask(gateway, "configured-key-one") == "miss"
    engine = ready(f"sqlite:///{tmp_path}/ledger.db")
    other, _ = made(engine, "other", models=("elsewhere",))
    engine.dispose()
    answer = None
    deadline = time.monotonic() + 20
    while (answer is None or answer.status == 401) and time.monotonic() < deadline:
        answer = gateway.ask(*asking.chat("openai", "r"), {"Authorization": f"Bearer {other}"})
    assert answer is not None and answer.status == 403


def test_two_routes_share_nothing(cached: Any) -> None:
    rules = {"s": CacheRule(), "t": CacheRule()}
    gateway = cached("openai", answers.chat("openai"), rules=rules, routes={"s": ["up:m"], "t": ["up:m"]})
    for model in ("r", "s", "t"):
        assert gateway.ask(*asking.chat("openai", model)).headers["x-tsuji-cache"] == "miss"
        gateway.settle()


def test_what_else_a_client_asks_of_the_provider_counts(cached: Any) -> None:
    gateway = cached("anthropic", answers.chat("anthropic"))
    for headers, word in (({}, "miss"), ({"anthropic-beta": "x-2026"}, "miss"), ({"anthropic-beta": "x-2026"}, "hit")):
        assert gateway.ask(*asking.chat("anthropic", "r"), headers).headers["x-tsuji-cache"] == word
        gateway.settle()


def test_another_dialect_is_another_answer(cached: Any) -> None:
    gateway = cached("openai", answers.chat("openai"))
    for client in asking.DIALECTS:
        assert gateway.ask(*asking.chat(client, "r")).headers["x-tsuji-cache"] == "miss"
        gateway.settle()
    mistral = {"user-agent": "mistral-client-python/1.9"}
    assert gateway.ask(*asking.chat("openai", "r"), mistral).headers["x-tsuji-cache"] == "miss"
