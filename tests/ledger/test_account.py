"""What a worker has in memory: the most that a request can cost, what a stream has said, what it asks for."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import answers
from tests.gateway import asking
from tests.ledger.test_limits import limit
from tsuji.catalog.prices import Price, Rates, Tier, cost
from tsuji.config import Config
from tsuji.core.usage import Usage
from tsuji.gateway.account import Account
from tsuji.gateway.ceiling import DEFAULT_OUTPUT, Ceilings, Size, size_of
from tsuji.gateway.heard import Heard
from tsuji.ledger.asks import Granted
from tsuji.routing import Route, Target
from tsuji.wire.passthrough import decode_fields

LONG: dict[str, dict[str, Any]] = {
    "openai": {"max_tokens": 7, "max_completion_tokens": 70},
    "responses": {"max_output_tokens": 70},
    "anthropic": {"max_tokens": 70},
    "gemini": {"generationConfig": {"maxOutputTokens": 70}},
    "ollama": {"options": {"num_predict": 70}},
    "cohere": {"max_tokens": 70},
    "bedrock": {"inferenceConfig": {"maxTokens": 70}},
}


def size(dialect: str, body: dict[str, Any]) -> Size:
    data = json.dumps(body).encode()
    return size_of(dialect, "chat", decode_fields(data), len(data))


@pytest.mark.parametrize("dialect", LONG)
def test_how_long_an_answer_may_be(dialect: str) -> None:
    _, body = asking.chat(dialect)
    for name in LONG[dialect]:
        body.pop(name, None)
    assert size(dialect, body).output == DEFAULT_OUTPUT
    assert size(dialect, body | LONG[dialect]) == (len(json.dumps(body | LONG[dialect])), 70)


def test_several_answers() -> None:
    assert size("openai", {"max_tokens": 7, "n": 3}).output == 21
    assert size("gemini", {"generationConfig": {"maxOutputTokens": 7, "candidateCount": 2}}).output == 14


@pytest.mark.parametrize("wrong", ["-1", "1.5", '"9"', "null", "[9]", "1e3", "9999999999"])
def test_what_is_no_length(wrong: str) -> None:
    fields = decode_fields(b'{"max_tokens": %b, "n": %b}' % (wrong.encode(), wrong.encode()))
    assert size_of("openai", "chat", fields, 10).output == DEFAULT_OUTPUT


rates = st.integers(0, 10**11)
optional = st.none() | rates
RATES = {
    "input": rates,
    "output": rates,
    "cache_read": optional,
    "cache_write": optional,
    "cache_write_1h": optional,
    "audio_input": optional,
    "audio_output": optional,
    "reasoning": optional,
    "per_request": st.integers(0, 10**6),
}
TIERS = st.lists(st.builds(Tier, above=st.integers(0, 500), rates=st.builds(Rates, **RATES)), max_size=2)


@settings(deadline=None)
@given(
    st.builds(Price, **RATES, tiers=TIERS.map(lambda found: tuple(sorted(found, key=lambda tier: tier.above)))),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.data(),
)
def test_nothing_costs_more_than_its_ceiling(price: Price, read: int, said: int, data: Any) -> None:
    route = Route("r", (Target("up", "m"),))
    ceiling = Ceilings(_config(price)).of(route, None, 0.0)
    of_input, of_output = st.integers(0, read), st.integers(0, said)
    written = data.draw(of_input)
    usage = Usage(
        input_tokens=read,
        output_tokens=said,
        cached_tokens=data.draw(st.integers(0, read - written)),
        cache_write_tokens=written,
        cache_write_1h_tokens=data.draw(st.integers(0, written)),
        audio_input_tokens=data.draw(of_input),
        reasoning_tokens=data.draw(of_output),
    )
    used, most = cost(price, usage), ceiling.usd(Size(read, said))
    assert most is not None
    if used is not None:
        assert used <= most
    assert ceiling.tokens(Size(read, said)) == read + said


def _config(price: Price | None) -> Config:
    from tsuji.config import ProviderConfig

    prices = {} if price is None else {"up:m": price}
    return Config(providers={"up": ProviderConfig(dialect="openai", base_url="http://x/v1")}, prices=prices)


def test_a_route_without_any_price() -> None:
    ceiling = Ceilings(_config(None)).of(Route("r", (Target("up", "m"),)), None, 0.0)
    assert ceiling.usd(Size(1, 1)) is None
    assert ceiling.unpriced == ["up:m"]


@pytest.mark.parametrize("dialect", LONG)
def test_what_a_stream_said_is_counted_in_every_dialect(dialect: str) -> None:
    texts = ["twelve bytes"] * 40
    body = answers.stream(dialect, texts).body
    assert isinstance(body, list)
    grown: list[int] = []
    heard = Heard(10, grown.append)
    for piece in body:
        assert isinstance(piece, bytes)
        heard.add(piece)
    whole = 12 * 40 // 4
    again = 3 if dialect == "responses" else 0  # its last events say it all again
    assert whole <= heard.tokens() <= whole * (1 + again) + 5
    found = heard.usage(400, Usage(input_tokens=9, cached_tokens=3))
    assert (found.input_tokens, found.cached_tokens, found.output_tokens) == (9, 3, heard.tokens())
    assert heard.usage(400, None).input_tokens == 100


def test_a_stream_tells_when_it_says_more_than_was_allowed() -> None:
    grown: list[int] = []
    heard = Heard(3000, grown.append)
    for _ in range(20):
        heard.add(b'data: {"choices":[{"delta":{"content":"' + b"x" * 4000 + b'"}}]}\n\n')
    assert grown
    assert all(more > 0 for more in grown)
    assert sum(grown) <= 20_000 - 3000


class TestAccount:
    NOW = 1_800_000_000_000_000

    def account(self, **more: Any) -> Account:
        one = Account(limit(**{"amount": 1000, "period": "minute", **more}), "")
        one.open("a", self.NOW)
        return one

    def test_lumps_grow_while_they_are_used_up_and_end_when_others_want_some(self) -> None:
        one = self.account()
        one.each = 10
        one.low = 1
        first, second = one.ask(self.NOW), one.ask(self.NOW)
        assert (first.need, first.lump, second.lump) == (0, 160, 320)
        one.calm(self.NOW)
        assert one.ask(self.NOW).lump == 0
        assert one.ask(self.NOW + 2_000_000).lump > 0

    def test_it_is_out_when_nobody_has_any(self) -> None:
        one = self.account()
        assert not one.is_out(5, self.NOW)
        one.hear(Granted("a", 0, left=4, short=True, others=7), 1.0)
        assert not one.is_out(5, self.NOW)
        one.hear(Granted("a", 0, left=4, short=True, resets=self.NOW + 9), 2.0)
        assert one.is_out(5, self.NOW)
        assert not one.is_out(4, self.NOW)
        assert not one.is_out(5, self.NOW + 9)

    def test_what_is_not_used_goes_back_sooner_where_little_is_left(self) -> None:
        one = self.account()
        one.used = self.NOW
        one.hear(Granted("a", 100, left=200), 1.0)
        assert not one.idle(self.NOW + 500_000)
        assert one.idle(self.NOW + 1_500_000)
        one.left = 900
        assert not one.idle(self.NOW + 1_500_000)
        assert one.idle(self.NOW + 11_000_000)
        assert one.lease.give_back()
        assert (one.lease.free, one.lease.returned) == (0, 100)

    def test_who_used_more_than_was_taken_asks_for_the_rest(self) -> None:
        one = self.account()
        one.lease.free = -30
        asked = one.ask(self.NOW)
        assert (asked.need, asked.least) == (30, 30)
