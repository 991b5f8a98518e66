"""What an answer cost, as the gateway says it."""

import json
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.scripted import Reply
from tsuji.config import Config, LedgerConfig, ProviderConfig, Server
from tsuji.wire import DIALECTS, dialect

FLEX = (10 * 0.125 + 5 * 1) / 1e6
"""US dollars for what `answers` says was used."""


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_service_tier_sets_the_price(client: str, stream: bool, serve: Any, scripted: Any) -> None:
    """GPT-5 mini costs half in the flex tier: https://platform.openai.com/docs/pricing"""
    reply = (answers.stream if stream else answers.chat)("openai", model="gpt-5-mini")
    model, tier = b'"model": "gpt-5-mini"', b'"model": "gpt-5-mini", "service_tier": "flex"'
    plain = b'"service_tier": "default"'
    if stream:
        reply = Reply([step.replace(model, tier) for step in reply.body], content_type=answers.SSE)
    else:
        reply = Reply(reply.body.replace(plain, b'"service_tier": "flex"'))
    url = scripted(reply).url
    provider = ProviderConfig(base_url=url, api_key="k")
    gateway = serve(Config(Server(port=0), {"openai": provider}, ledger=LedgerConfig(enabled=False)))
    path, body = asking.chat(client, model="openai:gpt-5-mini", stream=stream)
    asked = {"service_tier": "flex"} if client == "openai" else {}
    answer = gateway.ask(path, body | asked)
    assert answer.status == 200, answer.body
    cost = answer.summary()["cost"] if stream else answer.headers["x-tsuji-cost"]
    assert json.loads(cost) == pytest.approx(FLEX)


@pytest.mark.parametrize("client", ["openai", "responses", "anthropic"])
@pytest.mark.parametrize("upstream", ["openai", "responses"])
def test_a_streams_own_word_for_its_tier_goes_before_what_was_asked(
    client: str, upstream: str, serve: Any, scripted: Any
) -> None:
    """A response says "auto" when it begins, and what that came to when it ends."""
    steps = list(answers.stream(upstream, model="gpt-5-mini").body)
    model = b'"model": "gpt-5-mini"'
    tiers = [b"auto"] * (len(steps) - 1) + [b"flex"] if upstream == "responses" else [b"flex"] * len(steps)
    said = [s.replace(model, model + b', "service_tier": "%b"' % t) for s, t in zip(steps, tiers, strict=True)]
    url = scripted(Reply(said, content_type=answers.SSE)).url
    gateway = serve(Config(providers={"openai": ProviderConfig(dialect=upstream, base_url=url, api_key="k")}))
    path, body = asking.chat(client, model="openai:gpt-5-mini", stream=True, service_tier="auto")
    answer = gateway.ask(path, body)
    assert answer.status == 200, answer.body
    assert json.loads(answer.summary()["cost"]) == pytest.approx(FLEX)


def test_a_tier_is_told_by_anthropic_and_google_too() -> None:
    anthropic = dialect("anthropic").stream_tail()
    usage = b'{"input_tokens":1,"output_tokens":1,"service_tier":"priority"}'
    anthropic.feed(b'data: {"type":"message_start","message":{"usage":%b}}\n\n' % usage)
    assert anthropic.tier == "priority"
    anthropic.feed(b'data: {"type":"message_delta","usage":{"output_tokens":5}}\n\n')
    assert (anthropic.tier, anthropic.usage and anthropic.usage.output_tokens) == ("priority", 5)
    gemini = dialect("gemini").stream_tail()
    gemini.feed(b'data: {"usageMetadata":{"promptTokenCount":1,"serviceTier":"FLEX"}}\n\n')
    assert gemini.tier == "flex"


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("tier", [b"5", b"null", b'""', b"{}", b'["flex"]'])
def test_a_tier_of_another_type_is_none(name: str, tier: bytes) -> None:
    tail = dialect(name).stream_tail()
    event = b'{"service_tier":%b,"usage":{"service_tier":%b},"usageMetadata":{"serviceTier":%b}}' % (tier, tier, tier)
    wrapped = b'{"type":"response.completed","response":%b,"message":%b,"done":true}' % (event, event)
    for payload in (event, wrapped):
        tail.feed(payload + b"\n" if name == "ollama" else b"data: %b\n\n" % payload)
    assert (tail.tier, tail.failed) == (None, False)


@pytest.mark.parametrize("client", ["openai", "cohere"])
@pytest.mark.parametrize("stream", [False, True])
def test_cohere_bills_less_than_the_model_reads(client: str, stream: bool, serve: Any, scripted: Any) -> None:
    """Command A: $2.50 and $10 for a million tokens that are billed (https://cohere.com/pricing)."""
    reply = (answers.stream if stream else answers.chat)("cohere", prompt=1452, output=33, cached=144)
    whole = b'"billed_units": {"input_tokens": 1452, "output_tokens": 33}'
    billed = b'"billed_units": {"input_tokens": 33, "output_tokens": 22}'
    steps = [step.replace(whole, billed) for step in (reply.body if stream else [reply.body])]
    url = scripted(Reply(steps if stream else steps[0], content_type=reply.content_type)).url
    gateway = serve(Config(providers={"cohere": ProviderConfig(base_url=url, api_key="k")}))
    answer = gateway.ask(*asking.chat(client, model="cohere:command-a-03-2025", stream=stream))
    assert answer.status == 200, answer.body
    cost = answer.summary()["cost"] if stream else answer.headers["x-tsuji-cost"]
    assert json.loads(cost) == pytest.approx((33 * 2.5 + 22 * 10) / 1e6)
    if not stream:
        assert asking.usage(client, answer) == (1452, 33)


def test_voyage_gives_the_total_alone(serve: Any, scripted: Any) -> None:
    """voyage-3.5: $0.06 for a million tokens (https://docs.voyageai.com/docs/pricing)."""
    reply = answers.embeddings("openai", packed=True)
    assert isinstance(reply.body, bytes)
    provider = scripted(Reply(reply.body.replace(b'"prompt_tokens": 3, "total_tokens": 3', b'"total_tokens": 300')))
    gateway = serve(Config(providers={"voyage": ProviderConfig(base_url=provider.url, api_key="k")}))
    body = {"model": "voyage:voyage-3.5", "input": "a", "dimensions": 2, "encoding_format": "base64"}
    answer = gateway.ask("/v1/embeddings", body | {"input_type": "query"})
    assert provider.last.json() == {
        "model": "voyage-3.5",
        "input": "a",
        "output_dimension": 2,
        "encoding_format": "base64",
        "input_type": "query",
    }
    assert json.loads(answer.headers["x-tsuji-cost"]) == pytest.approx(300 * 0.06 / 1e6)
    translated = gateway.ask("/v2/embed", {"model": "voyage:voyage-3.5", "texts": ["a"], "input_type": "search_query"})
    assert provider.last.json() == {"model": "voyage-3.5", "input": ["a"], "input_type": "query"}
    assert translated.json()["embeddings"] == {"float": [[0.5, -0.25]]}
    assert json.loads(translated.headers["x-tsuji-cost"]) == pytest.approx(300 * 0.06 / 1e6)
