"""What is sent to OpenRouter or kept there: requests and presets with `models` and `provider` preferences.

https://openrouter.ai/docs/features/provider-routing and https://openrouter.ai/docs/features/presets
"""

from typing import Any

from tsuji.core.errors import ConfigError

from .draft import Draft, Table, rows, table

_SORTS = {"price": "cost", "latency": "latency", "throughput": "latency"}
_LISTS = ("data", "presets")


def from_openrouter(document: Any, source: str, name: str) -> Draft:
    """document: a request, a preset, or a list of presets. name: of the route where it has none.

    All targets are asked through OpenRouter, so keys and models stay what they are. Raises ConfigError where it names
    no model.
    """
    draft = Draft(source)
    for at, one in enumerate(_entries(document)):
        config = {**one, **table(one.get("config"))}
        called = str(one.get("slug") or one.get("name") or (name if at == 0 else f"{name}-{at + 1}"))
        _route(draft, called, config)
    if not draft.routes:
        raise ConfigError(f"{source} names no model: it needs `model` or `models`, as a request to OpenRouter has them")
    draft.note("The key is read from OPENROUTER_API_KEY.")
    return draft


def _entries(document: Any) -> list[Table]:
    if isinstance(document, dict):
        whole = table(document)
        document = next((whole[key] for key in _LISTS if isinstance(whole.get(key), list)), [whole])
    return [table(one) for one in rows(document) if isinstance(one, dict)]


def _route(draft: Draft, name: str, config: Table) -> None:
    listed: list[Any] = [config.get("model"), *rows(config.get("models"))]
    models = [str(one) for one in dict.fromkeys(listed) if one]
    if not models:
        draft.note(f"{name} names no model; it is left out.")
        return
    preferences = table(config.get("provider"))
    route: Table = {"targets": [f"openrouter:{model}" for model in models]}
    sort = table(preferences.get("sort")).get("by") or preferences.get("sort")
    if sort and len(models) > 1:
        route["strategy"] = _SORTS.get(str(sort))
    if preferences:
        said = ", ".join(preferences)
        draft.note(
            f"provider preferences ({said}) choose among OpenRouter's own providers: they stay in the request, as "
            "`provider`, which is passed on (extra_body in the library)",
            "routes",
            name,
        )
    ignored = {"model", "models", "provider", "messages", "prompt", "stream", "config", "slug", "name", "id", "route"}
    for key in [key for key in config if key not in ignored]:
        draft.note(f"a request's, not a route's: {key}", "routes", name)
    draft.routes[name] = route
