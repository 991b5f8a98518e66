"""The database: which it is, how it is opened, and its tables brought up to date."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError

from tsuji.core.errors import ConfigError, LedgerError

_SECONDS = 10.0
"""That a writer waits for another."""
_LOCK = 0x7473756A69
"""PostgreSQL's advisory lock under which the tables are changed: "tsuji"."""


def open_database(url: str, *, statement_seconds: float | None = None) -> Engine:
    """url: or the path of a SQLite file. Connects to nothing yet.

    statement_seconds: after which PostgreSQL gives a statement up; None: never.

    Raises ConfigError for what is no URL of a database that is known here, or a driver that is not installed.
    """
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except ArgumentError:
        raise ConfigError("ledger.url is no database URL", param="ledger.url") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database:
        _private(Path(parsed.database))
        engine = create_engine(parsed.set(drivername="sqlite"), connect_args={"timeout": _SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if kind == "postgresql":
        limits: dict[str, Any] = {"connect_timeout": 5, "tcp_user_timeout": 15_000}
        if statement_seconds is not None:
            limits["options"] = f"-c statement_timeout={int(statement_seconds * 1000)}"
        try:
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"), connect_args=limits, pool_size=3, hide_parameters=True
            )
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"ledger.url needs {error.name}, which is not installed: pip install 'tsuji[postgres]'",
                param="ledger.url",
            ) from None
    raise ConfigError("ledger.url must be of sqlite (with a file) or postgresql", param="ledger.url")


def _private(file: Path) -> None:
    """SQLite gives the files that it makes beside this one the same permissions."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
    except OSError as error:
        raise ConfigError(
            f"the ledger {file} cannot be written: {error.strerror}; set ledger.folder", param="ledger.folder"
        ) from error


def _prepare_sqlite(connection: Any, _: object) -> None:
    """WAL: readers and the writer do not wait for each other. FULL: what is committed survives the machine's end."""
    connection.isolation_level = None  # transactions begin where we say so, tables' changes included
    until = monotonic() + _SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise ConfigError("the ledger's file system cannot hold a SQLite database in WAL mode")
            break
        except connection.OperationalError:  # two that turn it on at once: SQLite does not wait here
            if monotonic() > until:
                raise
            sleep(0.02)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # prompts whose time is over are gone from the file as well


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def migrate(engine: Engine) -> None:
    """Brings the tables up to date, one process at a time; the others find them so.

    Raises ConfigError where they are of a later version than this one.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"the ledger was written by a later version of Tsuji than this one: {error}", param="ledger.url"
            ) from error


def ready(url: str, *, statement_seconds: float | None = None) -> Engine:
    """Opened, and its tables up to date. Raises ConfigError, or LedgerError if it is down."""
    engine = open_database(url, statement_seconds=statement_seconds)
    try:
        with explained():
            migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def explained() -> Generator[None]:
    """Raises LedgerError for what the database does not do, without its password."""
    try:
        yield
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger cannot be used: {reason(error)}") from None


def refuses(error: SQLAlchemyError) -> bool:
    """It will never take these values. Other errors may be over later: a lost connection, a missing right or table."""
    return isinstance(error, DataError | IntegrityError) or not isinstance(error, DBAPIError)


def reason(error: SQLAlchemyError) -> str:
    """One line, without statements, values and passwords."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    line = lines[0] if lines else type(cause).__name__
    return re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", line)
