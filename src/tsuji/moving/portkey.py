"""Portkey's gateway configuration: strategy, targets, retry, cache (https://portkey.ai/docs/api-reference/inference-api/config-object)."""

from typing import Any

from tsuji import catalog
from tsuji.core.errors import ConfigError

from .draft import Draft, Table, rows, table
from .providers import Providers, base_url

PROVIDERS = {
    "openai": "openai", "anthropic": "anthropic", "azure-openai": "azureopenai", "azure-ai": "azure",
    "google": "gemini", "vertex-ai": "vertex", "bedrock": "bedrock", "cohere": "cohere", "together-ai": "together",
    "mistral-ai": "mistral", "groq": "groq", "perplexity-ai": "perplexity", "deepinfra": "deepinfra",
    "fireworks-ai": "fireworks", "openrouter": "openrouter", "ollama": "ollama", "deepseek": "deepseek", "x-ai": "xai",
    "cerebras": "cerebras", "sambanova": "sambanova", "novita-ai": "novita", "nebius": "nebius", "huggingface":
    "huggingface", "workers-ai": "cloudflare", "moonshot": "moonshot", "jina": "jina", "voyage": "voyage",
    "databricks": "databricks", "github": "github", "dashscope": "dashscope", "sagemaker": "sagemaker",
    "inference-net": "", "lemonfox-ai": "", "stability-ai": "",
}  # fmt: skip
"""Portkey's word -> the catalogue's id; "": there is none."""
_STRATEGIES = {"single": "priority", "fallback": "priority", "loadbalance": "weighted"}
_TAKEN = {
    "provider", "api_key", "virtual_key", "weight", "override_params", "custom_host", "retry", "cache",
    "request_timeout", "strategy", "targets", "name",
}  # fmt: skip


def from_portkey(document: Any, source: str, name: str, model: str | None, env: dict[str, str]) -> Draft:
    """document: the object, or what Portkey's admin API answers with it. name: of the route. model: of targets that
    name none, for Portkey takes it from the request. Raises ConfigError where no target has one.
    """
    draft, config = Draft(source), _config(document)
    reader = _Reader(draft, name, model, env)
    reader.read(config, 1.0, 0)
    names = reader.providers.settle()
    targets = {f"{names[at]}:{asked}": weight for at, asked, weight in reader.found}
    if not targets:
        raise ConfigError(f"{source}: no target has a model of its own; say which one is meant by --model")
    strategy = _STRATEGIES.get(reader.mode, "priority")
    weighted = strategy == "weighted" and len(set(targets.values())) > 1
    draft.routes[name] = {
        "targets": [{"model": one, "weight": weight} if weighted else one for one, weight in targets.items()],
        "strategy": strategy if strategy != "priority" and len(targets) > 1 else None,
        **_settings(draft, name, config, len(targets) if reader.mode == "fallback" else 1),
    }
    return draft


def _config(document: Any) -> Table:
    found = table(_snake(document))
    for key in ("data", "config"):
        found = table(found.get(key)) or found
    return found


def _snake(value: Any) -> Any:
    """Portkey takes keys as snake_case and as camelCase."""
    if isinstance(value, list):
        return [_snake(one) for one in rows(value)]
    if not isinstance(value, dict):
        return value
    letters = {key: "".join([f"_{c.lower()}" if c.isupper() else c for c in key]) for key in table(value)}
    return {letters[key]: _snake(one) for key, one in table(value).items()}


class _Reader:
    """Flattens what is nested: a route has one list of targets."""

    def __init__(self, draft: Draft, name: str, model: str | None, env: dict[str, str]) -> None:
        self.draft = draft
        self.name = name
        self.model = model
        self.env = env
        self.mode = "single"
        self.providers = Providers(draft)
        self.found: list[tuple[tuple[str, int], str, float]] = []

    def read(self, config: Table, weight: float, depth: int) -> None:
        targets = config.get("targets")
        if not isinstance(targets, list):
            self._target(config, weight)
            return
        strategy = table(config.get("strategy"))
        mode = str(strategy.get("mode", "single"))
        if depth == 0:
            self.mode = mode
        elif mode != self.mode:
            self._said(f"its {mode} inside {self.mode} is flat here: its targets stand in the route's own list")
        if mode not in _STRATEGIES:
            self._said(f"strategy {mode!r} chooses by the request, as no route here does: its targets stand in order")
        for key in [key for key in strategy if key != "mode"]:
            self._said(f"not carried over: strategy.{key}")
        for one in [table(one) for one in rows(targets)]:
            share = one.get("weight", 1)
            self.read(one, weight * float(share if isinstance(share, int | float) else 1), depth + 1)

    def _said(self, text: str) -> None:
        self.draft.note(text, "routes", self.name)

    def _target(self, config: Table, weight: float) -> None:
        params = table(config.get("override_params"))
        asked, provider = str(params.get("model") or self.model or ""), str(config.get("provider", ""))
        if asked.startswith("@"):  # "@slug/model": a key in Portkey's catalogue of models
            provider, _, asked = asked.partition("/")
        slug = str(config.get("virtual_key") or (provider if provider.startswith("@") else ""))
        id = self._id(provider, slug)
        if not asked or id is None:
            said = (
                f"{provider or slug or 'a target'} has no model" if id else f"{provider or slug!r} is no provider here"
            )
            self.draft.note(f"left out: {said}")
            return
        wanted: Table = {}
        if config.get("api_key"):
            wanted["api_key"] = self.draft.secret(config["api_key"], f"api_key of {provider}")
        if slug:
            self.draft.note(f"{slug!r} is a key that Portkey keeps: put it where 'tsuji providers {id}' reads its key")
        if config.get("custom_host"):
            wanted["base_url"] = base_url(self.draft, id, config["custom_host"], self.env)
        for key in [key for key in params if key != "model"]:
            self._said(f"a request's, not a target's: override_params.{key}")
        for key in [key for key in config if key not in _TAKEN]:
            self._said(f"not carried over: {key} of {provider}")
        self.found.append((self.providers.wish(id, wanted), asked, weight))

    def _id(self, provider: str, slug: str) -> str | None:
        """A slug often begins with the provider's name."""
        word = (provider or slug).removeprefix("@")
        found = PROVIDERS.get(word, word if word in catalog.provider_ids() else None)
        if found is None and slug:
            found = next((id for theirs, id in PROVIDERS.items() if id and word.startswith(theirs)), None)
        return found or None


def _settings(draft: Draft, name: str, config: Table, asked: int) -> Table:
    """asked: targets that one request may come to; each has its own attempts there, and here all are counted."""
    found: Table = {}
    retry, cache = config.get("retry"), config.get("cache")
    if isinstance(retry, dict):
        attempts = table(retry).get("attempts")
        found["retry"] = {"tries": (attempts + 1) * asked} if isinstance(attempts, int) and attempts >= 0 else None
        if table(retry).get("on_status_codes"):
            draft.note("not carried over: retry.on_status_codes; what can be mended is tried again", "routes", name)
    if cache:
        given = table(cache) or {"mode": str(cache)}
        age = given.get("max_age")
        found["cache"] = {"ttl": float(age) if isinstance(age, int | float) and age > 0 else None}
        if given.get("mode") == "semantic":
            draft.note("a semantic cache: give cache.semantic a model of embeddings", "routes", name)
    if isinstance(config.get("request_timeout"), int | float):
        found["timeouts"] = {"total": config["request_timeout"] / 1000}
    for key in [key for key in config if key not in _TAKEN]:
        draft.note(f"not carried over: {key}", "routes", name)
    return found
