"""LiteLLM's config.yaml (https://docs.litellm.ai/docs/proxy/config_settings)."""

from collections.abc import Callable
from typing import Any

from tsuji import catalog
from tsuji.core.errors import ConfigError

from .draft import Draft, Table, rows, table
from .litellm_guardrails import guardrails
from .litellm_models import Deployment, Deployments, numeric
from .litellm_settings import cache, settings
from .providers import Providers, copied

STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "latency",
    "cost-based-routing": "cost",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}
_ROUTER = {
    "routing_strategy", "fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks",
    "num_retries", "timeout", "stream_timeout", "request_timeout", "allowed_fails", "cooldown_time",
    "model_group_alias",
}  # fmt: skip


def from_litellm(document: Any, source: str, env: dict[str, str], read: Callable[[str], Any]) -> Draft:
    """document: what YAML made of the file. read: the same of a file that it includes. env: of this machine.

    Raises ConfigError where nothing of it is LiteLLM's.
    """
    draft = Draft(source)
    whole = _included(document, read)
    sections = ("model_list", "router_settings", "litellm_settings", "general_settings")
    if not any(name in whole for name in (*sections, "guardrails", "environment_variables")):
        raise ConfigError(f"{source} is no configuration of LiteLLM: it has none of {', '.join(sections)}")
    for name in whole:
        if name not in (*sections, "guardrails", "include"):
            draft.note(f"not carried over: {name}")
    model = _Model(draft, whole, env)
    model.routes()
    settings(draft, table(whole.get("litellm_settings")), table(whole.get("general_settings")), whole, env)
    guardrails(draft, whole.get("guardrails"))
    return draft


def _included(document: Any, read: Callable[[str], Any]) -> Table:
    whole = dict(table(document))
    for name in rows(whole.get("include")):
        for key, value in table(read(str(name))).items():
            whole[key] = [*rows(whole[key]), *rows(value)] if isinstance(whole.get(key), list) else value
    return whole


