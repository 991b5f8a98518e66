"""What an answer cost."""

import pytest

from tests import answers
from tests.client.conftest import HI
from tests.scripted import Scripted
from tsuji import Client


@pytest.mark.parametrize("stream", [False, True])
def test_the_service_tier_sets_the_price(stream):
    """GPT-5 mini costs half in the flex tier: https://platform.openai.com/docs/pricing"""
    if stream:
        tier = b'"model": "gpt-5-mini", "service_tier": "flex"'
        reply = answers.stream("openai", model="gpt-5-mini")
        reply.body = [step.replace(b'"model": "gpt-5-mini"', tier) for step in reply.body]
    else:
        reply = answers.chat("openai", model="gpt-5-mini")
        reply.body = reply.body.replace(b'"service_tier": "default"', b'"service_tier": "flex"')
    with Scripted(reply) as server, Client(api_key="k", api_base=server.url) as client:
        r = client.completion("openai:gpt-5-mini", HI, stream=stream)
        if stream:
            r.response()
        assert r.tsuji.cost_nano == 10 * 125 + 5 * 1000  # 0.125 and 1 dollars per million tokens
