"""Finding the file, reading it, and building the configuration in memory."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError

from .caching import CacheConfig
from .config import AdminConfig, Config, LedgerConfig, Listen, Server, Telemetry, Tls
from .guardrail import guardrail
from .provider import model_ref, provider_config
from .route import cache_rule, price_of, route_of, store_of
from .secret import Secret
from .source import Source

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

    from .problem import Problem, Problems
    from .schema import (
        AdminTable,
        FileTable,
        LedgerTable,
        ListenTable,
        ServerTable,
        TelemetryTable,
    )


def config_path() -> Path | None:
    """The file used where none is named: ./tsuji.toml, else $XDG_CONFIG_HOME/tsuji/tsuji.toml, else None."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in (Path("tsuji.toml"), home / "tsuji" / "tsuji.toml"):
        if path.is_file():
            return path
    return None


def load_config(path: Path | str | None = None) -> Config:
    """The configuration in `path`, or in the file that `config_path` finds, or the defaults.

    Raises ConfigError with every mistake and its line.
    """
    return build_config(read_source(path))


def read_source(path: Path | str | None = None) -> Source:
    """What `load_config` makes its configuration of. Raises ConfigError for a file that cannot be read."""
    path = Path(path) if path is not None else config_path()
    if path is None:
        return Source()
    try:
        return Source(str(path), path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise _mistakes(path, [_unreadable(path, error)]) from None


def build_config(source: Source) -> Config:
    """Raises ConfigError with every mistake and its line."""
    if source.path is None:
        config = Config()
    else:
        path = Path(source.path)
        file, problems = _checked(source.text, path.parent)
        if file is None or problems.errors:
            raise _mistakes(path, problems.errors)
        config = _build(file, path.parent)
    server = config.server
    if source.host is not None or source.port is not None:
        server.socket = None
    server.host = server.host if source.host is None else source.host
    server.port = server.port if source.port is None else source.port
    server.workers = server.workers if source.workers is None else source.workers
    server.own_key = source.own_key
    config.source = source
    return config


def _mistakes(path: Path, errors: "list[Problem]") -> ConfigError:
    lines = "\n  ".join([str(problem) for problem in errors])
    return ConfigError(f"{path} has {len(errors)} mistake{'s' * (len(errors) > 1)}\n  {lines}", param=errors[0].key)


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> "Problem":
    from .problem import Problem

    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    return Problem(None, "", f"{path} cannot be read: {reason}")


def check_config(path: Path | str) -> "list[Problem]":
    """Everything that is or may be wrong with the file, in the order of its lines. Empty: nothing is."""
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return [_unreadable(path, error)]
    found = _checked(text, path.parent)[1].found
    return sorted(found, key=lambda problem: problem.line or 0)


def config_schema() -> dict[str, Any]:
    """The file's JSON schema, as editors take it."""
    from .schema import FileTable

    schema = msgspec.json.schema(FileTable)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "tsuji.toml", **schema}


def _checked(text: str, folder: Path) -> "tuple[FileTable | None, Problems]":
    import tomllib

    from .check import check
    from .lines import key_lines
    from .problem import Problems
    from .reader import read

    nothing = Problems({})
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        nothing.found.append(_syntax(str(error), text.count("\n") + 1))
        return None, nothing
    problems = Problems(key_lines(text.replace("\r\n", "\n")))
    file = read(document, problems)
    check(file, folder, problems)
    return file, problems


def _syntax(message: str, last: int) -> "Problem":
    """tomllib's message says where at its end: "... (at line 3, column 7)", or "(at end of document)"."""
    from .problem import Problem

    what, _, where = message.partition(" (at ")
    line, _, column = where.removeprefix("line ").rstrip(")").partition(", column ")
    at = f"at column {column}" if column else "at the end of the file"
    return Problem(int(line) if line.isdigit() else last, "", f"not TOML: {what}, {at}")


