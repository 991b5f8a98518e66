"""Virtual keys at the gateway's door."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Client, Serving, config
from tests.gateway.serving import request as asked
from tests.ledger.workers import Worker, configure
from tsuji.config import LedgerConfig, Server
from tsuji.core.errors import ConfigError
from tsuji.ledger import keystore, tables
from tsuji.ledger.keys import Hasher, Key, Scopes, new_id, new_key

SECRET = "canary-server-secret-0123456789"
HASHER = Hasher(SECRET.encode())
SOON = 1.0
"""Seconds within which a change of a key is everywhere."""


def now() -> int:
    return int(time.time() * 1e6)


def made(engine: Engine, name: str = "one", **more: Any) -> tuple[str, Key]:
    """What to show, and the key."""
    shown = new_key()
    scopes = Scopes(**{at: more.pop(at) for at in ("models", "operations", "networks") if at in more})
    digest = HASHER.digest(shown.encode())
    key = Key(id=new_id(), digest=digest, name=name, created=now(), scopes=scopes, **more)
    keystore.check_secret(engine, HASHER.check())
    keystore.create(engine, key)
    return shown, key


class Door:
    """A gateway, and the ledger that it and the test share."""

    def __init__(self, serving: Serving, engine: Engine) -> None:
        self.serving, self.engine = serving, engine

    def ask(self, shown: str | None, client: str = "openai", **more: Any) -> Answer:
        header = {"Authorization": f"Bearer {shown}"} if shown else {}
        return self.serving.ask(*asking.chat(client, **more), header)

    def get(self, path: str, shown: str | None) -> Answer:
        return self.serving.ask(path, b"", {"x-api-key": shown} if shown else {}, "GET")

    def until(self, status: int, ask: Callable[[], Answer]) -> float:
        """How long it takes until that is the answer."""
        began = time.perf_counter()
        while ask().status != status:
            assert time.perf_counter() - began < 30
            time.sleep(0.005)
        return time.perf_counter() - began


@pytest.fixture
def door(serve: Any, scripted: Any, engine: Engine, url: str, tmp_path: Path) -> Callable[..., Door]:
    from tsuji.config import Secret

    def one(**server: Any) -> Door:
        settings = config(
            {"up": ("openai", scripted(answers.chat("openai")).url)},
            {"fast": ["up:quick"], "slow": ["up:big"]},
            server=Server(port=0, secret=SECRET, **server),
            ledger=LedgerConfig(url=Secret(url), folder=tmp_path / "home"),
        )
        return Door(serve(settings), engine)

    return one


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_a_key_lets_in_and_nothing_else_does(client: str, door: Any, engine: Engine) -> None:
    shown, _ = made(engine)
    gateway = door()
    assert gateway.ask(shown, client).status == 200
    for wrong in (
        None,
        "",
        "x",
        shown[:-1],
        shown + "x",
        shown.swapcase(),
        "tsuji-",
        HASHER.digest(shown.encode()).hex(),
    ):
        answer = gateway.ask(wrong, client)
        assert (answer.status, answer.headers["x-tsuji-fault"]) == (401, "caller")
        assert asking.error(client, answer.body)[1]
        assert shown[6:-1] not in str(answer)


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key"])
def test_every_dialects_header(header: str, door: Any, engine: Engine) -> None:
    shown, _ = made(engine)
    gateway = door()
    assert gateway.serving.ask(*asking.chat("openai"), {header: shown}).status == 200
    path, body = asking.chat("gemini")
    assert gateway.serving.ask(f"{path}?key={shown}", body).status == 200


def test_each_request_of_a_connection_shows_its_own_key(door: Any, engine: Engine) -> None:
    """The gateway knows a head again that it has seen: not for longer than it is that head."""
    one, _ = made(engine, models=("up:m",))
    two, _ = made(engine, models=("slow",))
    gateway = door()
    path, body = asking.chat("openai", model="up:m")
    with gateway.serving.client() as client:
        for shown, status in ((one, 200), (one, 200), (two, 403), (one, 200), (one[:-1], 401), (one, 200), (two, 403)):
            client.send(asked(path, body, {"x-api-key": shown}))
            assert client.read().status == status
        for query, status in ((f"?key={one}", 200), (f"?key={two}", 403), (f"?key={one}", 200), ("", 401)):
            client.send(asked(path + query, body))
            assert client.read().status == status


def test_configured_keys_stay_good(door: Any, engine: Engine) -> None:
    shown, _ = made(engine)
    gateway = door(keys=["configured"])
    assert [gateway.ask(key).status for key in ("configured", shown, "other", None)] == [200, 200, 401, 401]


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_what_a_key_is_not_for(client: str, door: Any, engine: Engine) -> None:
    shown, _ = made(engine, models=("fast", "up:a*"), operations=("chat",))
    gateway = door()
    assert gateway.ask(shown, client, model="fast").status == 200
    assert gateway.ask(shown, client, model="up:abc").status == 200
    for model in ("slow", "up:big", "up:quick", "openai:gpt-4o"):
        answer = gateway.ask(shown, client, model=model)
        assert (answer.status, answer.headers["x-tsuji-fault"]) == (403, "caller")
        assert "not for the model" in asking.error(client, answer.body)[1]
    assert gateway.get("/v1/models", shown).status == 403
    assert gateway.serving.ask("/v1/embeddings", {"model": "fast", "input": "x"}, {"x-api-key": shown}).status == 403
    assert gateway.get("/nothing", shown).status == 404


def test_another_spelling_of_a_model_is_the_same_model(door: Any, engine: Engine) -> None:
    shown, _ = made(engine, models=("up:quick",))
    gateway = door()
    assert [gateway.ask(shown, model=name).status for name in ("up:quick", "up/quick", "up/big")] == [200, 200, 403]


def test_only_models_that_a_key_is_for_are_listed(door: Any, engine: Engine) -> None:
    shown, _ = made(engine, models=("fast", "up:*"))
    gateway = door()
    assert [row["id"] for row in gateway.get("/v1/models", shown).json()["data"]] == ["fast"]
    assert [gateway.get(f"/v1/models/{name}", shown).status for name in ("fast", "up:x", "slow")] == [200, 200, 403]


def test_where_a_key_may_be_used_from(door: Any, engine: Engine) -> None:
    here, _ = made(engine, networks=("127.0.0.0/8",))
    elsewhere, _ = made(engine, networks=("192.0.2.0/24", "2001:db8::/32"))
    gateway = door()
    assert [gateway.ask(shown).status for shown in (here, elsewhere)] == [200, 403]
    # A header is not where a request comes from.
    forged = {"x-api-key": elsewhere, "x-forwarded-for": "192.0.2.1", "forwarded": "for=192.0.2.1"}
    assert gateway.serving.ask(*asking.chat("openai"), forged).status == 403


def test_a_key_that_ends(door: Any, engine: Engine) -> None:
    ended, _ = made(engine, expires=now() - 1)
    ends, _ = made(engine, expires=now() + 1_500_000)
    gateway = door()
    assert gateway.ask(ended).status == 401
    assert "expired" in gateway.ask(ended).json()["error"]["message"]
    assert gateway.ask(ends).status == 200
    gateway.until(401, lambda: gateway.ask(ends))


def test_changes_are_seen_while_it_runs(door: Any, engine: Engine) -> None:
    gateway = door()
    assert gateway.ask(None).status == 200  # on loopback, without any key
    shown, key = made(engine)
    gateway.until(401, lambda: gateway.ask(None))
    assert gateway.ask(shown).status == 200
    new = new_key()
    keystore.rotate(engine, key.id, HASHER.digest(new.encode()), now(), now() + 2_000_000)
    gateway.until(200, lambda: gateway.ask(new))
    assert gateway.ask(shown).status == 200
    gateway.until(401, lambda: gateway.ask(shown))  # the overlap is over
    assert gateway.ask(new).status == 200


def test_when_the_last_key_ends_nobody_is_let_in(door: Any, engine: Engine) -> None:
    shown, key = made(engine)
    gateway = door()
    keystore.revoke(engine, key.id, now())
    gateway.until(401, lambda: gateway.ask(shown))
    assert gateway.ask(None).status == 401
    with engine.begin() as connection:
        connection.execute(delete(tables.keys))
    made(engine, name="so that a change is seen")
    time.sleep(SOON)
    assert gateway.ask(None).status == 401


def test_beyond_loopback_there_must_be_a_live_key(door: Any, engine: Engine) -> None:
    _, key = made(engine, expires=now() + 3600_000_000)
    gateway = door(host="0.0.0.0")
    assert gateway.ask(None).status == 401
    keystore.revoke(engine, key.id, now())
    with pytest.raises(ConfigError, match="tsuji keys create"):
        door(host="0.0.0.0")


def test_with_another_secret_it_does_not_start(door: Any, engine: Engine, serve: Any, url: str, tmp_path: Path) -> None:
    from tsuji.config import Secret

    made(engine)
    settings = config({}, ledger=LedgerConfig(url=Secret(url), folder=tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"another server\.secret"):
        serve(settings)


def test_a_key_opens_no_files(door: Any, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "found.gguf"
    file.write_bytes(b"no model")
    shown, _ = made(engine)
    answer = door().ask(shown, model=f"local:{file}")
    assert answer.status == 404
    assert "no model's name" in answer.json()["error"]["message"]


def test_whose_request_it_was(door: Any, engine: Engine) -> None:
    shown, key = made(engine, user_id="ann", team_id="core", tags=("ci",))
    gateway = door(keys=["configured"])
    path, body = asking.chat("openai")
    gateway.serving.ask(path, body, {"x-api-key": shown, "x-tsuji-tags": "x"})
    gateway.ask("configured")
    gateway.serving.stop()
    with engine.connect() as connection:
        rows = connection.execute(tables.usage.select().order_by("time")).mappings().all()
    assert [(r["key_id"], r["user_id"], r["team_id"], r["tags"]) for r in rows] == [
        (key.id, "ann", "core", ["ci", "x"]),
        ("server.keys", None, None, None),
    ]


def test_a_revoked_key_is_refused_by_every_worker_within_a_second(
    scripted: Any, url: str, engine: Engine, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CANARY_SECRET", SECRET)
    monkeypatch.setenv("CANARY_URL", url)
    file = configure(tmp_path, 'url = "env:CANARY_URL"', openai=scripted(answers.chat("openai")).url + "/v1")
    file.write_text(file.read_text().replace("[server]", '[server]\nsecret = "env:CANARY_SECRET"'))
    shown, key = made(engine)
    sent = asked(*asking.chat("openai", model="openai:m"), {"x-api-key": shown})
    with Worker(file) as one, Worker(file) as two:
        with Client(one.port) as first, Client(two.port) as second:
            for client in (first, second):
                client.send(sent)
                assert client.read().status == 200
            keystore.revoke(engine, key.id, now())
            began = time.perf_counter()
            left = [first, second]
            while left:
                for client in list(left):
                    client.send(sent)
                    if client.read().status == 401:
                        left.remove(client)
                assert time.perf_counter() - began < 30
            took = time.perf_counter() - began
            print(f"both workers refused the key after {took * 1000:.0f} ms")
        assert [one.stop(), two.stop()] == [0, 0]
    said = file.with_suffix(".log").read_text()
    assert "canary" not in said and shown not in said


def test_no_key_is_in_a_log_an_error_or_the_ledger(
    door: Any, engine: Engine, url: str, caplog: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shown, _ = made(engine)
    gateway = door()
    said = [repr(gateway.serving.gateway.ledger), repr(gateway.serving.gateway.config)]
    for path, body in (asking.chat("openai"), asking.chat("openai", model="no:m"), ("/v1/chat/completions", b"{")):
        said.append(str(gateway.serving.ask(path, body, {"x-api-key": shown})))
    gateway.serving.stop()
    kept = b"".join([file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()])
    if url.startswith("postgresql"):
        kept += request.getfixturevalue("postgres").dump(url)
    hashed = HASHER.digest(shown.encode())
    assert hashed in kept or hashed.hex().encode() in kept  # it was looked at where keys are
    for canary in (shown, shown[6:], SECRET):
        assert canary not in " ".join(said) + caplog.text
        assert canary.encode() not in kept
