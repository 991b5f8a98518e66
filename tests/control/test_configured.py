"""What is configured, without any secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.control.serving import SECRET, TOKEN, Serving, config
from tsuji.config import ProviderConfig, Secret
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Route, Target

CANARIES = ("canary-provider-key", "canary-header", "canary-user", "canary-query", "canary-azure", SECRET, TOKEN)


@pytest.fixture
def api(tmp_path: Path, serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch) -> Serving:
    monkeypatch.setenv("CANARY_KEY", "canary-provider-key")
    monkeypatch.setenv("OLLAMA_HOST", "http://canary-user:x@ollama.example:1234")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "canary-azure")
    mock = ProviderConfig(
        dialect="openai",
        base_url="http://127.0.0.1:9/v1?key=canary-query",
        api_key=Secret("env:CANARY_KEY"),
        headers={"x-secret": "canary-header"},
    )
    targets = (Target("mock", "m", timeouts=Timeouts(total=5)), Target("openai", "gpt-4o"))
    routes = {"fast": Route("fast", targets, drop_params=True), "slow": Route("slow", targets[:1])}
    return serve(config(f"sqlite:///{tmp_path}/ledger.db", providers={"mock": mock}, routes=routes))


def test_routes(api: Serving) -> None:
    fast, slow = api.get("routes")["items"]
    assert (fast["name"], fast["strategy"], fast["drop_params"], slow["drop_params"]) == (
        "fast",
        "priority",
        True,
        None,
    )
    assert [one["target"] for one in fast["targets"]] == ["mock:m", "openai:gpt-4o"]
    limits = {"connect": 5.0, "first_byte": None, "idle": 30.0, "total": 5.0, "first_token": None, "rate": None}
    assert fast["targets"][0]["timeouts"] == limits


def test_providers(api: Serving) -> None:
    providers = {one["id"]: one for one in api.get("providers")["items"]}
    mock = providers["mock"]
    assert (mock["key"], mock["key_from"], mock["configured"]) == ("set", ["the configuration"], True)
    assert (mock["base_url"], mock["dialect"]) == ("http://127.0.0.1:9/v1", "openai")
    assert (providers["anthropic"]["configured"], providers["anthropic"]["key_from"]) == (False, ["ANTHROPIC_API_KEY"])
    assert "ollama.example:1234" in providers["ollama"]["base_url"]


def test_prices(api: Serving) -> None:
    prices = {one["target"]: one["price"] for one in api.get("prices")["items"]}
    assert list(prices) == ["mock:m", "openai:gpt-4o"]
    assert prices["mock:m"] is None
    assert (prices["openai:gpt-4o"]["source"], prices["openai:gpt-4o"]["input"] > 0) == ("genai-prices", True)
    assert [one["target"] for one in api.get("prices", target="anthropic/claude-sonnet-4-5")["items"]] == [
        "anthropic:claude-sonnet-4-5"
    ]
    assert "no provider 'nope'" in api.refused(422, "GET", "prices?target=nope:m")["message"]
    assert api.refused(422, "GET", "prices?target=nope")["param"] == "target"


def test_no_secret_is_in_any_answer(api: Serving) -> None:
    made = api.make()
    paths = [
        "routes",
        "providers",
        "prices",
        "health",
        "keys",
        f"keys/{made['id']}",
        "audit",
        "limits",
        "nope",
        "records",
    ]
    said = "".join([api.ask("GET", path).text for path in (*paths, "/openapi.json", "/healthz")])
    assert [canary for canary in (*CANARIES, made["key"]) if canary in said] == []
