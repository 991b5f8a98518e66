"""Opening a database and bringing its tables up to date."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from tsuji.config import LedgerConfig, Secret
from tsuji.core.errors import ConfigError, LedgerError
from tsuji.ledger import place, tables
from tsuji.ledger.database import migrate, open_database, ready

TOGETHER = 6
OPEN = """
import sys
from tsuji.ledger.database import ready
from sqlalchemy import text
print("here", flush=True)
sys.stdin.readline()
engine = ready(sys.argv[1])
with engine.connect() as connection:
    print(connection.execute(text("SELECT count(*) FROM ledger")).scalar_one())
engine.dispose()
"""


def test_migrations_make_the_tables_that_the_code_has(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        assert connection.execute(text("SELECT id, keys_version, limits_version FROM ledger")).all() == [(1, 0, 0)]


def test_processes_that_start_at_once_do_not_collide(url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", OPEN, url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(TOGETHER)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in processes]
    assert ended == [("1\n", "")] * TOGETHER


def test_a_later_version_is_not_touched(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="later version of Tsuji"):
        ready(url)


def test_a_migration_that_fails_leaves_nothing(url: str, monkeypatch: Any) -> None:
    from alembic import op

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("power cut")

    engine = open_database(url)
    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "postgresql:/x", "nonsense"])
def test_what_is_no_url(url: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    if "://" not in url:
        assert open_database(url).dialect.name == "sqlite"  # the path of a file
        return
    with pytest.raises(ConfigError) as caught:
        open_database(url)
    assert caught.value.param == "ledger.url"


def test_a_database_that_is_down_is_said_without_its_password() -> None:
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        ready("postgresql+psycopg://me:canary-password@127.0.0.1:1/x")
    assert "canary" not in str(caught.value) + repr(caught.value.__cause__)


def test_the_file_is_private_and_its_place_may_be_odd(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c %41"
    engine = ready(place.database(LedgerConfig(folder=folder)))
    engine.dispose()
    assert (folder / "ledger.db").stat().st_mode & 0o777 == 0o600


def test_where_it_is(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("TSUJI_HOME", str(tmp_path))
    assert place.database(LedgerConfig()) == f"{tmp_path}/ledger.db"
    monkeypatch.setenv("LEDGER_URL", "postgresql://h/d")
    assert place.database(LedgerConfig(url=Secret("env:LEDGER_URL"))) == "postgresql://h/d"
    monkeypatch.delenv("LEDGER_URL")
    with pytest.raises(ConfigError, match=r"ledger\.url is the environment variable LEDGER_URL"):
        place.database(LedgerConfig(url=Secret("env:LEDGER_URL")))


def test_a_folder_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"set ledger\.folder"):
        open_database(os.devnull + "/x/ledger.db")
