"""Finding the file, reading it, and building the configuration in memory."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Route, Target

from .config import AdminConfig, Config, LedgerConfig, Server
from .provider import ProviderConfig, model_ref, provider_config
from .secret import Secret

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

    from .problem import Problem, Problems
    from .schema import AdminTable, FileTable, LedgerTable, PriceTable, RouteTable


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
    path = Path(path) if path is not None else config_path()
    if path is None:
        return Config()
    file, problems = _checked(path)
    errors = problems.errors
    if file is None or errors:
        lines = "\n  ".join([str(problem) for problem in errors])
        raise ConfigError(f"{path} has {len(errors)} mistake{'s' * (len(errors) > 1)}\n  {lines}", param=errors[0].key)
    return _build(file, path.parent)


def check_config(path: Path | str) -> "list[Problem]":
    """Everything that is or may be wrong with the file, in the order of its lines. Empty: nothing is."""
    found = _checked(Path(path))[1].found
    return sorted(found, key=lambda problem: problem.line or 0)


def config_schema() -> dict[str, Any]:
    """The file's JSON schema, as editors take it."""
    from .schema import FileTable

    schema = msgspec.json.schema(FileTable)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "tsuji.toml", **schema}


def _checked(path: Path) -> "tuple[FileTable | None, Problems]":
    import tomllib

    from .check import check
    from .lines import key_lines
    from .problem import Problem, Problems
    from .reader import read

    nothing = Problems({})
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        nothing.found.append(Problem(None, "", f"{path} cannot be read: {reason}"))
        return None, nothing
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        nothing.found.append(_syntax(str(error), text.count("\n") + 1))
        return None, nothing
    problems = Problems(key_lines(text.replace("\r\n", "\n")))
    file = read(document, problems)
    check(file, path.parent, problems)
    return file, problems


def _syntax(message: str, last: int) -> "Problem":
    """tomllib's message says where at its end: "... (at line 3, column 7)", or "(at end of document)"."""
    from .problem import Problem

    what, _, where = message.partition(" (at ")
    line, _, column = where.removeprefix("line ").rstrip(")").partition(", column ")
    at = f"at column {column}" if column else "at the end of the file"
    return Problem(int(line) if line.isdigit() else last, "", f"not TOML: {what}, {at}")


def _build(file: "FileTable", folder: Path) -> Config:
    server = file.server
    providers = {catalog.canonical(id): provider_config(table, folder) for id, table in file.providers.items()}
    prices: dict[str, Price] = {}
    for route in file.routes.values():
        for target in route.targets:
            if not isinstance(target, str) and target.price is not None:
                prices[str(model_ref(target.model))] = _price(target.price)
    return Config(
        server=Server(
            host=server.host,
            port=server.port,
            keys=[Secret(key, folder) for key in server.keys],
            max_body=server.max_body,
            allowed_hosts=server.allowed_hosts,
            allowed_origins=server.allowed_origins,
            secret=Secret(server.secret, folder) if server.secret is not None else None,
        ),
        ledger=_ledger(file.ledger, folder),
        admin=_admin(file.admin, folder),
        providers=providers,
        routes={name: _route(name, table, providers) for name, table in file.routes.items()},
        drop_params=file.drop_params,
        prices=prices,
    )


def _ledger(table: "LedgerTable", folder: Path) -> LedgerConfig:
    return LedgerConfig(
        enabled=table.enabled,
        url=Secret(table.url, folder) if table.url is not None else None,
        folder=folder / Path(table.folder).expanduser() if table.folder is not None else None,
        on_failure=table.on_failure,
    )


def _admin(table: "AdminTable", folder: Path) -> AdminConfig:
    return AdminConfig(
        host=table.host,
        port=table.port,
        token=Secret(table.token, folder) if table.token is not None else None,
        allowed_hosts=table.allowed_hosts,
    )


def _route(name: str, table: "RouteTable", providers: dict[str, ProviderConfig]) -> Route:
    """Timeouts fall, each by itself, from target to route to provider to default."""
    own = table.timeouts.given() if table.timeouts else {}
    whole = Timeouts(**own)
    targets: list[Target] = []
    for target in table.targets:
        ref = model_ref(target if isinstance(target, str) else target.model)
        given = providers.get(ref.provider)
        nearest = {} if isinstance(target, str) else (target.timeouts.given() if target.timeouts else {})
        timeouts = Timeouts(**{**(given.timeouts if given else {}), **own, **nearest})
        targets.append(
            Target(
                provider=ref.provider,
                model=ref.model,
                weight=1.0 if isinstance(target, str) else target.weight,
                timeouts=timeouts if timeouts != whole else None,
            )
        )
    return Route(
        name,
        tuple(targets),
        strategy=table.strategy,
        timeouts=whole,
        drop_params=table.drop_params,
        refuse_unpriced=table.refuse_unpriced,
    )


def _price(table: "PriceTable") -> "Price":
    from decimal import Decimal

    from tsuji.catalog.prices import Price
    from tsuji.core.usage import NANO

    # By the decimal digits that were written: 0.1 dollars are 100 000 000 nano-dollars exactly.
    rates: dict[str, Any] = {name: round(Decimal(repr(value)) * NANO) for name, value in table.given().items()}
    return Price(**rates, source="config")
