"""LiteLLM's litellm_settings and general_settings: keys, ledger, caches, telemetry."""

from typing import Any

from .draft import Draft, Table, rows, table

_BY_ROUTER = {
    "fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "num_retries",
    "request_timeout", "allowed_fails", "cooldown_time", "model_group_alias", "timeout", "stream_timeout",
}  # fmt: skip
_CALLBACKS = ("callbacks", "success_callback", "failure_callback", "service_callback")
_NEEDLESS = {"set_verbose", "json_logs", "telemetry", "store_model_in_db", "cache", "cache_params"}


def settings(draft: Draft, litellm: Table, general: Table, whole: Table, env: dict[str, str]) -> None:
    """All but what is a router's."""
    if litellm.get("drop_params") is True:
        draft.top["drop_params"] = True
    for name in litellm:
        if name not in _BY_ROUTER | _NEEDLESS | {*_CALLBACKS, "drop_params", "guardrails"}:
            draft.note(f"not carried over: litellm_settings.{name}")
    _callbacks(draft, litellm, whole, env)
    if general.get("master_key"):
        draft.table("server")["keys"] = [draft.secret(general["master_key"], "general_settings.master_key")]
        draft.note("Virtual keys, teams and spend stay in LiteLLM's database: make keys by 'tsuji keys create'.")
    if general.get("database_url"):
        _ledger(draft, general["database_url"])
    for name in general:
        if name not in {"master_key", "database_url"} | _NEEDLESS:
            draft.note(f"not carried over: general_settings.{name}")


def _ledger(draft: Draft, given: Any) -> None:
    url = draft.secret(given, "general_settings.database_url")
    if not url.startswith("env:"):
        url = "postgresql://" + url.removeprefix("postgres://") if url.startswith("postgres://") else url
        if not url.startswith(("postgresql://", "postgresql+psycopg://")):
            draft.note("not carried over: general_settings.database_url is no address of a PostgreSQL")
            return
    draft.table("ledger")["url"] = url
    draft.note("Tsuji's own tables are made in this database; needs pip install 'tsuji[postgres]'.", "ledger")


def _callbacks(draft: Draft, litellm: Table, whole: Table, env: dict[str, str]) -> None:
    given = [litellm.get(name) for name in _CALLBACKS]
    lists = [rows(one) or [one] for one in given if one]
    for name in dict.fromkeys([str(one) for one in sum(lists, list[Any]())]):
        if name == "prometheus":
            draft.note("Prometheus needs no callback: the gateway serves /metrics.")
        elif name in ("otel", "opentelemetry", "arize_phoenix"):
            said = table(whole.get("environment_variables"))
            names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT")
            found = next((str(place[one]) for place in (said, env) for one in names if place.get(one)), None)
            if found is not None and found.startswith(("http://", "https://")):
                draft.table("telemetry")["otlp"] = found.removesuffix("/v1/traces")
            else:
                draft.note("telemetry.otlp: set the collector's address, which LiteLLM took from OTEL_ENDPOINT.")
        else:
            draft.note(f"not carried over: the callback {name!r}")


def cache(draft: Draft, litellm: Table, env: dict[str, str]) -> Table | None:
    """The cache of every route; LiteLLM's is all clients' together."""
    if litellm.get("cache") is not True:
        return None
    params = table(litellm.get("cache_params"))
    kind = str(params.get("type", "local"))
    stores = {"local": "memory", "redis": "redis", "redis-semantic": "redis", "disk": "sqlite"}
    if kind not in stores:
        draft.note(f"not carried over: a cache of the type {kind!r}; answers are kept in memory")
    store = stores.get(kind, "memory")
    if store == "redis":
        draft.table("cache")["redis"] = _redis(draft, params)
    known = {"type", "ttl", "host", "port", "password", "url", "db", "username", "ssl"}
    for name in [name for name in params if name not in known]:
        draft.note(f"not carried over: litellm_settings.cache_params.{name}")
    if kind == "redis-semantic":
        draft.note("answers to what means the same: give cache.semantic a model of embeddings; see docs/cache.md")
    draft.note('cache.scope is "all", as LiteLLM\'s is: any client may get another\'s answer. "key" keeps them apart.')
    ttl = params.get("ttl")
    return {"store": store, "scope": "all", "ttl": float(ttl) if isinstance(ttl, int | float) and ttl > 0 else None}


def _redis(draft: Draft, params: Table) -> str:
    if params.get("url"):
        return draft.secret(params["url"], "litellm_settings.cache_params.url")
    host, password = str(params.get("host") or ""), params.get("password")
    port, number = str(params.get("port") or 6379), str(params.get("db") or 0)
    if not host or "os.environ/" in (host + port + number) or password:
        draft.note("its address: put redis://:PASSWORD@HOST:PORT/0 into TSUJI_REDIS_URL, of what LiteLLM took from "
                   "REDIS_HOST, REDIS_PORT and REDIS_PASSWORD", "cache")  # fmt: skip
        return "env:TSUJI_REDIS_URL"
    return f"redis{'s' if params.get('ssl') else ''}://{host}:{port}/{number}"
