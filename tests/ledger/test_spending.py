"""Limits at the gateway: what is refused, what it says, and that the books balance."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Serving, config
from tests.ledger.test_limits import limit
from tests.ledger.test_virtual_keys import SECRET, made, now
from tests.scripted import Reply, Request, Scripted
from tsuji.catalog.prices import Price
from tsuji.config import LedgerConfig, Secret, Server
from tsuji.ledger import limitstore, tables
from tsuji.ledger.limits import Limit

DOLLAR = 1_000_000_000
PRICE = Price(input=0, output=1000 * DOLLAR)
"""A thousandth of a dollar for a token of the answer: the scripted one has five."""
CENTS = DOLLAR // 100


class Bank:
    """A gateway, its provider, and the ledger that it shares with the test."""

    def __init__(self, serving: Serving, provider: Scripted, engine: Engine) -> None:
        self.serving, self.provider, self.engine = serving, provider, engine

    def ask(self, shown: str | None = None, client: str = "openai", max_tokens: int | None = 10, **more: Any) -> Answer:
        path, body = asking.chat(client, model=more.pop("model", "fast"), **more)
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        return self.serving.ask(path, body, {"Authorization": f"Bearer {shown}"} if shown else {})

    def set(self, **more: Any) -> Limit:
        """And waits until the gateway knows."""
        one = limitstore.put(self.engine, limit(created=now(), **more))
        spending = self.serving.gateway.spending
        assert spending is not None
        until = time.monotonic() + 20
        while not any(one == found for group in list(spending._by.values()) for found in group):
            assert time.monotonic() < until
            time.sleep(0.01)
        return one

    def settled(self, of: Limit, spent: int, subject: str = "") -> None:
        """It comes to be booked, and nothing is held beside what is in hand."""
        until = time.monotonic() + 20
        while True:
            found = [s for s in limitstore.standings(self.engine, now()) if (s.limit.id, s.subject) == (of.id, subject)]
            if found and (found[0].spent, found[0].held) == (spent, 0):
                return
            assert time.monotonic() < until, found
            time.sleep(0.05)

    def cost(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.coalesce(func.sum(tables.usage.c.cost), 0))).scalar_one())


@pytest.fixture
def bank(serve: Any, scripted: Any, engine: Engine, url: str, tmp_path: Path) -> Callable[..., Bank]:
    def one(script: Any = None, routes: Any = None, prices: Any = None, **more: Any) -> Bank:
        provider = scripted(script or (lambda _: answers.chat("openai")))
        settings = config(
            {"up": ("openai", provider.url), "other": ("openai", provider.url)},
            routes or {"fast": ["up:quick"]},
            server=Server(port=0, secret=SECRET),
            ledger=LedgerConfig(url=Secret(url), folder=tmp_path / "home", **more),
            prices={"up:quick": PRICE, "other:quick": PRICE} if prices is None else prices,
        )
        return Bank(serve(settings), provider, engine)

    return one


def test_a_budget_is_spent_to_the_last_and_not_beyond(bank: Any) -> None:
    """Each request may cost a cent and costs half of one: of three cents, five requests are paid, and half is left."""
    gateway = bank()
    budget = gateway.set(amount=3 * CENTS, period="day")
    found = [gateway.ask() for _ in range(7)]
    assert [answer.status for answer in found] == [200] * 5 + [402] * 2
    told = found[-1]
    assert (told.headers["x-tsuji-fault"], told.headers["x-tsuji-error"]) == ("caller", "insufficient_funds")
    assert int(told.headers["retry-after"]) <= 86_400
    assert "$0.03 per day" in asking.error("openai", told.body)[1]
    assert gateway.ask(max_tokens=5).status == 200
    assert gateway.ask(max_tokens=5).status == 402
    assert len(gateway.provider.requests) == 6
    gateway.settled(budget, 3 * CENTS)
    assert gateway.cost() == 3 * CENTS


def test_requests_per_minute(bank: Any) -> None:
    gateway = bank()
    gateway.set(unit="requests", amount=2, period="60s")
    found = [gateway.ask() for _ in range(3)]
    assert [answer.status for answer in found] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in found] == ["1", "0", "0"]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in found} == {"2"}
    assert 50 <= int(found[-1].headers["retry-after"]) <= 66
    assert found[-1].headers["x-ratelimit-reset-requests"].endswith("s")
    anthropic = gateway.ask(client="anthropic")
    assert (anthropic.status, anthropic.headers["anthropic-ratelimit-requests-remaining"]) == (429, "0")
    assert anthropic.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert asking.error("anthropic", anthropic.body)[0] == "rate_limit_error"


def test_a_providers_own_rate_limits_are_not_mixed_with_ours(bank: Any) -> None:
    theirs = {"x-ratelimit-remaining-tokens": "77", "x-request-id": "theirs"}
    gateway = bank(lambda _: Reply(answers.chat("openai").body, headers=theirs))
    assert gateway.ask().headers["x-ratelimit-remaining-tokens"] == "77"
    gateway.set(unit="requests", amount=9, period="minute")
    answer = gateway.ask()
    assert "x-ratelimit-remaining-tokens" not in answer.headers
    assert answer.headers["x-request-id"] == "theirs"


def test_limits_stack_and_the_nearest_decides(bank: Any, engine: Engine) -> None:
    gateway = bank()
    shown, key = made(engine, user_id="ann", team_id="core")
    other, _ = made(engine, name="two", user_id="bob", team_id="core")
    gateway.set(amount=100 * CENTS)
    gateway.set(kind="team", subject="core", unit="requests", amount=5, period="day")
    own = gateway.set(kind="user", subject="*", unit="requests", amount=3, period="day")
    gateway.set(kind="key", subject=key.id, unit="requests", amount=4, period="day")
    until = time.monotonic() + 20
    while gateway.ask().status != 401:
        assert time.monotonic() < until
    before = len(gateway.provider.requests)
    assert [gateway.ask(shown).status for _ in range(4)] == [200] * 3 + [429]
    assert [gateway.ask(other).status for _ in range(3)] == [200] * 2 + [429]
    assert len(gateway.provider.requests) == before + 5
    gateway.settled(own, 3, "ann")
    gateway.settled(own, 2, "bob")


@pytest.mark.parametrize(("kind", "subject"), [("provider", "up"), ("target", "up:quick")])
def test_a_target_that_has_nothing_left_is_skipped(bank: Any, kind: str, subject: str) -> None:
    gateway = bank(routes={"fast": ["up:quick", "other:quick"]})
    gateway.set(kind=kind, subject=subject, unit="requests", amount=2, period="day")
    found = [gateway.ask() for _ in range(3)]
    assert [answer.headers["x-tsuji-target"] for answer in found] == ["up:quick", "up:quick", "other:quick"]
    gateway.set(kind="provider", subject="other", amount=0)
    assert gateway.ask().status == 402


def test_a_target_that_what_is_left_does_not_pay_for_is_passed_over(bank: Any) -> None:
    """Of three cents, a request to the first may cost two and costs one; to the second, a tenth of that."""
    prices = {"up:quick": Price(input=0, output=2000 * DOLLAR), "other:quick": Price(input=0, output=200 * DOLLAR)}
    gateway = bank(routes={"fast": ["up:quick", "other:quick"]}, prices=prices)
    gateway.set(amount=3 * CENTS, period="day")
    found = [gateway.ask() for _ in range(4)]
    assert [answer.headers["x-tsuji-target"] for answer in found] == ["up:quick"] * 2 + ["other:quick"] * 2
    beyond = gateway.ask(max_tokens=100)  # more than is left, at any target: the ledger says so
    assert (beyond.status, beyond.headers["x-tsuji-error"]) == (402, "insufficient_funds")


def test_concurrent_requests(bank: Any) -> None:
    def slow(_: Request) -> Reply:
        return Reply(answers.chat("openai").body, before=[1.0])

    gateway = bank(slow)
    gateway.set(unit="concurrent", amount=1)
    with gateway.serving.client() as client:
        path, body = asking.chat("openai", model="fast")
        from tests.gateway.serving import request

        client.send(request(path, body))
        until = time.monotonic() + 20
        while not gateway.provider.requests:
            assert time.monotonic() < until
            time.sleep(0.01)
        refused = gateway.ask()
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert client.read().status == 200
    assert gateway.ask().status == 200


def test_tokens(bank: Any) -> None:
    gateway = bank()
    one = gateway.set(unit="tokens", amount=300, period="day")
    answer = gateway.ask()
    assert answer.status == 200
    refused = gateway.ask(max_tokens=290)
    assert (refused.status, refused.headers["x-tsuji-error"]) == (429, "rate_limit")
    used = answer.json()["usage"]["total_tokens"]
    gateway.settled(one, used)
    assert gateway.ask(max_tokens=None).status == 429  # a default is more than all of it


def test_what_has_no_price(bank: Any) -> None:
    gateway = bank(prices={})
    budget = gateway.set(amount=CENTS)
    refused = gateway.ask()
    assert (refused.status, refused.headers["x-tsuji-error"]) == (403, "permission_denied")
    assert "the price of up:quick is not known" in asking.error("openai", refused.body)[1]
    gateway.set(amount=CENTS, unpriced="allow")
    assert gateway.ask().status == 200
    assert limitstore.standings(gateway.engine, now())[0].limit.id == budget.id


def test_a_soft_limit_only_says_so(bank: Any, caplog: Any) -> None:
    gateway = bank()
    budget = gateway.set(amount=10 * CENTS, soft=2 * CENTS)
    found = [gateway.ask() for _ in range(5)]
    assert [answer.status for answer in found] == [200] * 5
    assert "x-tsuji-budget" not in found[0].headers
    assert found[-1].headers["x-tsuji-budget"] == f"soft; limit={budget.id}"
    assert len([one for one in caplog.records if "soft limit" in one.getMessage()]) == 1


def test_a_cut_stream_is_billed_what_was_received(bank: Any) -> None:
    def cut(_: Request) -> Reply:
        whole = answers.stream("openai", ["word " * 8] * 10).body
        assert isinstance(whole, list)
        return Reply([*whole[:6], 0.05], content_type=answers.SSE, close=True)

    gateway = bank(cut)
    budget = gateway.set(amount=DOLLAR)
    answer = gateway.ask(stream=True, max_tokens=500)
    assert answer.status == 200
    said = "".join(
        [event["choices"][0]["delta"].get("content") or "" for event in answer.events() if "choices" in event]
    )
    assert said
    tokens = -(-len(said) // 4)
    gateway.settled(budget, tokens * DOLLAR // 1000)
    assert gateway.cost() == tokens * DOLLAR // 1000


def test_a_limit_is_raised_and_removed_within_a_second(bank: Any) -> None:
    gateway = bank()
    one = gateway.set(unit="requests", amount=1, period="day")
    assert [gateway.ask().status for _ in range(2)] == [200, 429]
    gateway.set(unit="requests", amount=2, period="day")
    assert [gateway.ask().status for _ in range(2)] == [200, 429]
    limitstore.remove(gateway.engine, one.id)
    until = time.monotonic() + 20
    while gateway.ask().status != 200:
        assert time.monotonic() < until
