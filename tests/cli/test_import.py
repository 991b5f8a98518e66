"""`tsuji import`: what it prints and writes, and that what it makes is a configuration."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Run
from tsuji.config import check_config, config_schema
from tsuji.core.errors import ConfigError
from tsuji.moving import Draft, from_litellm, from_ollama, from_openrouter, from_portkey

KNOWN = config_schema()["$defs"]["RouteTable"]["properties"]

LITELLM = """
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://eu.openai.azure.com/
      api_key: os.environ/AZURE_EU
      api_version: "2024-02-01"
      rpm: 6
      timeout: 30
  - model_name: gpt-4o
    litellm_params:
      {model: azure/gpt-4o-ca, api_base: https://ca.openai.azure.com, api_key: os.environ/AZURE_CA, rpm: "12"}
  - model_name: cheap
    litellm_params:
      {model: together_ai/meta/llama-3, temperature: 0.2, tpm: os.environ/TPM, input_cost_per_token: 2e-7}
  - model_name: claude
    litellm_params: {model: bedrock/us-west-2/anthropic.claude-3, aws_region_name: us-west-2}
  - model_name: mine
    litellm_params: {model: openai/own, api_base: os.environ/OWN_BASE, api_key: none-needed}
  - model_name: picture
    litellm_params: {model: openai/dall-e-3}
    model_info: {mode: image_generation}
  - model_name: "together_ai/*"
    litellm_params: {model: "together_ai/*"}
router_settings:
  routing_strategy: simple-shuffle
  fallbacks: [{gpt-4o: [cheap, gone]}]
  context_window_fallbacks: [{cheap: [claude]}]
  content_policy_fallbacks: [{cheap: [claude]}]
  model_group_alias: {gpt-4: gpt-4o, nothing: none}
  num_retries: 2
  allowed_fails: 3
  cooldown_time: 30
  timeout: 45
  redis_host: elsewhere
litellm_settings:
  drop_params: true
  cache: true
  cache_params: {type: redis, host: localhost, port: 6380, ttl: 60}
  callbacks: [prometheus, otel, langfuse]
  unheard_of: 1
general_settings: {master_key: os.environ/MASTER, database_url: os.environ/DATABASE_URL, alerting: [slack]}
environment_variables: {OTEL_ENDPOINT: "http://collector:4318/v1/traces", SECRET: canary}
guardrails:
  - guardrail_name: people
    litellm_params:
      guardrail: presidio
      mode: pre_call
      default_on: true
      pii_entities_config: {EMAIL_ADDRESS: MASK, US_PASSPORT: MASK}
  - guardrail_name: far
    litellm_params: {guardrail: lakera_v2, mode: pre_call}
"""


def imported(text: str, env: dict[str, str] | None = None) -> Draft:
    return from_litellm(yaml.safe_load(text), "config.yaml", env or {}, lambda name: pytest.fail(name))


def made(draft: Draft, folder: Path) -> dict[str, Any]:
    """The document; nothing that `tsuji config check` calls a mistake is in it."""
    file = folder / "tsuji.toml"
    file.write_text(draft.toml())
    assert [problem for problem in check_config(file) if problem.severity == "error"] == []
    return tomllib.loads(file.read_text())


def targets(route: dict[str, Any]) -> list[str]:
    return [one if isinstance(one, str) else one["model"] for one in route["targets"]]


def test_litellms_models_are_routes_and_their_accounts_providers(tmp_path: Path) -> None:
    found = made(imported(LITELLM), tmp_path)
    providers, routes = found["providers"], found["routes"]
    assert providers["azureopenai"] == {"base_url": "https://eu.openai.azure.com/openai/v1", "api_key": "env:AZURE_EU"}
    copied = providers["azureopenai-ca"]
    assert (copied["base_url"], copied["api_key"]) == ("https://ca.openai.azure.com/openai/v1", "env:AZURE_CA")
    assert copied["auth"]["name"] == "api-key" and copied["quirks"]["rename"]
    assert providers["bedrock"] == {"settings": {"region": "us-west-2"}}
    assert (
        providers["together_ai"]["dialect"] == "openai"
        and providers["together_ai"]["api_key"] == "env:TOGETHERAI_API_KEY"
    )
    assert targets(routes["gpt-4o"]) == ["azureopenai:gpt-4o-eu", "azureopenai-ca:gpt-4o-ca", "together:meta/llama-3"]
    assert [one.get("weight") for one in routes["gpt-4o"]["targets"]] == [6.0, 12.0, 0.0]
    assert routes["gpt-4o"]["targets"][0]["timeouts"] == {"total": 30}
    assert routes["gpt-4o"]["targets"][0]["limits"] == {"rpm": 6}
    assert routes["gpt-4o"]["timeouts"] == {"total": 45.0}
    assert routes["gpt-4"] == routes["gpt-4o"]
    assert targets(routes["cheap"]) == ["together:meta/llama-3", "bedrock:anthropic.claude-3"]
    assert routes["cheap"]["targets"][0]["price"] == {"input": 0.2}
    assert "picture" not in routes


def test_what_has_no_place_is_said(tmp_path: Path) -> None:
    draft = imported(LITELLM)
    found, text = made(draft, tmp_path), " ".join(draft.toml().replace("\n#", " ").split())
    for said in (
        "router_settings.redis_host",
        "litellm_settings.unheard_of",
        "general_settings.alerting",
        "litellm_params.temperature",
        "model_list[2]: tpm = os.environ/TPM is no number",
        "mode 'image_generation'",
        "content_policy_fallbacks",
        "fallback 'gone' is no model",
        "model_group_alias.nothing",
        "callback 'langfuse'",
        "guardrail 'far' (lakera_v2)",
        "not looked for here: US_PASSPORT",
        "OWN_BASE, which is not set here",
        "environment_variables",
        "api_version is not sent",
        "serves /metrics",
    ):
        assert said in text, said
    assert "canary" not in text
    wanted = {"strategy": "weighted", "retry": {"tries": 6}, "circuit": {"failures": 4, "open": 30.0, "max_open": 30.0}}
    for key, value in wanted.items():
        carried = found["routes"]["gpt-4o"].get(key)
        assert carried == value or f"not in this version of Tsuji: {key}" in text


def test_litellms_settings(tmp_path: Path) -> None:
    found = made(imported(LITELLM), tmp_path)
    assert found["drop_params"] is True
    assert found["server"] == {"keys": ["env:MASTER"]}
    assert found["ledger"] == {"url": "env:DATABASE_URL"}
    assert found["cache"] == {"redis": "redis://localhost:6380/0"}
    assert found["routes"]["cheap"]["cache"] == {"store": "redis", "scope": "all", "ttl": 60.0}
    assert found["telemetry"] == {"otlp": "http://collector:4318"}
    expected = {"kind": "pii", "action": "redact", "entities": ["email"], "on": "input", "everywhere": True}
    assert found["guardrails"] == {"people": expected}


def test_an_address_in_the_environment_is_taken_from_there(tmp_path: Path) -> None:
    found = made(imported(LITELLM, {"OWN_BASE": "http://127.0.0.1:9/v1/chat/completions"}), tmp_path)
    assert found["providers"]["openai"]["base_url"] == "http://127.0.0.1:9/v1"
    draft = imported(LITELLM, {"OWN_BASE": "https://me:canary@own.example/v1/"})
    assert made(draft, tmp_path)["providers"]["openai"]["base_url"] == "https://own.example/v1"
    assert "canary" not in draft.toml() and "had a user and a password" in draft.toml()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("simple-shuffle", "weighted"),
        ("least-busy", "least_busy"),
        ("latency-based-routing", "latency"),
        ("cost-based-routing", "cost"),
        ("usage-based-routing-v2", "least_busy"),
    ],
)
def test_strategies(theirs: str, ours: str, tmp_path: Path) -> None:
    text = f"""
model_list:
  - {{model_name: m, litellm_params: {{model: openai/a}}}}
  - {{model_name: m, litellm_params: {{model: anthropic/b}}}}
router_settings: {{routing_strategy: {theirs}}}
"""
    draft = imported(text)
    route = made(draft, tmp_path)["routes"]["m"]
    if ours in KNOWN["strategy"].get("enum", ()):
        assert route["strategy"] == ours
    else:
        assert f'not in this version of Tsuji: strategy = "{ours}"' in draft.toml()


def test_order_is_a_priority_and_a_provider_s_name_is_no_routes(tmp_path: Path) -> None:
    draft = imported("""
model_list:
  - {model_name: ollama, litellm_params: {model: ollama/b, order: 2, api_base: "http://127.0.0.1:11434"}}
  - {model_name: ollama, litellm_params: {model: gpt-4o, order: 1}}
""")
    found = made(draft, tmp_path)
    assert found["routes"] == {"ollama-model": {"targets": ["openai:gpt-4o", "ollama:b"]}}
    assert found["providers"] == {"ollama": {"base_url": "http://127.0.0.1:11434/v1"}}
    assert "called 'ollama-model' here" in draft.toml()


@pytest.mark.parametrize("text", ["[]", "a: 1", "just text", ""])
def test_what_is_not_litellms_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no configuration of LiteLLM"):
        imported(text)


@pytest.mark.parametrize(
    "text", ["model_list: 3", "model_list: [1, {model_name: 2}, {litellm_params: x}]", "router_settings: [x]"]
)
def test_shapes_that_are_wrong_are_noted(text: str, tmp_path: Path) -> None:
    assert "routes" not in made(imported(text), tmp_path)


def test_it_is_printed_or_written_and_nothing_is_written_over(tsuji: Run, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("model_list: [{model_name: b, litellm_params: {model: groq/b}}]")
    key = "model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: sk-canary}}]\ninclude: [more.yaml]\n"
    (tmp_path / "config.yaml").write_text(key)
    shown = tsuji("import", "litellm", "config.yaml")
    assert shown.returncode == 0 and "keys stand in it as they are" in shown.stderr
    assert set(tomllib.loads(shown.stdout)["routes"]) == {"a", "b"}
    out = tmp_path / "made.toml"
    assert tsuji("import", "litellm", "config.yaml", "--out", "made.toml").returncode == 0
    assert (out.read_text(), out.stat().st_mode & 0o777) == (shown.stdout, 0o600)
    out.write_text("mine")
    out.chmod(0o644)
    refused = tsuji("import", "litellm", "config.yaml", "--out", "made.toml")
    assert refused.returncode == 2 and "is there already; write over it by --force" in refused.stderr
    assert out.read_text() == "mine"
    assert tsuji("import", "litellm", "config.yaml", "--out", "made.toml", "--force").returncode == 0
    assert (out.read_text(), out.stat().st_mode & 0o777) == (shown.stdout, 0o600)
    (tmp_path / "bad.yaml").write_text("a: [")
    assert "bad.yaml is not YAML" in tsuji("import", "litellm", "bad.yaml").stderr
    assert "cannot be read" in tsuji("import", "litellm", "gone.yaml").stderr


def test_openrouters_models_are_targets(tmp_path: Path) -> None:
    request = {"model": "a/x", "models": ["a/x", "b/y:free"], "provider": {"order": ["z"], "sort": "price"}, "top_p": 1}
    draft = from_openrouter(request, "request.json", "fast")
    route = made(draft, tmp_path)["routes"]["fast"]
    assert route["targets"] == ["openrouter:a/x", "openrouter:b/y:free"]
    assert "provider preferences (order, sort)" in draft.toml() and "not a route's: top_p" in draft.toml()
    presets = {"data": [{"slug": "s", "config": {"model": "a/x"}}, {"slug": "t", "config": {}}]}
    draft = from_openrouter(presets, "presets.json", "fast")
    assert made(draft, tmp_path)["routes"] == {"s": {"targets": ["openrouter:a/x"]}}
    with pytest.raises(ConfigError, match="names no model"):
        from_openrouter([{"messages": []}], "x", "fast")


def test_portkeys_targets_are_a_routes(tmp_path: Path) -> None:
    config = {
        "strategy": {"mode": "fallback", "onStatusCodes": [429]},
        "retry": {"attempts": 3},
        "cache": {"mode": "simple", "max_age": 60},
        "request_timeout": 10000,
        "targets": [
            {"provider": "openai", "api_key": "sk-canary", "override_params": {"model": "gpt-4o", "top_k": 1}},
            {"virtual_key": "anthropic-prod", "override_params": {"model": "claude"}},
            {"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "groq", "overrideParams": {"model": "l"}}]},
            {"provider": "no-such", "override_params": {"model": "m"}},
        ],
    }
    draft = from_portkey({"data": {"config": config}}, "config.json", "main", None, {})
    found, text = made(draft, tmp_path), " ".join(draft.toml().replace("\n#", " ").split())
    assert found["routes"]["main"]["targets"] == ["openai:gpt-4o", "anthropic:claude", "groq:l"]
    assert found["routes"]["main"]["cache"] == {"ttl": 60.0}
    assert found["routes"]["main"].get("retry") == {"tries": 12} or "retry = { tries = 12 }" in text
    assert found["routes"]["main"]["timeouts"] == {"total": 10.0}
    assert found["providers"]["openai"] == {"api_key": "sk-canary"} and draft.literal
    for said in ("strategy.on_status_codes", "override_params.top_k", "'anthropic-prod' is a key that Portkey keeps",
                 "loadbalance inside fallback is flat", "'no-such' is no provider here"):  # fmt: skip
        assert said in text, said
    with pytest.raises(ConfigError, match="--model"):
        from_portkey({"provider": "openai"}, "config.json", "main", None, {})
    draft = from_portkey({"provider": "openai"}, "config.json", "main", "gpt-4o", {})
    assert made(draft, tmp_path)["routes"] == {"main": {"targets": ["openai:gpt-4o"]}}


def test_ollamas_models_are_routes(tmp_path: Path) -> None:
    for name in ("registry.ollama.ai/library/llama3/latest", "registry.ollama.ai/me/own/7b", "hf.co/a/b/Q4"):
        path = tmp_path / "models" / "manifests" / name
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    found = made(from_ollama(tmp_path / "models", [], "127.0.0.1:9"), tmp_path)
    assert {name: route["targets"] for name, route in found["routes"].items()} == {
        "llama3": ["ollama:llama3:latest"],
        "me/own:7b": ["ollama:me/own:7b"],
        "hf.co/a/b:Q4": ["ollama:hf.co/a/b:Q4"],
    }
    assert found["providers"] == {"ollama": {"base_url": "http://127.0.0.1:9/v1"}}
    file = tmp_path / "Modelfile.mario"
    file.write_text("FROM llama3\nPARAMETER temperature 1\nSYSTEM You are Mario.\n")
    draft = from_ollama(tmp_path, [file], None)
    assert made(draft, tmp_path)["routes"] == {"mario": {"targets": ["ollama:mario:latest"]}}
    assert "applies it: PARAMETER, SYSTEM" in draft.toml()
    with pytest.raises(ConfigError, match="no models of Ollama"):
        from_ollama(tmp_path / "none", [], None)
    file.write_text("nothing")
    with pytest.raises(ConfigError, match="no Modelfile"):
        from_ollama(tmp_path, [file], None)


def test_the_other_formats_by_the_command(tsuji: Run, tmp_path: Path) -> None:
    shown = tsuji("import", "openrouter", "-", "--name", "fast", input=json.dumps({"models": ["a/x"]}))
    assert tomllib.loads(shown.stdout)["routes"] == {"fast": {"targets": ["openrouter:a/x"]}}
    shown = tsuji("import", "portkey", "-", "--model", "m", input='{"provider": "openai"}')
    assert tomllib.loads(shown.stdout)["routes"] == {"imported": {"targets": ["openai:m"]}}
    assert "is not JSON" in tsuji("import", "portkey", "-", input="{").stderr
    assert tsuji("import", "ollama").returncode == 2
