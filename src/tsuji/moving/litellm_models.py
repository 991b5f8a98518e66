"""What LiteLLM calls a model, and one entry of its model_list: a target, its provider and its prices."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from tsuji import catalog

from .draft import Draft, Table, rows, table
from .providers import Providers, base_url

_BARE = (
    (re.compile(r"(gpt-|o[134](-|$)|chatgpt-|ft:gpt|text-embedding-|davinci|babbage)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"(gemini|text-bison|chat-bison|textembedding-gecko)"), "vertex_ai"),
    (re.compile(r"(command|embed-)"), "cohere"),
    (re.compile(r"(anthropic|amazon|meta|mistral|cohere|ai21)\."), "bedrock"),
)
_INNER = re.compile(r"(converse_like|converse|invoke|responses|chat)/")
_REGION = re.compile(r"([a-z]{2}(?:-gov)?-[a-z]+-[0-9])/")
_SERVED = ("chat", "completion", "embedding", "responses", None)
_TAKEN = {
    "model", "api_key", "api_base", "base_url", "api_version", "custom_llm_provider", "rpm", "tpm", "weight", "order",
    "timeout", "stream_timeout", "max_parallel_requests", "input_cost_per_token", "output_cost_per_token",
    "cache_read_input_token_cost", "cache_creation_input_token_cost", "tags", "organization", "extra_headers",
    "aws_region_name", "vertex_project", "vertex_location", "vertex_ai_project", "vertex_ai_location", "num_retries",
    "region_name",
}  # fmt: skip
_NUMBERS = (
    "rpm", "tpm", "max_parallel_requests", "timeout", "stream_timeout", "weight", "order", "num_retries",
    "input_cost_per_token", "output_cost_per_token",
)  # fmt: skip
_INFO = {
    "id", "mode", "base_model", "max_input_tokens", "max_tokens", "max_output_tokens", "input_cost_per_token",
    "output_cost_per_token", "description", "health_check_model", "litellm_provider",
}  # fmt: skip


class Deployment(msgspec.Struct):
    """provider: as `Providers.settle` knows it. order: lower ones are asked first; None is not said."""

    group: str
    provider: tuple[str, int]
    model: str
    extras: Table
    order: int | None = None
    weight: float | None = None
    retries: int | None = None

    def target(self, names: Mapping[tuple[str, int], str], weight: float | None) -> Table | str:
        name = f"{names[self.provider]}:{self.model}"
        extras = {"weight": weight, **self.extras} if weight is not None else self.extras
        return {"model": name, **extras} if extras else name


@cache
def prefixes() -> dict[str, Any]:
    """The table of LiteLLM's prefixes: see litellm.toml."""
    return tomllib.loads((Path(__file__).parent / "litellm.toml").read_text("utf-8"))


def named(model: str, custom: str | None, has_address: bool) -> tuple[str, str]:
    """Prefix and model, as LiteLLM tells them apart. The prefix is "" where it cannot be told."""
    all = prefixes()
    known = {*all["catalogue"], *all["own"], *all["openai_like"]["names"], *all["none"]["names"]}
    if custom:
        return custom, model.removeprefix(custom + "/")
    prefix, slash, rest = model.partition("/")
    if slash and prefix in known:
        return prefix, rest
    found = next((name for pattern, name in _BARE if pattern.match(model)), "")
    return found or ("openai_like" if has_address else ""), model


def row_of(prefix: str, model: str) -> str | None:
    """The catalogue's row, or the provider of one's own. None: it is none that can be asked."""
    all = prefixes()
    id = all["catalogue"].get(prefix)
    if id == "vertex" and "claude" in model:
        return "vertexanthropic"
    if id == "vertex" and not model.startswith(("gemini", "text-embedding", "textembedding", "gemma", "*")):
        return "vertexopenai"
    if id == "azure" and "claude" in model:
        return "azureanthropic"
    return id or (prefix if prefix in all["own"] or prefix in all["openai_like"]["names"] else None)