def _build(file: "FileTable", folder: Path) -> Config:
    providers = {catalog.canonical(id): provider_config(table, folder) for id, table in file.providers.items()}
    prices: dict[str, Price] = {}
    for route in file.routes.values():
        for target in route.targets:
            if not isinstance(target, str) and target.price is not None:
                prices[str(model_ref(target.model))] = price_of(target.price)
    return Config(
        server=_server(file.server, folder),
        ledger=_ledger(file.ledger, folder),
        telemetry=_telemetry(file.telemetry, folder),
        stores={name: store_of(table.store) for name, table in file.routes.items() if table.store is not None},
        admin=_admin(file.admin, folder),
        providers=providers,
        routes={name: route_of(name, table, providers, folder) for name, table in file.routes.items()},
        drop_params=file.drop_params,
        prices=prices,
        cache=_cache(file, folder),
        guardrails={name: guardrail(name, table, folder) for name, table in file.guardrails.items()},
    )


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _server(table: "ServerTable", folder: Path) -> Server:
    main = _listen(table, folder)
    return Server(
        host=main.host,
        port=main.port,
        keys=[Secret(key, folder) for key in table.keys],
        max_body=table.max_body,
        allowed_hosts=table.allowed_hosts,
        allowed_origins=table.allowed_origins,
        secret=Secret(table.secret, folder) if table.secret is not None else None,
        socket=main.socket,
        mode=main.mode,
        tls=main.tls,
        proxy_protocol=main.proxy_protocol,
        more=[_listen(more, folder) for more in table.listen],
        trusted_proxies=table.trusted_proxies,
        forwarded_header=table.forwarded_header,
        max_connections=table.max_connections,
        max_connections_per_address=table.max_connections_per_address,
        workers=cores() if table.workers == "auto" else table.workers,
        drain=table.drain,
        drain_delay=table.drain_delay,
        metrics=table.metrics,
        access_log=_log_file(table.access_log, folder),
    )


def _listen(table: "ListenTable", folder: Path) -> Listen:
    tls = table.tls
    return Listen(
        host=table.host,
        port=table.port,
        socket=folder / Path(table.socket).expanduser() if table.socket is not None else None,
        mode=int(table.socket_mode, 8),
        tls=Tls(
            certificate=folder / Path(tls.certificate).expanduser(),
            key=folder / Path(tls.key).expanduser(),
            client_ca=folder / Path(tls.client_ca).expanduser() if tls.client_ca is not None else None,
        )
        if tls is not None
        else None,
        proxy_protocol=table.proxy_protocol,
    )


def _log_file(name: str | None, folder: Path) -> "Path | str | None":
    return name if name in (None, "stderr") else folder / Path(str(name)).expanduser()


def _telemetry(table: "TelemetryTable", folder: Path) -> Telemetry:
    return Telemetry(
        otlp=table.otlp,
        headers={name: Secret(value, folder) for name, value in table.headers.items()},
        traces=table.traces,
        metrics=table.metrics,
        sample=table.sample,
        propagate=table.propagate,
        interval=table.interval,
        service_name=table.service_name,
    )


def _ledger(table: "LedgerTable", folder: Path) -> LedgerConfig:
    return LedgerConfig(
        enabled=table.enabled,
        url=Secret(table.url, folder) if table.url is not None else None,
        folder=folder / Path(table.folder).expanduser() if table.folder is not None else None,
        on_failure=table.on_failure,
    )


def _cache(file: "FileTable", folder: Path) -> CacheConfig:
    table = file.cache
    return CacheConfig(
        routes={name: cache_rule(file, route) for name, route in file.routes.items() if route.cache is not None},
        memory_bytes=table.memory_bytes,
        path=folder / Path(table.path).expanduser() if table.path is not None else None,
        path_bytes=table.path_bytes,
        redis=Secret(table.redis, folder) if table.redis is not None else None,
    )


def _admin(table: "AdminTable", folder: Path) -> AdminConfig:
    return AdminConfig(
        host=table.host,
        port=table.port,
        token=Secret(table.token, folder) if table.token is not None else None,
        allowed_hosts=table.allowed_hosts,
    )
