"""What a file whose shape is right can still get wrong: names that are not there, and names that collide."""

from collections.abc import Collection
from pathlib import Path as Folder

from tsuji import catalog
from tsuji.core.errors import ConfigError, InvalidRequestError, TsujiError
from tsuji.core.provider import OF_CREDENTIALS, Provider, filled, placeholders
from tsuji.http.message import render_headers
from tsuji.http.url import is_loopback, split_url
from tsuji.wire import DIALECTS, dialect

from .check_guardrails import check_guardrails
from .check_route import check_prices, check_route, check_target
from .check_secret import secret_is_there
from .check_server import check_server
from .experiment import check_names
from .problem import Path, Problems
from .provider import merge, needed, provider_config, setting
from .reader import MISSING
from .redaction import compile_redaction
from .schema import AdminTable, FileTable, LedgerTable, ProviderTable, TelemetryTable
from .schema_route import StoreTable
from .secret import Secret
from .span import seconds


def check(file: FileTable, folder: Folder, problems: Problems, beside: Collection[str] = ()) -> None:
    """Notes what is wrong with `file`. folder: of the file, for secrets in files. beside: other providers there are."""
    check_server(file.server, file.ledger.enabled, folder, problems)
    _ledger(file.ledger, folder, problems)
    _telemetry(file.telemetry, folder, problems)
    _admin(file.admin, folder, problems)
    for id, provider in file.providers.items():
        _provider(id, provider, ("providers", id), folder, problems)
        if (own := catalog.canonical(id)) != id and own in file.providers:
            problems.add(("providers", id), f"is another name of {own!r}, which stands here as well; write one of them")
    known = (*catalog.provider_ids(), *beside, *file.providers)
    for name, route in file.routes.items():
        check_route(name, route, known, file.routes, folder, problems)
        if route.store is not None:
            _store(route.store, file.ledger.enabled, ("routes", name, "store"), problems)
    check_prices(file, problems)
    check_names(file, problems)
    _cache(file, folder, problems)
    check_guardrails(file, known, problems)
    for name, guard in file.guardrails.items():
        if guard.token is not None:
            secret_is_there(guard.token, ("guardrails", name, "token"), folder, problems)


def _ledger(ledger: LedgerTable, folder: Folder, problems: Problems) -> None:
    if ledger.url is None:
        return
    secret_is_there(ledger.url, ("ledger", "url"), folder, problems)
    url = Secret(ledger.url, folder).reveal()
    if url is not None and not url.startswith(("postgresql://", "postgresql+psycopg://", "sqlite:///")):
        problems.add(("ledger", "url"), "must begin with postgresql+psycopg:// or sqlite:///")


def _admin(admin: AdminTable, folder: Folder, problems: Problems) -> None:
    if admin.token is not None:
        secret_is_there(admin.token, ("admin", "token"), folder, problems)
    elif not is_loopback(admin.host):
        message = f"the admin API refuses to listen on {admin.host} without a token of yours; set admin.token"
        problems.add(("admin", "host"), message)


def _telemetry(telemetry: TelemetryTable, folder: Folder, problems: Problems) -> None:
    if telemetry.otlp is None:
        return
    try:
        split_url(telemetry.otlp)
    except InvalidRequestError as error:
        problems.add(("telemetry", "otlp"), error.message)
    if telemetry.otlp.rstrip("/").endswith(("/v1/traces", "/v1/metrics")):
        problems.add(("telemetry", "otlp"), "leave out '/v1/traces' and the like: they are added to it")
    for name, value in telemetry.headers.items():
        secret_is_there(value, ("telemetry", "headers", name), folder, problems)


def _store(store: StoreTable, ledger: bool, path: Path, problems: Problems) -> None:
    """ledger: there is one."""
    try:
        seconds(str(store.retention))
    except ConfigError as error:
        problems.add((*path, "retention"), error.message)
    for at, pattern in enumerate(store.redact):
        try:
            compile_redaction(str(pattern))
        except ConfigError as error:
            problems.add((*path, "redact", at), error.message)
    if not ledger:
        problems.add(path, "nothing is stored, because ledger.enabled is false", "note")
    elif not (store.prompts or store.answers):
        problems.add(path, "stores nothing: set prompts or answers to true", "note")