class Deployments:
    """Reads entries of model_list one by one."""

    def __init__(self, draft: Draft, providers: Providers, env: dict[str, str]) -> None:
        self._draft = draft
        self._providers = providers
        self._env = env

    def read(self, entry: Table, where: str) -> Deployment | None:
        """None, and a note, for what is no target."""
        group, params = str(entry.get("model_name", "")), table(entry.get("litellm_params"))
        info, model = table(entry.get("model_info")), str(params.get("model", ""))
        if not group or not model:
            self._draft.note(f"{where} ({group}) has no model_name or no litellm_params.model; it is left out.")
            return None
        if info.get("mode") not in _SERVED:
            self._draft.note(f"{where} ({group}) is of the mode {info['mode']!r}, which Tsuji does not serve.")
            return None
        address = params.get("api_base") or params.get("base_url")
        prefix, model = named(model, params.get("custom_llm_provider"), address is not None)
        model, region = _inner(prefix, model)
        id = row_of(prefix, model)
        if id is None or (id in prefixes()["openai_like"]["names"] and not address):
            why = f"its provider {prefix!r} has no counterpart" if id is None else "it has no api_base"
            self._draft.note(f"{where} ({group}: {params['model']}) is left out: {why if prefix else 'no provider'}.")
            return None
        wanted = self._provider(id, prefix, params, address, region, where)
        self._left_over(params, info, group, where)
        return Deployment(
            group=group,
            provider=self._providers.wish(id, wanted),
            model=model,
            extras=_extras(params, info),
            order=_whole(numeric(params.get("order"))),
            weight=_positive(numeric(params.get("weight"))),
            retries=_whole(numeric(params.get("num_retries"))),
        )

    def _provider(self, id: str, prefix: str, params: Table, address: Any, region: str, where: str) -> Table:
        found: Table = {}
        names = prefixes()
        own = names["own"].get(id)
        if id not in catalog.provider_ids():
            found["dialect"] = "openai"
            found["base_url"] = own["base_url"] if own else None
        if address is not None:
            moved = base_url(self._draft, id, address, self._env)
            found["base_url"] = moved or found.get("base_url") or f"https://{id.replace('_', '-')}.invalid/v1"
        key = params.get("api_key") or (own and f"env:{own['env']}") or names["keys"].get(prefix)
        if params.get("api_key"):
            found["api_key"] = self._draft.secret(key, f"api_key of {where}")
        elif key and id not in ("azureanthropic",):
            found["api_key"] = key if str(key).startswith("env:") else f"env:{key}"
        settings = {
            "region": region or params.get("aws_region_name"),
            "project": params.get("vertex_project") or params.get("vertex_ai_project"),
            "location": params.get("vertex_location") or params.get("vertex_ai_location"),
        }
        row = catalog.provider(id) if id in catalog.provider_ids() else None
        known = set(row.settings) if row is not None else set[str]()
        literal = {name: str(value) for name, value in settings.items() if value and name in known}
        for name, value in list(literal.items()):
            if value.startswith("os.environ/"):
                variable = value.removeprefix("os.environ/")
                self._draft.note(f"{where}: its {name} is in the variable {variable}; set settings.{name}, or what "
                                 f"'tsuji providers {id}' says.")  # fmt: skip
                del literal[name]
        if literal:
            found["settings"] = literal
        if params.get("organization"):
            found["headers"] = {"OpenAI-Organization": str(params["organization"])}
        found["headers"] = {**found.get("headers", {}), **self._headers(params, where)} or None
        if params.get("api_version") and id.startswith("azure"):
            self._draft.note("api_version is not sent: Azure's v1 API, which the catalogue has, takes none.")
        return {key: value for key, value in found.items() if value is not None}

    def _headers(self, params: Table, where: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in table(params.get("extra_headers")).items():
            if str(value).startswith("os.environ/"):
                self._draft.note(f"{where}: its header {name} is in the environment, from where headers are not read.")
            else:
                self._draft.note(f"{where}: its header {name} stands in this file as it is.")
                self._draft.literal = True
                found[name] = str(value)
        return found

    def _left_over(self, params: Table, info: Table, group: str, where: str) -> None:
        for name in [name for name in _NUMBERS if params.get(name) is not None and numeric(params[name]) is None]:
            self._draft.note(f"{where}: {name} = {params[name]} is no number; it is left out", "routes", group)
        for name in [name for name in params if name not in _TAKEN]:
            self._draft.note(f"not carried over from {where}: litellm_params.{name}", "routes", group)
        for name in [name for name in info if name not in _INFO and not name.startswith("supports_")]:
            self._draft.note(f"not carried over from {where}: model_info.{name}", "routes", group)


def _inner(prefix: str, model: str) -> tuple[str, str]:
    """Without what LiteLLM writes into a model's name beside it: the API, and Bedrock's region."""
    if prefix in ("bedrock", "openai", "azure", "databricks"):
        model = _INNER.sub("", model, count=1) if _INNER.match(model) else model
    region = _REGION.match(model) if prefix == "bedrock" else None
    return (model[region.end() :], region[1]) if region else (model, "")


def _extras(params: Table, info: Table) -> Table:
    def number(name: str, least: float = 1) -> Any:
        value = numeric(params.get(name, info.get(name)))
        return value if value is not None and value >= least else None

    def dollars(name: str) -> float | None:
        """LiteLLM counts in dollars a token."""
        value = numeric(params.get(name, info.get(name)))
        return round(value * 1e6, 9) if value is not None and value >= 0 else None

    parts: Table = {
        "timeouts": {"total": number("timeout", 1e-9), "first_byte": number("stream_timeout", 1e-9)},
        "price": {
            "input": dollars("input_cost_per_token"),
            "output": dollars("output_cost_per_token"),
            "cache_read": dollars("cache_read_input_token_cost"),
            "cache_write": dollars("cache_creation_input_token_cost"),
        },
        "limits": {
            "rpm": _whole(number("rpm")),
            "tpm": _whole(number("tpm")),
            "concurrent": _whole(number("max_parallel_requests")),
        },
    }
    tables = {name: {key: one for key, one in part.items() if one is not None} for name, part in parts.items()}
    found: Table = {name: table for name, table in tables.items() if table}
    if rows(params.get("tags")):
        found["tags"] = [str(tag) for tag in rows(params["tags"])]
    if isinstance(info.get("max_input_tokens"), int):
        found["context"] = info["max_input_tokens"]
    return found


def numeric(value: Any) -> float | None:
    """YAML reads 2e-7 and "100" as texts. None for what is no finite number."""
    try:
        found = None if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return None
    return found if found is not None and isfinite(found) else None


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _positive(value: float | None) -> float | None:
    return value if value is not None and value >= 0 else None
