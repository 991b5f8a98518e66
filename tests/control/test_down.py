"""The database down, slow, or wrong: said, without its password, and over when it is over."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.control.serving import TOKEN, Serving, config
from tests.ledger.postgres import Postgres
from tsuji.config import Config, LedgerConfig

CANARY = "pg-canary-password"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that these tests may stop."""
    one = Postgres()
    yield one
    one.close()


@pytest.fixture
def running(server: Postgres) -> Iterator[Postgres]:
    yield server
    if server._process is None:
        server.start()


def down(api: Serving) -> str:
    """What it says while its database is down."""
    said = ""
    for method, path, body in (
        ("GET", "keys", None),
        ("POST", "keys", {"name": "x"}),
        ("POST", f"keys/k_{'0' * 10}/rotate", {}),
        ("GET", "usage", None),
        ("PUT", "limits", {"kind": "gateway", "unit": "usd", "amount": 1}),
    ):
        error = api.refused(503, method, path, body)
        assert (error["kind"], error["fault"]) == ("ledger", "gateway")
        said += error["message"]
    health = api.get("health")
    assert (health["status"], health["database"]) == ("down", None)
    for path in ("routes", "providers", "/healthz", "/openapi.json"):
        assert api.ask("GET", path).status_code == 200
    return said + health["down"]


def test_it_goes_down_and_comes_back(running: Postgres, serve: Callable[..., Serving]) -> None:
    api = serve(config(running.url()))
    assert api.get("health") == {
        "status": "ok",
        "version": api.get("health")["version"],
        "database": "postgresql",
        "down": None,
    }
    made = api.make()
    running.stop()
    said = down(api)
    assert "the ledger cannot be used" in said
    assert CANARY not in said
    running.start()
    assert [key["id"] for key in api.get("keys")["items"]] == [made["id"]]
    assert api.get("health")["status"] == "ok"


def test_it_starts_while_the_database_is_down(running: Postgres, serve: Callable[..., Serving]) -> None:
    url = running.url()
    running.stop()
    api = serve(config(url))
    assert CANARY not in down(api)
    running.start()
    assert api.make()["state"] == "live"


def test_a_table_that_is_locked_is_not_waited_for(running: Postgres, serve: Callable[..., Serving]) -> None:
    api = serve(config(running.url()), handler_seconds=0.5)
    engine = api.admin.ledger()[0]
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE keys"))
        error = api.refused(503, "POST", "keys", {"name": "late"})
        assert "did not answer within 0.5 seconds" in error["message"]
        assert api.get("health")["status"] == "ok"  # others go on
    with engine.connect() as connection:  # the thread that still waits does not do so for ever
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "20s"


def test_many_who_wait_do_not_keep_out_those_who_need_not(running: Postgres, serve: Callable[..., Serving]) -> None:
    api = serve(config(running.url()), handler_seconds=2)
    with api.admin.ledger()[0].begin() as connection:
        connection.execute(text("LOCK TABLE keys"))
        waiting = [threading.Thread(target=api.ask, args=("GET", "keys")) for _ in range(20)]
        for one in waiting:
            one.start()
        assert api.ask("GET", "/healthz").json() == {"status": "ok"}
        assert api.ask("GET", "/openapi.json").status_code == 200
        for one in waiting:
            one.join()
    assert api.get("keys")["items"] == []


def test_a_sqlite_file_that_is_no_database(tmp_path: Path, serve: Callable[..., Serving]) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"not a database " * 100)
    api = serve(config(f"sqlite:///{file}"))
    assert "the ledger cannot be used" in down(api)


def test_another_secret_is_noticed(tmp_path: Path, serve: Callable[..., Serving]) -> None:
    settings = config(f"sqlite:///{tmp_path}/ledger.db")
    first = serve(settings)
    first.make()
    with first.admin.ledger()[0].begin() as connection:
        connection.execute(text("UPDATE ledger SET secret_check = x'00'"))
    second = serve(settings)
    error = second.refused(500, "GET", "keys")
    assert error["kind"] == "config"
    assert "another server.secret" in error["message"]


def test_without_a_ledger(serve: Callable[..., Serving]) -> None:
    settings = config("sqlite:////nowhere/ledger.db")
    api = serve(Config(server=settings.server, admin=settings.admin, ledger=LedgerConfig(enabled=False)))
    assert "ledger.enabled is false" in api.refused(500, "GET", "keys")["message"]


def test_a_bug_is_said_to_be_one_and_no_more(plain: Serving, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary detail")

    monkeypatch.setattr("tsuji.ledger.limitstore.teams", broken)
    error = plain.refused(500, "GET", "teams")
    assert (error["kind"], "canary" in str(error)) == ("internal", False)
    assert "canary detail" in caplog.text
    assert TOKEN not in caplog.text


def test_what_is_configured_is_read_anew_and_a_mistake_is_said(tmp_path: Path, serve: Callable[..., Serving]) -> None:
    from tsuji.config import load_config

    file = tmp_path / "tsuji.toml"
    file.write_text(
        '[routes.fast]\ntargets = ["mock:m"]\n[providers.mock]\ndialect = "openai"\nbase_url = "http://x/v1"\n'
    )
    api = serve(config(f"sqlite:///{tmp_path}/ledger.db"), lambda: load_config(file))
    assert [route["name"] for route in api.get("routes")["items"]] == ["fast"]
    file.write_text(file.read_text().replace("routes.fast", "routes.slow"))
    assert [route["name"] for route in api.get("routes")["items"]] == ["slow"]
    file.write_text("nonsense")
    assert "not TOML" in api.refused(500, "GET", "routes")["message"]
    assert api.get("keys")["items"] == []
