"""The keys on disk: a start while the database is down, and what is not believed."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ledger.postgres import Postgres
from tests.ledger.test_down import Placed, place, stopped
from tests.ledger.test_virtual_keys import HASHER, made, now
from tsuji.ledger import keystore
from tsuji.ledger.database import ready
from tsuji.ledger.keycache import FILE, KeyCache
from tsuji.ledger.keys import Hasher, Key, new_id, new_key

__all__ = ["place", "stopped"]
URL = "postgresql+psycopg://localhost/one"


def key(shown: str, **more: int) -> Key:
    return Key(id=new_id(), digest=HASHER.digest(shown.encode()), name="one", created=1, **more)


@pytest.fixture
def cache(tmp_path: Path) -> KeyCache:
    return KeyCache(tmp_path, HASHER, URL)


def test_what_is_kept_is_recalled(cache: KeyCache, tmp_path: Path) -> None:
    assert cache.recall() is None
    shown = new_key()
    cache.keep([key(shown), key(new_key(), revoked=5)], 7)
    kept = KeyCache(tmp_path, HASHER, URL).recall()
    assert kept is not None
    assert (kept.read, [found.revoked for found in kept.keys]) == (7, [None, 5])
    assert kept.keys[0].digest == HASHER.digest(shown.encode())


def test_it_holds_no_key_and_is_private(cache: KeyCache, tmp_path: Path) -> None:
    shown = new_key()
    cache.keep([key(shown)], 7)
    files = list(tmp_path.iterdir())
    assert sorted(file.name for file in files) == [f".{FILE}.lock", FILE]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    said = (tmp_path / FILE).read_bytes()
    assert shown.encode() not in said
    assert URL.encode() not in said


def test_a_change_of_any_byte_is_noticed(cache: KeyCache, tmp_path: Path) -> None:
    cache.keep([key(new_key())], 7)
    file = tmp_path / FILE
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.recall() is None
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        assert cache.recall() is None
    file.write_bytes(whole)
    assert cache.recall() is not None


def test_it_is_of_one_secret_and_one_database(cache: KeyCache, tmp_path: Path) -> None:
    cache.keep([key(new_key())], 7)
    assert KeyCache(tmp_path, Hasher(b"another secret of 16 letters"), URL).recall() is None
    assert KeyCache(tmp_path, HASHER, URL + "2").recall() is None


def test_of_two_workers_the_later_reading_stays(cache: KeyCache, tmp_path: Path) -> None:
    old, new = [key(new_key())], [key(new_key(), revoked=5)]
    caches = [KeyCache(tmp_path, HASHER, URL) for _ in range(8)]
    threads = [
        threading.Thread(target=one.keep, args=(new if at == 3 else old, 100 if at == 3 else at))
        for at, one in enumerate(caches)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = cache.recall()
    assert kept is not None
    assert kept.keys == new


def test_a_clock_that_was_set_back_does_not_keep_what_is_old(cache: KeyCache) -> None:
    cache.keep([key(new_key())], now() + 10**12)
    new = [key(new_key(), revoked=5)]
    cache.keep(new, now())
    kept = cache.recall()
    assert kept is not None
    assert kept.keys == new


def test_what_cannot_be_replaced_is_removed(cache: KeyCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep([key(new_key())], 7)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    cache.keep([key(new_key(), revoked=5)], 8)
    monkeypatch.undo()
    assert cache.recall() is None
    assert [file.name for file in tmp_path.iterdir()] == [f".{FILE}.lock"]


def test_a_start_while_the_database_is_down_knows_the_keys(
    stopped: Postgres, place: Callable[..., Placed], tmp_path: Path
) -> None:
    url = stopped.url()
    engine = ready(url)
    shown, _ = made(engine)
    gone, revoked = made(engine, "gone")
    first = place(url)
    assert [first.ask(shown).status for shown in (shown, gone)] == [200, 200]
    keystore.revoke(engine, revoked.id, now())
    first.until(lambda: first.ask(gone).status == 401)
    first.serving.stop()
    engine.dispose()
    stopped.stop()
    second = place(url)
    assert [second.ask(shown).status for shown in (shown, gone, "tsuji-unknown", None)] == [200, 401, 401, 401]
    assert second.ledger()["down"] == "database"
    file = tmp_path / "home" / FILE
    file.write_bytes(file.read_bytes().replace(b'"gone"', b'"gonE"'))
    third = place(url)
    assert [third.ask(shown).status for shown in (shown, gone)] == [503, 503]
    other = place(url, secret="another-server-secret-0123456789")
    assert other.ask(shown).status == 503
    stopped.start()
    third.until(lambda: third.ask(shown).status == 200)
