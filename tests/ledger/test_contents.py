"""Prompts and answers are stored where a route says so, redacted, once, and for as long as it says."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Client, config, request
from tests.ledger.records import record
from tests.ledger.test_gateway import Booked
from tests.ledger.workers import Worker, configure
from tests.scripted import CUT, STALL, Reply
from tsuji.config import LedgerConfig, Store, check_config
from tsuji.gateway.contents import MAX_STORED
from tsuji.ledger import contents, contentstore, tables
from tsuji.ledger.contents import Contents, encode
from tsuji.ledger.contentstore import find, forget
from tsuji.ledger.drain import drain
from tsuji.ledger.record import encode as encode_record
from tsuji.ledger.spool import Spool, segments

BOTH = Store(prompts=True, answers=True)


@pytest.fixture
def stored(serve: Any, scripted: Any, tmp_path: Path) -> Any:
    """`stored(store, dialect=script)`: the route "kept" stores, "other" does not."""

    def one(store: Store, **providers: Any) -> Booked:
        known = {name: (name, scripted(script).url) for name, script in providers.items()}
        targets = [f"{name}:m" for name in known]
        routes = {"kept": targets, "other": targets}
        settings = config(known, routes, ledger=LedgerConfig(folder=tmp_path), stores={"kept": store})
        return Booked(serve(settings), tmp_path)

    return one


def kept(gateway: Booked) -> dict[str, Any]:
    (found,) = gateway.rows(tables.contents)
    return found


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_whole_answer_is_stored_as_it_was_sent(provider: str, stored: Any) -> None:
    gateway, asked = stored(BOTH, **{provider: lambda _: answers.chat(provider)}), dict[str, tuple[Any, Answer]]()
    for client in asking.DIALECTS:
        path, body = asking.chat(client, model="kept")
        answer = gateway.ask(path, body)
        assert answer.status == 200
        asked[answer.headers["x-tsuji-request-id"]] = (body, answer)
    rows = {row["request_id"]: row for row in gateway.rows(tables.contents)}
    assert rows.keys() == asked.keys()
    for id, (body, answer) in asked.items():
        row = rows[id]
        assert (row["response"], row["response_bytes"]) == (answer.body.decode(), len(answer.body))
        assert json.loads(row["request"]) == body
        assert row["expires"] - row["time"] == 30 * 86400 * 1_000_000


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stream_is_stored_as_what_it_spells(provider: str, stored: Any) -> None:
    gateway = stored(BOTH, **{provider: lambda _: answers.stream(provider, ["Hel", "lo"])})
    asked = dict[str, str]()
    for client in asking.DIALECTS:
        answer = gateway.ask(*asking.chat(client, model="kept", stream=True))
        assert answer.status == 200 and asking.ended(client, answer)
        asked[answer.headers["x-tsuji-request-id"]] = client
    rows = {row["request_id"]: row for row in gateway.rows(tables.contents)}
    spelled = {id: asking.text(client, Answer(200, {}, rows[id]["response"].encode())) for id, client in asked.items()}
    assert spelled == dict.fromkeys(asked, "Hello")


def test_only_what_the_route_says(stored: Any) -> None:
    gateway = stored(Store(prompts=True), openai=answers.chat("openai", "canary"))
    gateway.ask(*asking.chat("openai", model="kept"))
    gateway.ask(*asking.chat("openai", model="other", user="canary"))
    gateway.ask(*asking.chat("openai", model="openai:m", user="canary"))
    gateway.ask("/v1/chat/completions", {"model": "kept", "messages": "canary"}, {"x-tsuji-tags": "x" * 200})
    row = kept(gateway)
    assert (row["response"], row["response_bytes"]) == (None, None)
    assert '"hi"' in row["request"]
    assert b"canary" not in b"".join([file.read_bytes() for file in gateway.folder.rglob("*") if file.is_file()])


def test_errors_and_what_is_left_of_streams(stored: Any) -> None:
    begun = answers.stream("anthropic", ["Hel", "lo"]).body
    assert isinstance(begun, list)
    half = next(at for at, piece in enumerate(begun) if b'"Hel"' in piece) + 1
    replies = [
        answers.error("anthropic", 400),
        Reply([*begun[:half], CUT], content_type=answers.SSE),
        Reply([*begun[:half], STALL], content_type=answers.SSE),
    ]
    gateway = stored(BOTH, anthropic=replies)
    refused = gateway.ask(*asking.chat("openai", model="kept"))
    assert not gateway.ask(*asking.chat("openai", model="kept", stream=True)).whole
    with gateway.serving.client() as client:
        client.send(request(*asking.chat("anthropic", model="kept", stream=True)))
        while b"Hel" not in client.piece():
            pass
    while gateway.serving.gateway.connections:
        time.sleep(0.001)
    error, cut, left = gateway.rows(tables.contents)
    assert error["response"] == refused.body.decode()
    assert json.loads(cut["response"])["choices"][0]["message"]["content"] == "Hel"
    assert json.loads(left["response"])["content"][0]["text"] == "Hel"


def test_what_is_redacted_is_written_nowhere(stored: Any) -> None:
    """Also where a stream has it in pieces. What is looked for has letters that no number has: ids, secrets and times,
    such as 1795678000, are in the files, too.
    """
    rules = (r"(?i)canary-\d+", r"\bqx\d{4} qy\d{4}\b")
    pieces = ["say can", "ary", "-12", "34 and qx12", "34 qy5678."]
    gateway = stored(Store(prompts=True, answers=True, redact=rules), openai=answers.stream("openai", pieces))
    answer = gateway.ask(
        *asking.chat("openai", model="kept", stream=True, user="CANARY-77", metadata={"n": "qx1111 qy2222"})
    )
    assert asking.streamed("openai", answer) == "".join(pieces)
    gateway.serving.stop()
    written = b"".join([file.read_bytes() for file in gateway.folder.rglob("*") if file.is_file()]).lower()
    found = [one for one in (b"canary", b"qx1234", b"qy5678", b"qx1111", b"qy2222") if one in written]
    assert not found
    row = kept(gateway)
    assert json.loads(row["request"])["user"] == "***"
    assert json.loads(row["response"])["choices"][0]["message"]["content"] == "say *** and ***."


def test_there_is_an_end_to_what_is_stored(stored: Any) -> None:
    gateway = stored(Store(prompts=True, redact=("secret-[0-9]{20}",)), openai=answers.chat("openai"))
    path, body = asking.chat("openai", model="kept")
    head = len(json.dumps(body | {"user": ""})) - 2
    body["user"] = "x" * (MAX_STORED - head - 10) + "secret-" + "1" * 20 + "y" * 1000
    answer = gateway.ask(path, body)
    assert answer.status == 200
    row = kept(gateway)
    assert row["request_bytes"] == len(json.dumps(body))
    assert len(row["request"]) <= MAX_STORED
    assert row["request"].endswith("***" + "y" * (len(row["request"]) - row["request"].index("***") - 3))
    assert "secret" not in row["request"]


def test_nul_is_no_letter_of_a_databases(engine: Engine, tmp_path: Path) -> None:
    from tsuji.gateway.contents import Keeper

    text = Keeper(BOTH).text(b"a\0b\xff")
    spooled(tmp_path, encode(Contents("a", 1, 2, text)))
    drain(engine, tmp_path)
    found = find(engine, "a")
    assert found is not None and found.request == "a\ufffdb\ufffd"


# In the ledger.


def spooled(folder: Path, *frames: bytes) -> None:
    spool = Spool(folder, lambda work: work())
    for frame in frames:
        spool.write(frame)
    spool.close()


def ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.contents.c.request_id).order_by("request_id")).scalars())


def test_each_is_stored_once(engine: Engine, tmp_path: Path) -> None:
    spooled(tmp_path, encode(Contents("a", 1, 2, "one")), encode_record(record("a")), encode(Contents("b", 1, 2)))
    (segment,) = segments(tmp_path)
    shutil.copy(segment, tmp_path / "again.spool")
    drain(engine, tmp_path)
    assert ids(engine) == ["a", "b"]
    found = find(engine, "a")
    assert found == Contents("a", 1, 2, "one")
    with engine.connect() as connection:
        assert connection.execute(select(tables.usage.c.id)).scalars().all() == ["a"]


def test_damaged_contents_are_kept_aside(engine: Engine, tmp_path: Path) -> None:
    spooled(tmp_path, contents.MARK + b"\x01", encode_record(record("a")))
    drain(engine, tmp_path)
    assert len(list(tmp_path.glob("*.rejected"))) == 1


def test_what_has_had_its_time_is_deleted(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contentstore, "_BATCH", 3)
    spooled(tmp_path, *[encode(Contents(f"{at:02}", 1, at, f"canary-{at:02}")) for at in range(10)])
    drain(engine, tmp_path)
    assert forget(engine, 7) == 8
    assert ids(engine) == ["08", "09"]
    assert forget(engine, 7) == 0


def test_what_is_deleted_is_not_in_the_file(tmp_path: Path, opened: Any) -> None:
    engine = opened(f"sqlite:///{tmp_path}/ledger.db")
    spooled(tmp_path, encode(Contents("a", 1, 2, "canary-" + "x" * 5000)))
    drain(engine, tmp_path)
    assert forget(engine, 3) == 1
    engine.dispose()  # the last one to leave empties the write-ahead log
    assert b"canary" not in b"".join([file.read_bytes() for file in tmp_path.iterdir()])


def test_a_killed_worker_and_retention(scripted: Any, tmp_path: Path) -> None:
    file = configure(tmp_path, openai=scripted(lambda _: answers.chat("openai")).url + "/v1")
    text = file.read_text()
    route = '[routes.kept]\ntargets = ["openai:m"]\nstore = {{ prompts = true, answers = true, retention = "{}" }}\n'
    file.write_text(text + route.format("1h"))
    asked = set[str]()
    with Worker(file) as worker:
        for _ in range(20):
            with Client(worker.port) as client:
                client.send(request(*asking.chat("openai", model="kept")))
                asked.add(client.read().headers["x-tsuji-request-id"])
        worker.kill(all=True)
    engine = create_engine(f"sqlite:///{tmp_path}/home/ledger.db")
    file.write_text(text + route.format("1s"))
    with Worker(file) as worker:
        with Client(worker.port) as client:
            client.send(request(*asking.chat("openai", model="kept")))
            short = client.read().headers["x-tsuji-request-id"]
        deadline = time.monotonic() + 30
        while set(ids(engine)) != {*asked, short}:
            assert time.monotonic() < deadline, ids(engine)
            time.sleep(0.02)
        while set(ids(engine)) != asked:
            assert time.monotonic() < deadline, ids(engine)
            time.sleep(0.1)
        worker.stop()
    assert len(asked) == 20
    engine.dispose()


# In the configuration.


@pytest.mark.parametrize(
    ("store", "key", "said"),
    [
        ('{ prompts = true, redact = ["ok", "("] }', "redact[1]", "'(' is not taken by RE2: missing )"),
        ('{ prompts = true, redact = ["(?=x)"] }', "redact[0]", "is not taken by RE2"),
        ('{ prompts = true, retention = "soon" }', "retention", "no span of time; write 30m, 12h, 30d or 4w"),
        ("{ promts = true }", "promts", "unknown key; did you mean 'prompts'"),
        ("{}", "", "stores nothing"),
    ],
)
def test_mistakes(store: str, key: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(f'[routes.kept]\ntargets = ["openai:m"]\nstore = {store}\n')
    problem = check_config(file)[0]
    assert problem.key == "routes.kept.store" + (f".{key}" if key else "")
    assert problem.line == 3
    assert said in problem.message
