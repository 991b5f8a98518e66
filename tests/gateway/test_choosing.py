"""Which target the gateway asks, what it says of why, and what of that is written down."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Serving, config
from tests.ledger.records import record as ledger_record
from tests.scripted import Reply, Request
from tsuji.catalog.prices import Price
from tsuji.config import LedgerConfig
from tsuji.ledger import tables
from tsuji.ledger.record import decode, encode
from tsuji.routing import Route, Target
from tsuji.routing.hashing import hashed
from tsuji.routing.rules import Affinity, Allowance, Sticky

TARGET = "x-tsuji-target"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
Choosing = Callable[..., Serving]


@pytest.fixture
def choosing(serve: Any, scripted: Any) -> Choosing:
    """`choosing(route, ...)`: a gateway with two providers of OpenAI's dialect, "up" and "far"."""

    def one(*routes: Route, script: Any = None, **more: Any) -> Serving:
        urls = {name: ("openai", scripted(script or answers.chat("openai")).url) for name in ("up", "far")}
        settings = config(urls, **more)
        settings.routes.update({route.name: route for route in routes})
        return serve(settings)

    return one


def route(*targets: Target, strategy: str = "priority", **more: Any) -> Route:
    return Route("fast", targets, strategy, **more)


def ask(serving: Serving, headers: dict[str, str] | None = None, client: str = "openai", **more: Any) -> Answer:
    return serving.ask(*asking.chat(client, model="fast", **more), headers)


def why(answer: Answer) -> dict[str, Any]:
    return json.loads(answer.headers["x-tsuji-explain"])


WHY = {"x-tsuji-explain": "1"}


# Filters.


def test_capabilities_that_the_request_needs(choosing: Choosing) -> None:
    plain, able = Target("up", "plain", capabilities=frozenset()), Target("up", "able")
    serving = choosing(route(plain, able))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert ask(serving).headers[TARGET] == "up:plain"
    for more in (
        {"tools": [tool]},
        {"response_format": schema},
        {"reasoning_effort": "high"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}]},
    ):
        assert ask(serving, **more).headers[TARGET] == "up:able", more
    assert ask(serving, reasoning_effort="none").headers[TARGET] == "up:plain"
    claude = [{"name": "f", "input_schema": {"type": "object"}}]
    assert ask(serving, client="anthropic", tools=claude).headers[TARGET] == "up:able"


def test_where_no_target_is_able_the_client_is_told_which_field_it_is(choosing: Choosing) -> None:
    serving = choosing(route(Target("up", "plain", capabilities=frozenset())))
    refused = ask(serving, tools=[{"type": "function", "function": {"name": "f"}}])
    assert (refused.status, refused.headers["x-tsuji-error"]) == (400, "unsupported_parameter")
    error = refused.json()["error"]
    assert (error["param"], "up:plain has no tools" in error["message"]) == ("tools", True)


def test_a_prompt_that_is_too_long_goes_to_the_larger_window(choosing: Choosing) -> None:
    serving = choosing(route(Target("up", "small", context=1000), Target("up", "large", context=9000)))
    words = [{"role": "user", "content": "word " * 1000}]
    assert ask(serving).headers[TARGET] == "up:small"
    assert ask(serving, messages=words).headers[TARGET] == "up:large"
    assert ask(serving, max_tokens=2000).headers[TARGET] == "up:large"
    picture = [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}],
        }
    ]
    assert ask(serving, messages=picture).headers[TARGET] == "up:small"  # a picture is no text of its length
    longer = ask(serving, WHY, messages=[{"role": "user", "content": "word " * 9000}])
    assert (longer.status, longer.headers[TARGET]) == (200, "up:large")
    assert "the provider with the largest one will count" in why(longer)["note"]


def test_tags_and_data_policies_by_route_and_by_header(choosing: Choosing) -> None:
    here, there = Target("up", "here", tags=("eu",), data=("no_training",)), Target("far", "there", tags=("us",))
    serving = choosing(route(there, here), Route("strict", (there, here), require=("no_training",)))
    assert ask(serving).headers[TARGET] == "far:there"
    assert ask(serving, {"x-tsuji-require": "eu, no_training"}).headers[TARGET] == "up:here"
    assert serving.ask(*asking.chat("openai", model="strict")).headers[TARGET] == "up:here"
    refused = ask(serving, {"x-tsuji-require": "local_only"})
    assert (refused.status, refused.headers["x-tsuji-fault"]) == (403, "caller")
    direct = serving.ask(*asking.chat("openai", model="far:there"), {"x-tsuji-require": "eu"})
    assert direct.status == 403
    assert ask(serving, {"x-tsuji-require": ",".join("abcdefghijklmnopqrst")}).status == 400


