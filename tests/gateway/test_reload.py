"""A process without a parent, reloaded: what changes, what goes on, what stays."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.load import Load
from tests.gateway.serving import Answer, Client, request
from tests.gateway.test_workers import OFF, RELOADED, ROUTE, replace, script
from tests.ledger.workers import PROGRAM, Worker, configure, until
from tests.scripted import Reply, Scripted
from tsuji.config import read_source
from tsuji.core.errors import ConfigError
from tsuji.gateway.watch import Watch, reread


def ask(port: int, model: str, key: str = "") -> Answer:
    with Client(port) as client:
        client.send(request(*asking.chat("openai", model=model), {"authorization": f"Bearer {key}"} if key else {}))
        return client.read()


def test_reload_under_load_fails_no_request(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    """And the connections to a provider that is still the same one stay."""
    provider = scripted(script)
    file = configure(tmp_path, openai=provider.url + "/v1")
    plain = file.read_text()
    with Worker(file) as worker, Load(worker.port) as load:
        load.more()
        connections = provider.connections
        for number in range(1, 21):
            replace(file, plain + ROUTE.format(number))
            worker.signal(signal.SIGHUP)
            worker.until_said(RELOADED, number)
            load.more(10)
            assert ask(worker.port, f"r{number}").status == 200
            assert ask(worker.port, f"r{number - 1}").status == 404
        file.write_text(plain + ROUTE.format("x"))
        worker.until_said(RELOADED, 21)
        assert ask(worker.port, "rx").status == 200
        worker.signal(signal.SIGUSR2)
        worker.until_said("there are no workers to be rolled")
        load.more(10)
        assert load.failures == []
        assert provider.connections <= connections + 2  # these requests at once with the load's
    assert worker.process.returncode is not None


def test_a_request_goes_on_with_what_it_began_with(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    """Its routes, its providers and their keys, though they are gone for those that come after."""
    go = threading.Event()
    failure = answers.error("openai", 503)
    failure.before = [go]
    begun = answers.stream("openai").body
    assert isinstance(begun, list)
    slow = scripted([failure, Reply([*begun[:2], go, *begun[2:]], content_type=answers.SSE)])
    other = scripted(answers.chat("anthropic", "from the other"))
    nothing = configure(tmp_path, OFF).read_text()
    file = configure(tmp_path, OFF, openai=slow.url + "/v1", anthropic=other.url)
    file.write_text(file.read_text() + '[routes.fast]\ntargets = ["openai:m", "anthropic:m"]\n')
    with Worker(file) as worker, Client(worker.port) as whole, Client(worker.port) as stream:
        whole.send(request(*asking.chat("openai", model="fast")))
        until(lambda: len(slow.requests) == 1)
        stream.send(request(*asking.chat("openai", model="openai:m", stream=True)))
        until(lambda: len(slow.requests) == 2)
        replace(file, nothing)
        worker.signal(signal.SIGHUP)
        worker.until_said(RELOADED)
        assert ask(worker.port, "fast").status == 404
        go.set()
        assert asking.text("openai", whole.read()) == "from the other"
        assert stream.read().events()[-1] == "[DONE]"
        assert other.last.headers["x-api-key"] == "canary-provider-key"


def test_a_secrets_file_is_watched_too(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("one")
    provider = scripted(script)
    file = configure(tmp_path, OFF, 'keys = ["file:key"]', openai=provider.url + "/v1")
    with Worker(file) as worker:
        assert [ask(worker.port, "openai:m", key).status for key in ("one", "two")] == [200, 401]
        replace(secret, "two")
        worker.until_said(RELOADED)
        assert [ask(worker.port, "openai:m", key).status for key in ("one", "two")] == [401, 200]
        secret.unlink()
        worker.until_said("server.keys names the file")
        assert [ask(worker.port, "openai:m", key).status for key in ("one", "two")] == [401, 200]


def test_what_is_cut_at_a_stop_is_recorded(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    from sqlalchemy import create_engine, select

    from tsuji.ledger import tables

    begun = answers.stream("openai").body
    assert isinstance(begun, list)
    provider = scripted(Reply([*begun[:2], threading.Event()], content_type=answers.SSE))
    file = configure(tmp_path, server="drain = 0.2", openai=provider.url + "/v1")
    with Worker(file) as worker, Client(worker.port) as client:
        client.send(request(*asking.chat("openai", model="openai:m", stream=True)))
        client.piece()
        assert worker.stop() == 0
        assert not client.rest().endswith(b"0\r\n\r\n")
    engine = create_engine(f"sqlite:///{tmp_path}/home/ledger.db")
    with engine.connect() as connection:
        assert connection.execute(select(tables.usage.c.status)).scalars().all() == ["cancelled"]
    engine.dispose()


def test_a_second_signal_ends_at_once(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    provider = scripted(Reply([], before=[threading.Event()]))
    file = configure(tmp_path, OFF, openai=provider.url + "/v1")
    with Worker(file) as worker, Client(worker.port) as client:
        client.send(request(*asking.chat("openai", model="openai:m")))
        until(lambda: bool(provider.requests))
        worker.signal(signal.SIGTERM)
        with suppress(ConnectionError), Client(worker.port) as idle:  # it may have been quick
            idle.rest()
        worker.signal(signal.SIGINT)
        assert worker.process.wait(30) == 128 + signal.SIGINT
        worker._reap()


def test_the_end_of_its_terminal_is_its_end(tmp_path: Path) -> None:
    """The signal is the same one that asks for a reload."""
    file = configure(tmp_path, OFF)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline()
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # it is no controlling terminal here, so we say what the system would
    assert process.wait(30) == 0


def test_a_change_is_told_when_it_has_settled(tmp_path: Path) -> None:
    file, missing = tmp_path / "one", tmp_path / "two"
    file.write_text("a")
    watch = Watch([file, missing])
    assert [watch.look(), watch.look()] == [False, False]
    file.write_text("half")
    assert watch.look() is False
    file.write_text("half and half")
    assert [watch.look(), watch.look(), watch.look()] == [False, True, False]
    missing.write_text("b")
    assert [watch.look(), watch.look(), watch.look()] == [False, True, False]
    new = tmp_path / "new"
    new.write_text("half and half")
    os.utime(new, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    new.replace(file)  # only the inode is another
    assert [watch.look(), watch.look()] == [False, True]


def test_an_empty_file_is_taken_only_if_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text("drop_params = true")
    source = read_source(file)
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        reread(source, asked=False)
    assert reread(source, asked=True).text == "\n"
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        reread(source, asked=True)
