"""What guardrails of a file whose shape is right can still get wrong."""

from collections.abc import Collection

from tsuji import catalog
from tsuji.core.errors import InvalidRequestError
from tsuji.http.url import split_url

from .guardrail import EXTRA, packages
from .pattern import PatternError, check_pattern
from .problem import Path, Problems
from .provider import model_ref
from .reader import MISSING
from .schema import FileTable, GuardrailTable

_SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "regex": (("patterns",), ("window",)),
    "words": (("deny",), ("allow",)),
    "length": (("max",), ()),
    "secrets": ((), ()),
    "pii": ((), ("entities", "regions")),
    "webhook": (("url",), ("token", "timeout", "on_error", "every")),
    "model": (("model", "prompt"), ("timeout", "on_error", "every")),
}
"""By kind, the settings that it needs and those that it may have."""
_COMMON = frozenset(["kind", "on", "action", "everywhere"])
_NO_REDACTING = {
    "length": "a text that is too long has no part to take out",
    "model": "a model says yes or no, not where",
    "webhook": "its own answer says what to redact",
}
_MAX_NAME = 64


def check_guardrails(file: FileTable, known: Collection[str], problems: Problems) -> None:
    """Notes what is wrong with the guardrails of `file`, and with routes that name them. known: providers."""
    named: set[str] = set()
    for name, route in file.routes.items():
        for at, guard in enumerate(route.guardrails):
            path: Path = ("routes", name, "guardrails", at)
            if guard is MISSING:
                continue
            if guard not in file.guardrails:
                near = catalog.nearest(guard, tuple(file.guardrails)) if file.guardrails else "there are none"
                problems.add(path, f"no guardrail {guard!r} under [guardrails]; {near}")
            elif guard in route.guardrails[:at]:
                problems.add(path, f"{guard!r} stands in this list already")
            named.add(guard)
    for name, table in file.guardrails.items():
        path = ("guardrails", name)
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or len(name) > _MAX_NAME:
            problems.add(path, f"a guardrail's name has {_MAX_NAME} letters, digits, '-' and '_' at most")
        if not table.everywhere and name not in named:
            problems.add(path, "no route names it, so it has no effect; or set everywhere = true", "note")
        _settings(table, path, problems)
        _of_kind(table, path, problems)
        if table.model is not None and table.model not in file.routes:
            _judge(table.model, (*path, "model"), known, problems)


def _settings(table: GuardrailTable, path: Path, problems: Problems) -> None:
    needed, may = _SETTINGS[table.kind]
    given = table.given()
    for name in needed:
        if name not in given and not problems.concern((*path, name)):
            problems.add(path, f"a guardrail of kind {table.kind!r} needs {name!r}")
    for name in given:
        if name not in _COMMON and name not in needed and name not in may:
            problems.add((*path, name), f"is no setting of a guardrail of kind {table.kind!r}")
    why = _NO_REDACTING.get(table.kind)
    if table.action == "redact" and why is not None:
        problems.add((*path, "action"), f'{why}; write action = "block" or "log"')
    missing = packages(table.kind)
    if missing:
        problems.add(path, f"needs {' and '.join(missing)}, which this installation has not; {EXTRA}", "warning")


def _of_kind(table: GuardrailTable, path: Path, problems: Problems) -> None:
    for at, pattern in enumerate(table.patterns or ()):
        if pattern is not MISSING:
            try:
                check_pattern(pattern)
            except PatternError as error:
                problems.add((*path, "patterns", at), str(error))
            except ImportError:
                pass  # told already
    for name in ("deny", "allow"):
        for at, phrase in enumerate(getattr(table, name) or ()):
            if phrase is not MISSING and not phrase.strip():
                problems.add((*path, name, at), "must not be empty")
    for at, region in enumerate(table.regions or ()):
        if region is not MISSING and not (len(region) == 2 and region.isascii() and region.isupper()):
            problems.add((*path, "regions", at), "must be a country's two capital letters, such as JP")
    if table.url is not None:
        try:
            split_url(table.url)
        except InvalidRequestError as error:
            problems.add((*path, "url"), error.message)


def _judge(model: str, path: Path, known: Collection[str], problems: Problems) -> None:
    try:
        provider = model_ref(model).provider
    except InvalidRequestError:
        problems.add(path, f"{model!r} is no route and names no provider; write a route's name or 'provider:model'")
        return
    if provider not in known:
        problems.add(path, f"no provider {provider!r}; {catalog.nearest(provider, tuple(known))}")