def test_a_target_at_its_limit_is_passed_over_and_the_last_one_says_when(choosing: Choosing) -> None:
    serving = choosing(
        route(Target("up", "a", allowance=Allowance(rpm=2)), Target("far", "b", allowance=Allowance(tpm=100)))
    )
    found = [ask(serving, max_tokens=60) for _ in range(4)]
    assert [one.headers.get(TARGET) for one in found] == ["up:a", "up:a", "far:b", None]
    last = found[-1]
    assert (last.status, last.headers["x-tsuji-fault"]) == (429, "gateway")
    assert 1 <= int(last.headers["retry-after"]) <= 65
    assert "has had 2 requests in this minute, of 2" in last.json()["error"]["message"]


def test_requests_under_way_are_counted_until_they_end(choosing: Choosing) -> None:
    def slow(asked: Request) -> Reply:
        return Reply(answers.chat("openai").body, before=[0.5 if b"wait" in asked.body else 0.0])

    serving = choosing(route(Target("up", "a", allowance=Allowance(concurrent=1)), Target("far", "b")), script=slow)
    from tests.gateway.serving import request

    path, body = asking.chat("openai", model="fast", messages=[{"role": "user", "content": "wait"}])
    with serving.client() as first:
        first.send(request(path, body))
        while not any(health["in_flight"] for health in serving.gateway.health.facts(0.0).values()):
            time.sleep(0.005)
        assert ask(serving).headers[TARGET] == "far:b"
        assert first.read().headers[TARGET] == "up:a"
    assert ask(serving).headers[TARGET] == "up:a"


# Strategies.


def test_users_and_sessions_stay_with_their_target(choosing: Choosing) -> None:
    two = (Target("up", "a"), Target("far", "b"))
    serving = choosing(
        route(*two, strategy="weighted", sticky=Sticky("user")),
        Route("talk", two, "weighted", sticky=Sticky("session")),
    )
    users = [f"user-{at}" for at in range(12)]
    first = {user: ask(serving, user=user).headers[TARGET] for user in users}
    assert set(first.values()) == {"up:a", "far:b"}
    assert first == {user: ask(serving, user=user).headers[TARGET] for user in users}
    by_claude = {u: ask(serving, client="anthropic", metadata={"user_id": u}).headers[TARGET] for u in users}
    assert by_claude == first
    path, body = asking.chat("openai", model="talk")
    talks = {serving.ask(path, body, {"x-tsuji-session": "s1"}).headers[TARGET] for _ in range(6)}
    assert len(talks) == 1
    assert len({serving.ask(path, body, {"x-tsuji-session": str(at)}).headers[TARGET] for at in range(12)}) == 2


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_a_conversation_goes_where_it_began(client: str, choosing: Choosing) -> None:
    two = (Target("up", "a"), Target("far", "b"))
    serving = choosing(route(*two, strategy="least_busy", affinity=Affinity()))

    def turns(name: str, count: int) -> dict[str, Any]:
        said = [("user", name), ("assistant", "Yes?"), ("user", "And then?")][:count]
        if client == "gemini":
            roles = {"user": "user", "assistant": "model"}
            return {"contents": [{"role": roles[role], "parts": [{"text": text}]} for role, text in said]}
        if client == "bedrock":
            return {"messages": [{"role": role, "content": [{"text": text}]} for role, text in said]}
        if client == "responses":
            return {"input": [{"role": role, "content": text} for role, text in said]}
        return {"messages": [{"role": role, "content": text} for role, text in said]}

    def target(name: str, count: int) -> str:
        path, body = asking.chat(client, model="fast")
        answer = serving.ask(path, {**body, **turns(name, count)})
        assert answer.status == 200, answer.body
        return answer.headers[TARGET]

    first = {name: target(name, 1) for name in [f"Talk {at}" for at in range(8)]}
    assert len(set(first.values())) == 2
    assert {name: target(name, 3) for name in first} == first


