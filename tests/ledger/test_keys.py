"""Keys: made, found, revoked, rotated, and what they allow."""

import hmac
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, select, update

from tsuji.config import Secret
from tsuji.core.errors import AuthenticationError, ConfigError, ConflictError, InvalidRequestError, NotFoundError
from tsuji.gateway.endpoints import TABLE
from tsuji.ledger import keystore, tables
from tsuji.ledger.grant import OPERATIONS, Grant, scope_of
from tsuji.ledger.keys import Hasher, Key, Scopes, new_id, new_key
from tsuji.ledger.secret import FILE, server_secret

SECRET = b"the secret of these tests"
HASHER = Hasher(SECRET)
HOUR = 3600 * 1_000_000


def key(shown: str = "", name: str = "a key", **more: Any) -> Key:
    return Key(id=new_id(), digest=HASHER.digest((shown or new_key()).encode()), name=name, created=1, **more)


def test_a_key_has_256_random_bits() -> None:
    made = {new_key() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"tsuji-[0-9A-Za-z]{43}", shown) for shown in made)
    assert len({shown[6] for shown in made}) > 1


def test_a_digest_needs_the_secret() -> None:
    for secret in (b"", b"Jefe", bytes(64), bytes(65), b"x" * 200):
        for shown in (b"", b"what do ya want for nothing?", b"tsuji-" + b"y" * 200):
            assert Hasher(secret).digest(shown) == hmac.digest(secret, shown, "sha256")
    assert HASHER.digest(b"tsuji-x") != Hasher(b"another secret").digest(b"tsuji-x")
    assert SECRET.decode() not in repr(HASHER)


def test_what_is_stored_is_read_again(engine: Engine) -> None:
    full = key(
        name="ci's \u8fbb",
        user_id="ann",
        team_id="core",
        expires=HOUR,
        scopes=Scopes(("fast", "openai:*"), ("chat",), ("10.0.0.0/8", "::1")),
        tags=("a", "b"),
        metadata={"cost centre": "7"},
    )
    keystore.create(engine, full)
    keystore.create(engine, key())
    version, found = keystore.all_keys(engine)
    assert (version, len(found)) == (2, 2)
    assert full in found
    assert keystore.find(engine, full.id) == keystore.find(engine, "ci's \u8fbb") == full


def test_which_key_is_meant(engine: Engine) -> None:
    first, second = key(name="twin"), key(name="twin")
    keystore.create(engine, first)
    keystore.create(engine, second)
    with pytest.raises(NotFoundError, match="2 keys are called 'twin'"):
        keystore.find(engine, "twin")
    keystore.revoke(engine, first.id, 5)
    assert keystore.find(engine, "twin").id == second.id
    with pytest.raises(NotFoundError, match="no key"):
        keystore.find(engine, "' OR 1=1 --")


def test_revoking_raises_the_version_and_keeps_the_first_time(engine: Engine) -> None:
    one = key()
    keystore.create(engine, one)
    before = keystore.version(engine)
    keystore.revoke(engine, one.id, 7)
    keystore.revoke(engine, one.id, 9)
    assert keystore.find(engine, one.id).revoked == 7
    assert keystore.version(engine) > before
    assert keystore.find(engine, one.id).state(8) == "revoked"


def test_rotation_keeps_everything_and_overlaps(engine: Engine) -> None:
    scopes = Scopes(("fast",))
    old = key("tsuji-old", scopes=scopes, user_id="ann", tags=("t",), expires=10 * HOUR)
    keystore.create(engine, old)
    new = keystore.rotate(engine, old.id, HASHER.digest(b"tsuji-new"), now=HOUR, until=2 * HOUR)
    again = keystore.find(engine, old.id)
    assert (again.replaced_by, again.expires) == (new.id, 2 * HOUR)
    assert (new.scopes, new.user_id, new.tags, new.expires, new.created) == (scopes, "ann", ("t",), 10 * HOUR, HOUR)
    assert keystore.find(engine, "a key").id == new.id
    assert [again.state(at) for at in (2 * HOUR - 1, 2 * HOUR)] == ["live", "expired"]
    with pytest.raises(ConflictError, match="rotated before"):
        keystore.rotate(engine, old.id, HASHER.digest(b"x"), now=HOUR, until=2 * HOUR)


def test_an_overlap_does_not_lengthen_a_life(engine: Engine) -> None:
    old = key(expires=HOUR)
    keystore.create(engine, old)
    keystore.rotate(engine, old.id, HASHER.digest(b"x"), now=1, until=9 * HOUR)
    assert keystore.find(engine, old.id).expires == HOUR
    with pytest.raises(NotFoundError):
        keystore.rotate(engine, "k_none", HASHER.digest(b"y"), now=1, until=2)


def test_another_secret_is_noticed(engine: Engine) -> None:
    keystore.check_secret(engine, Hasher(b"first").check())
    keystore.check_secret(engine, HASHER.check())  # there are no keys yet that it could make useless
    keystore.create(engine, key())
    keystore.check_secret(engine, HASHER.check())
    with pytest.raises(ConfigError, match=r"another server\.secret"):
        keystore.check_secret(engine, Hasher(b"first").check())


def test_a_row_that_was_written_by_hand_does_not_lock_out_the_others(
    url: str, opened: Callable[[str], Engine], caplog: Any
) -> None:
    engine = opened(url)
    good, bad = key(name="good"), key(name="bad")
    keystore.create(engine, good)
    keystore.create(engine, bad)
    with engine.begin() as connection:
        connection.execute(update(tables.keys).where(tables.keys.c.id == bad.id).values(scopes={"models": 1}))
    assert [k.name for k in keystore.all_keys(engine)[1]] == ["good"]
    assert bad.id in caplog.text