def _provider(id: str, table: ProviderTable, path: Path, folder: Folder, problems: Problems) -> None:
    in_catalogue = catalog.canonical(id) in catalog.provider_ids()
    if not id or ":" in id or "/" in id:
        problems.add(
            path, "a provider's name must not be empty nor contain ':' or '/', which end it in 'provider:model'"
        )
    elif id == "local" and (table.dialect or table.base_url):
        problems.add(path, "the local engine has no address of its own; call a server of yours by another name")
    elif not in_catalogue and not (table.dialect and table.base_url):
        asked = [name for name in ("dialect", "base_url") if not getattr(table, name)]
        missing = " and ".join([name for name in asked if not problems.concern((*path, name))])
        near = catalog.nearest(id, catalog.provider_ids())
        if missing:
            problems.add(path, f"is not in the catalogue ({near}); a provider of your own needs {missing}")
    provider = _merged(id, table, folder)
    if table.base_url is not None:
        added = ""
        if provider is not None and provider.dialect in DIALECTS:
            added = provider.endpoints.get("chat") or dialect(provider.dialect).chat_path("m", False)
        _base_url(table.base_url, added, (*path, "base_url"), problems)
    if table.api_key is not None:
        secret_is_there(table.api_key, (*path, "api_key"), folder, problems)
        if table.api_keys is not None:
            problems.add((*path, "api_key"), "stands beside api_keys, which says more; write all keys there")
    for at, key in enumerate(table.api_keys or ()):
        secret_is_there(key, (*path, "api_keys", at), folder, problems)
    _headers(table.headers, path, problems)
    for name, variant in (table.dialects or {}).items():
        _headers(variant.headers, (*path, "dialects", name), problems)
    if provider is not None:
        _settings(table, provider, path, problems)
        for where, message in catalog.mistakes(provider):
            problems.add((*path, *where), message)


def _merged(id: str, table: ProviderTable, folder: Folder) -> Provider | None:
    """None for what is not complete, which has been told."""
    try:
        return merge(id, provider_config(table, folder))
    except TsujiError:
        return None


def _settings(table: ProviderTable, provider: Provider, path: Path, problems: Problems) -> None:
    row = catalog.provider(provider.id).settings if provider.id in catalog.provider_ids() else {}
    variants = [variant.base_url or "" for variant in provider.dialects.values()]
    used = placeholders(" ".join([provider.base_url, *variants]))
    known = tuple(sorted({*row, *used, OF_CREDENTIALS.get(provider.auth.keyless, "")} - {""}))
    for name in table.settings or {}:
        if name not in known:
            near = catalog.nearest(name, known) if known else "its base_url has no {placeholder}"
            problems.add((*path, "settings", name), f"is no setting of {provider.name}; {near}")
    for name in sorted(provider.settings.keys() & {*used, *(table.settings or {})}):
        given = name in (table.settings or {})
        try:
            if setting(provider, name) is None and name != OF_CREDENTIALS.get(provider.auth.keyless):
                needed(provider, name)
        except ConfigError as error:
            problems.add((*path, "settings", name), error.message, "error" if given else "warning")


def _headers(headers: dict[str, str] | None, path: Path, problems: Problems) -> None:
    for name, value in (headers or {}).items():
        try:
            render_headers([(name, value)])
        except InvalidRequestError:
            problems.add(
                (*path, "headers", name), "is no valid header: no line breaks, names of letters, digits and '-'"
            )


def _base_url(url: str, added: str, path: Path, problems: Problems) -> None:
    """added: the path of a chat request, which comes after the URL."""
    if "@" in url:
        problems.add(path, "must not carry credentials; write api_key, or a header")
        return
    try:
        _, given = split_url(filled(url, lambda name: "x"))
    except InvalidRequestError as error:
        problems.add(path, error.message)
        return
    given = given.rstrip("/")
    for ending in ("/chat/completions", "/messages", "/embeddings"):
        if given.endswith(ending):
            problems.add(path, f"leave out {ending!r}: it is added; write what the provider's official client takes")
            return
    twice = [added[:end] for end in range(1, len(added)) if added[end] == "/" and given.endswith(added[:end])]
    if twice:
        problems.add(path, f"probably without {twice[0]!r}: {added!r} is added to it", "warning")


def _cache(file: FileTable, folder: Folder, problems: Problems) -> None:
    redis = file.cache.redis
    if redis is not None:
        secret_is_there(redis, ("cache", "redis"), folder, problems)
        url = Secret(redis, folder).reveal()
        if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            problems.add(("cache", "redis"), "must begin with redis://, rediss:// or unix://")
    for name, route in file.routes.items():
        if route.cache is None:
            continue
        if route.cache.store == "redis" and redis is None:
            problems.add(("routes", name, "cache"), "keeps its answers in Redis; write under [cache] where that is")
        semantic = route.cache.semantic
        if semantic is not None and semantic.model is not MISSING and semantic.model not in file.routes:
            known = (*catalog.provider_ids(), *file.providers)
            check_target(semantic.model, ("routes", name, "cache", "semantic", "model"), known, (), problems)