class _Model:
    """model_list and router_settings."""

    def __init__(self, draft: Draft, whole: Table, env: dict[str, str]) -> None:
        self._draft = draft
        self._router = {
            **{key: value for key, value in table(whole.get("litellm_settings")).items() if key in _ROUTER},
            **table(whole.get("router_settings")),
        }
        self._cache = cache(draft, table(whole.get("litellm_settings")), env)
        self._providers = Providers(draft)
        self._rows = Deployments(draft, self._providers, env)
        self._groups: dict[str, list[Deployment]] = {}
        self._wild: list[Deployment] = []
        for at, entry in enumerate(rows(whole.get("model_list"))):
            found = self._rows.read(table(entry), f"model_list[{at}]")
            if found is not None and "*" in (found.group + found.model):
                self._wild.append(found)
            elif found is not None:
                self._groups.setdefault(found.group, []).append(found)

    def routes(self) -> None:
        names = self._providers.settle()
        for group, found in self._groups.items():
            self._draft.routes[_route_name(group, self._draft)] = self._route(group, found, names)
        for one in self._wild:
            self._wildcard(one, names)
        for alias, target in table(self._router.get("model_group_alias")).items():
            group = str(table(target).get("model", "")) if isinstance(target, dict) else str(target)
            if group in self._draft.routes:
                self._draft.routes[_route_name(str(alias), self._draft)] = dict(self._draft.routes[group])
            else:
                self._draft.note(f"model_group_alias.{alias}: there is no model {group!r}")
        for name in [name for name in self._router if name not in _ROUTER]:
            self._draft.note(f"not carried over: router_settings.{name}")

    def _route(self, group: str, found: list[Deployment], names: dict[tuple[str, int], str]) -> Table:
        strategy, note = self._strategy(found)

        def said(text: str) -> None:
            self._draft.note(text, "routes", _route_name(group, None))

        if note:
            said(note)
        if any(one.order is not None for one in found):
            found = sorted(found, key=lambda one: one.order if one.order is not None else 1 << 30)
        weights = _weights(found) if strategy == "weighted" else [None] * len(found)
        targets: dict[str, Any] = {}
        for one, weight in zip(found, weights, strict=True):
            _add(targets, one.target(names, weight), said)
        fallbacks = self._fallbacks(group, said)
        if fallbacks and strategy not in ("priority", "weighted"):
            said(f"its fallbacks are targets like the others of the strategy {strategy!r}, not a second choice")
        for other in fallbacks:
            for one in self._groups.get(other, ()):
                _add(targets, one.target(names, 0.0 if strategy == "weighted" else None), said)
        return {
            "targets": list(targets.values()),
            "strategy": strategy if len(targets) > 1 and strategy != "priority" else None,
            "timeouts": self._timeouts(),
            "retry": self._retry(found, 1 + len(fallbacks)),
            "circuit": self._circuit(),
            "cache": self._cache,
        }

    def _strategy(self, found: list[Deployment]) -> tuple[str, str]:
        """Ours, and what is to be said of it."""
        theirs = str(self._router.get("routing_strategy", "simple-shuffle"))
        if len(found) == 1:
            return "priority", ""
        if any(one.order is not None for one in found):
            return "priority", "by `order`; LiteLLM shuffles those that share one"
        ours = STRATEGIES.get(theirs, "weighted")
        if theirs not in STRATEGIES:
            return ours, f"routing_strategy {theirs!r} has no counterpart"
        return ours, f"{theirs!r} asks who has used least; the nearest is here" if theirs.startswith("usage") else ""

    def _fallbacks(self, group: str, said: Callable[[str], None]) -> list[str]:
        """Names of groups, each once, that there are."""
        found: list[str] = []
        for kind in ("fallbacks", "context_window_fallbacks"):
            for entry in rows(self._router.get(kind)):
                given = table(entry).get(group) or table(entry).get("*")
                found += [str(table(one).get("model") or one) for one in rows(given)]
                if given and kind == "context_window_fallbacks":
                    said("its context_window_fallbacks are asked after any other failure, too")
        found += [str(one) for one in rows(self._router.get("default_fallbacks"))]
        if any(group in table(entry) for entry in rows(self._router.get("content_policy_fallbacks"))):
            said("not carried over: content_policy_fallbacks; what a provider's filter refuses is not asked elsewhere")
        for name in dict.fromkeys(found):
            if name not in self._groups:
                said(f"its fallback {name!r} is no model of the list")
        return [name for name in dict.fromkeys(found) if name != group and name in self._groups]

    def _timeouts(self) -> Table | None:
        total = self._router.get("timeout") or self._router.get("request_timeout")
        found = {"total": _positive(total), "first_byte": _positive(self._router.get("stream_timeout"))}
        return found if any(found.values()) else None

    def _retry(self, found: list[Deployment], groups: int) -> Table | None:
        """LiteLLM counts what is tried again, of each group that is asked; here all tries of a request are counted."""
        given = [one.retries for one in found if one.retries is not None] or [self._router.get("num_retries")]
        retries = numeric(given[0])
        return {"tries": (max(int(retries), 0) + 1) * groups} if retries is not None else None

    def _circuit(self) -> Table | None:
        fails, rest = numeric(self._router.get("allowed_fails")), _positive(self._router.get("cooldown_time"))
        found = {"failures": max(int(fails), 0) + 1 if fails is not None else None, "open": rest}
        if rest is not None and rest > 15.0:
            found["max_open"] = rest
        return found if any(value is not None for value in found.values()) else None

    def _wildcard(self, one: Deployment, names: dict[tuple[str, int], str]) -> None:
        """Any model of a provider needs no route here: clients ask for provider:model, or provider/model."""
        name, (asked, _, rest) = names[one.provider], one.group.partition("/")
        if one.group == "*" or rest not in ("*", "") or asked == name:
            self._draft.note(f"{one.group!r}: clients ask for {name}/MODEL, and need no route for it")
        elif catalog.canonical(asked) in catalog.provider_ids() or asked in self._draft.providers:
            self._draft.note(f"{one.group!r}: clients ask for {name}/MODEL; {asked!r} is another provider here")
        else:
            self._draft.providers[asked] = copied(name, self._draft.providers.get(name, {}))
            self._draft.note(f"for {one.group!r}: {name} by LiteLLM's name, as clients ask for it", "providers", asked)


def _route_name(group: str, draft: Draft | None) -> str:
    """A route may not be called like a provider."""
    if catalog.canonical(group) not in catalog.provider_ids():
        return group
    if draft is not None:
        draft.note(f"the model {group!r} is called {group + '-model'!r} here: a provider has its name")
    return group + "-model"


def _weights(found: list[Deployment]) -> list[float | None]:
    """Shares as LiteLLM's shuffle takes them: of `weight`, else of rpm, else of tpm; else all alike."""
    limits = [table(one.extras.get("limits")) for one in found]
    for shares in (
        [one.weight for one in found],
        [limit.get("rpm") for limit in limits],
        [limit.get("tpm") for limit in limits],
    ):
        if any(share is not None for share in shares):
            return [float(share or 0) for share in shares]
    return [None] * len(found)


def _add(targets: dict[str, Any], target: Table | str, said: Callable[[str], None]) -> None:
    name = str(target["model"]) if isinstance(target, dict) else target
    if name not in targets:
        targets[name] = target
        return
    before, again = table(targets[name]), table(target)
    if before.get("weight") and again.get("weight"):
        before["weight"] += again["weight"]
    said(f"{name} stood in it twice with one key; each target is tried once")


def _positive(value: Any) -> float | None:
    found = numeric(value)
    return found if found is not None and found > 0 else None