def test_no_key_nor_secret_is_in_the_ledger(engine: Engine) -> None:
    shown = new_key()
    keystore.check_secret(engine, HASHER.check())
    keystore.create(engine, key(shown))
    with engine.connect() as connection:
        stored = str(connection.execute(select(tables.keys)).all()) + str(
            connection.execute(select(tables.ledger)).all()
        )
    assert shown not in stored
    assert shown[6:] not in stored
    assert SECRET.decode() not in stored
    assert shown not in repr(key(shown))
    assert "digest" not in repr(key(shown))


# What a key allows.


class At(NamedTuple):
    operation: str


def grant(*, expires: int | None = None, revoked: int | None = None, **scopes: tuple[str, ...]) -> Grant:
    return Grant(key(scopes=Scopes(**scopes), expires=expires, revoked=revoked))


@pytest.mark.parametrize(
    ("models", "allowed", "refused"),
    [
        ((), ["anything", "openai:gpt"], []),
        (("fast",), ["fast"], ["Fast", "faster", "fas", "openai:fast", "fast\n"]),
        (("openai:*",), ["openai:gpt-4o", "openai:"], ["openai", "azure:openai:x", "fast"]),
        (("team-*-large", "x"), ["team-a-large", "team--large", "x"], ["team-a-small", "xx"]),
        (("a.c", "[ab]", "q?"), ["a.c", "[ab]", "q?"], ["abc", "a", "qz"]),
        (("*",), ["anything", "two\nlines"], []),
        (("**", "x"), ["", "anything"], []),
        (("a*b*b*c",), ["abbc", "a-b-b-c", "abbbbc", "abxbc"], ["abc", "abcb", "abb", "xabbc"]),
        (("*a*b",), ["ab", "aab", "abab"], ["a", "b", "aba"]),
        (("*a" * 30 + "*",), ["a" * 30], ["a" * 29, "b" * 100_000, ("a" * 29 + "b" * 9000)]),
        (("*aa" * 30,), ["aa" * 30], ["a" * 50_000 + "b"]),
    ],
)
def test_models(models: tuple[str, ...], allowed: list[str], refused: list[str]) -> None:
    one = grant(models=models)
    assert [name for name in allowed if not one.allows_model(name)] == []
    assert [name for name in refused if one.allows_model(name)] == []


@pytest.mark.parametrize(
    ("networks", "allowed", "refused"),
    [
        ((), ["1.2.3.4", "", "::1"], []),
        (("10.0.0.0/8",), ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::1", "", "unix", "10.0.0.256"]),
        (("192.0.2.7", "2001:db8::/32"), ["192.0.2.7", "2001:db8::9", "2001:db8::1%eth0"], ["192.0.2.8", "2001:db9::"]),
    ],
)
def test_networks(networks: tuple[str, ...], allowed: list[str], refused: list[str]) -> None:
    one = grant(networks=networks)
    assert [at for at in allowed if one.refuse(At("chat"), at, 0.0) is not None] == []
    assert [at for at in refused if one.refuse(At("chat"), at, 0.0) is None] == []


def test_operations() -> None:
    one = grant(operations=("chat", "models"))
    refused = [
        name
        for name in ("chat", "embeddings", "models", "model", "show", "version", "root", "later")
        if one.refuse(At(name), "", 0.0) is not None
    ]
    assert refused == ["embeddings", "later"]


def test_a_key_may_be_for_whatever_the_gateway_does() -> None:
    asked = {scope_of(endpoint.operation) for endpoint in TABLE if not endpoint.open}
    assert asked - {None} == set(OPERATIONS)


def test_time_and_revocation() -> None:
    assert grant(expires=HOUR).refuse(At("chat"), "", 3599.9) is None
    for gone in (grant(expires=HOUR).refuse(At("chat"), "", 3600.0), grant(revoked=5).refuse(At("chat"), "", 0.0)):
        assert isinstance(gone, AuthenticationError)
        assert (gone.status, gone.fault) == (401, "caller")


@pytest.mark.parametrize("network", ["10.0.0.1/8", "host.example", "1.2.3", ""])
def test_a_range_that_is_none(network: str) -> None:
    with pytest.raises(InvalidRequestError, match="no IP address or range"):
        grant(networks=(network,))


# The server's secret.


def test_a_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = server_secret(None, tmp_path / "new")
    assert server_secret(None, tmp_path / "new") == first
    assert len(first) == 64
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "new").iterdir()] == [FILE]


def test_processes_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tsuji.ledger.secret import server_secret; sys.stdin.readline();"
        "print(server_secret(None, pathlib.Path(sys.argv[1])).decode())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    said = {process.communicate("\n", timeout=60)[0] for process in processes}
    assert len(said) == 1
    assert len(said.pop().strip()) == 64


def test_a_secret_that_is_configured(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("CANARY_SECRET", "c" * 32)
    assert server_secret(Secret("env:CANARY_SECRET"), tmp_path) == b"c" * 32
    monkeypatch.setenv("CANARY_SECRET", "canary")
    with pytest.raises(ConfigError, match="shorter than 16") as caught:
        server_secret(Secret("env:CANARY_SECRET"), tmp_path)
    assert "canary" not in str(caught.value)
    monkeypatch.delenv("CANARY_SECRET")
    with pytest.raises(ConfigError, match="not there"):
        server_secret(Secret("env:CANARY_SECRET"), tmp_path)
