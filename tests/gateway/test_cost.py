"""What an answer cost, as the gateway says it."""

import json
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.scripted import Reply
from tsuji import Config
from tsuji.config import ProviderConfig


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
    gateway = serve(Config(providers={"openai": provider}))
    path, body = asking.chat(client, model="openai:gpt-5-mini", stream=stream)
    asked = {"service_tier": "flex"} if client == "openai" else {}
    answer = gateway.ask(path, body | asked)
    assert answer.status == 200, answer.body
    cost = answer.summary()["cost"] if stream else answer.headers["x-tsuji-cost"]
    assert json.loads(cost) == pytest.approx((10 * 0.125 + 5 * 1) / 1e6)