def test_the_cheapest_is_asked_and_a_stream_too(choosing: Choosing) -> None:
    prices = {"up:a": Price(input=9, output=9_000_000), "far:b": Price(input=1, output=1_000_000)}
    serving = choosing(
        route(Target("up", "a"), Target("far", "b"), strategy="cost"),
        script=lambda asked: (
            answers.stream("openai") if b'"stream":true' in asked.body.replace(b" ", b"") else answers.chat("openai")
        ),
        prices=prices,
    )
    assert ask(serving).headers[TARGET] == "far:b"
    stream = ask(serving, WHY, stream=True)
    assert stream.headers[TARGET] == "far:b"
    record = why(stream)
    assert [one["target"] for one in record["candidates"]] == ["far:b", "up:a"]
    assert record["attempts"][0]["target"] == "far:b"


def test_shares_by_weight(choosing: Choosing) -> None:
    serving = choosing(route(Target("up", "a", weight=9), Target("far", "b", weight=1), strategy="weighted"))
    drawn = Counter(ask(serving).headers[TARGET] for _ in range(60))
    assert drawn["up:a"] > drawn["far:b"]
    draw = why(ask(serving, WHY))
    assert 0 <= draw["draw"] < 1
    assert draw["candidates"][0]["target"] == ("up:a" if draw["draw"] < 0.9 else "far:b")


# Explained.


def test_an_answer_says_why_if_it_is_asked(choosing: Choosing) -> None:
    def script(asked: Request) -> Reply:
        return answers.chat("openai") if b'"b"' in asked.body else Reply(b"{}", status=503)

    serving = choosing(route(Target("up", "a"), Target("up", "b"), Target("up", "c", tags=("eu",))), script=script)
    assert "x-tsuji-explain" not in ask(serving).headers
    assert "x-tsuji-explain" not in ask(serving, {"x-tsuji-explain": "0"}).headers
    record = why(ask(serving, WHY))
    assert (record["route"], record["strategy"]) == ("fast", "priority")
    assert [one["target"] for one in record["candidates"]] == ["up:a", "up:b", "up:c"]
    failed, answered = record["attempts"]
    assert (failed["target"], failed["error"], answered["target"]) == ("up:a", "upstream_unavailable", "up:b")
    assert 0 <= failed["began"] <= failed["ended"] <= answered["began"] <= answered["ended"]
    assert "error" not in answered


def test_an_error_says_why_too(choosing: Choosing) -> None:
    serving = choosing(route(Target("up", "a", tags=("eu",)), Target("far", "b")), script=Reply(b"{}", status=400))
    record = why(ask(serving, {**WHY, "x-tsuji-require": "eu"}))
    assert record["removed"] == [{"target": "far:b", "filter": "require", "reason": "is not 'eu'"}]
    assert record["attempts"][0]["error"] == "invalid_request"


def test_the_record_is_kept_with_the_usage(choosing: Choosing, tmp_path: Path) -> None:
    serving = choosing(
        route(Target("up", "a", capabilities=frozenset()), Target("far", "b"), strategy="least_busy"),
        Route("plain", (Target("up", "a"), Target("far", "b"))),
        ledger=LedgerConfig(folder=tmp_path),
    )
    told = why(ask(serving, WHY, tools=[{"type": "function", "function": {"name": "f"}}]))
    serving.ask(*asking.chat("openai", model="plain"))
    serving.stop()
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        rows = connection.execute(select(tables.usage.c.route, tables.usage.c.explain).order_by("time")).all()
    engine.dispose()
    (_, kept), (_, nothing) = rows
    assert nothing is None
    assert kept["removed"] == told["removed"] == [{"target": "up:a", "filter": "capability", "reason": "has no tools"}]
    assert kept["candidates"] == told["candidates"]
    assert kept["attempts"][0]["ended"] >= kept["attempts"][0]["began"]


def test_a_record_goes_through_the_spool() -> None:
    kept = ledger_record("r1", explain={"route": "fast", "candidates": [{"target": "up:a", "score": 0.5}]})
    assert decode(encode(kept)).explain == kept.explain


def test_a_long_record_is_cut_and_stays_json(choosing: Choosing) -> None:
    many = [Target("up", f"model-{at:03}-" + "é" * 40) for at in range(60)]
    answer = ask(choosing(route(*many, strategy="weighted")), WHY)
    assert len(answer.headers["x-tsuji-explain"]) <= 4096
    assert (why(answer)["cut"], len(why(answer)["attempts"])) == (True, 1)


def test_a_unit_of_any_length_counts(choosing: Choosing) -> None:
    two = (Target("up", "a"), Target("far", "b"))
    serving = choosing(route(*two, strategy="cost", sticky=Sticky("user")))
    for user in ("x" * 300_000, "日本" * 1000, ""):
        assert ask(serving, user=user).status == 200
    assert hashed(b"") != 0
