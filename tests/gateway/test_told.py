"""The x-tsuji headers: what every answer says of itself."""

from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, config
from tsuji.catalog.prices import Price
from tsuji.config import Server

PRICE = Price(input=2_000_000_000, output=8_000_000_000)


@pytest.fixture
def gateway(serve: Any, scripted: Any) -> Any:
    def answer(asked: Any) -> Any:
        if asked.json()["model"] == "bad":
            return answers.error("openai", 503)
        return answers.stream("openai") if asked.json().get("stream") else answers.chat("openai")

    settings = config(
        {"up": ("openai", scripted(answer).url)},
        {"fast": ["up:bad", "up:m"]},
        server=Server(port=0, max_body=2048),
        prices={"up:m": PRICE},
    )
    return serve(settings)


def told(answer: Answer) -> dict[str, str]:
    found = {name: value for name, value in answer.headers.items() if name.startswith("x-tsuji-")}
    assert len(found.pop("x-tsuji-request-id")) == 20
    overhead = found.pop("x-tsuji-overhead-us", None)
    assert overhead is None or 0 < int(overhead) < 60_000_000
    return found | ({"overhead": "told"} if overhead is not None else {})


@pytest.mark.parametrize("client", ["openai", "anthropic", "gemini"])
def test_answers(client: str, gateway: Any) -> None:
    known = {"x-tsuji-target": "up:m", "x-tsuji-attempts": "2", "overhead": "told"}
    whole = gateway.ask(*asking.chat(client, model="fast"))
    assert told(whole) == known | {"x-tsuji-cost": "0.000060000"}
    assert told(gateway.ask(*asking.chat(client, model="fast", stream=True))) == known  # its cost is not known yet


def test_failures(gateway: Any) -> None:
    known = {"x-tsuji-target": "up:bad", "x-tsuji-attempts": "1", "overhead": "told"}
    for stream in (False, True):
        answer = gateway.ask(*asking.chat("anthropic", model="up:bad", stream=stream))
        assert told(answer) == known | {"x-tsuji-fault": "upstream", "x-tsuji-error": "upstream_unavailable"}


def test_refusals(gateway: Any) -> None:
    fault = {"x-tsuji-fault": "caller"}
    free = fault | {"x-tsuji-attempts": "0", "x-tsuji-cost": "0.000000000"}
    unknown = gateway.ask(*asking.chat("openai", model="nobody:m"))
    assert told(unknown) == free | {"x-tsuji-error": "model_not_found", "overhead": "told"}
    large = gateway.ask("/v1/messages", b" " * 4096)
    assert told(large) == free | {"x-tsuji-error": "request_too_large"}
    page = gateway.ask(*asking.chat("openai"), {"Host": "rebound.example"})
    assert told(page) == free | {"x-tsuji-error": "permission_denied"}
    assert told(gateway.ask("/nothing", b"")) == fault | {"x-tsuji-error": "not_found"}
    with gateway.client() as client:
        client.send(b"canary\r\n\r\n")
        assert told(client.read()) == fault | {"x-tsuji-error": "invalid_request"}


def test_what_no_model_has_a_part_in(gateway: Any) -> None:
    for path in ("/v1/models", "/healthz", "/metrics", "/"):
        assert told(gateway.ask(path, b"", None, "GET")) == {}
