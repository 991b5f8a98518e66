"""N workers under a parent, as processes: every one is reached, and none is missed when it is replaced."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.load import Load
from tests.gateway.serving import Client, request
from tests.ledger.workers import Worker, configure, until
from tests.scripted import Reply, Request, Scripted
from tsuji.config import Server
from tsuji.core.errors import ConfigError
from tsuji.gateway.listen import close, listening_sockets

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
OFF = "enabled = false"
RELOADED = "the configuration is reloaded"
ROUTE = '\n[routes.r{0}]\ntargets = ["openai:m"]\n'


def script(asked: Request) -> Reply:
    return (answers.stream if asked.json().get("stream") else answers.chat)("openai")


@pytest.fixture
def file(scripted: Callable[..., Scripted], tmp_path: Path) -> Path:
    return configure(tmp_path, server="workers = 2", openai=scripted(script).url + "/v1")


@pytest.fixture
def quick(scripted: Callable[..., Scripted], tmp_path: Path) -> Path:
    """Without a ledger, whose processes take their time to start."""
    return configure(tmp_path, OFF, "workers = 2", openai=scripted(script).url + "/v1")


def replace(file: Path, text: str) -> None:
    """As editors do."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def answer(port: int, path: bytes) -> Any:
    with Client(port) as client:
        client.send(GET % path)
        return client.read()


def routes(port: int, connections: int = 16) -> list[set[str]]:
    """What each of many connections, and so each worker, takes for its models."""
    found = [answer(port, b"/v1/models").json()["data"] for _ in range(connections)]
    return [{model["id"] for model in models} for models in found]


def test_reload_under_load_fails_no_request(file: Path) -> None:
    """By a signal and by a change of the file; with a mistake in it the old one stays, in every worker."""
    plain = file.read_text()
    with Worker(file) as parent, Load(parent.port) as load:
        until(lambda: len(load.workers) == 2)
        for number in range(1, 7):
            by_signal = number % 3
            replace(file, plain + ROUTE.format(number))
            if by_signal:
                parent.signal(signal.SIGHUP)
            parent.until_said(RELOADED, number)
            load.more()
            assert all(f"r{number}" in known and f"r{number - 1}" not in known for known in routes(parent.port))
        replace(file, plain + '[routes.r7]\ntargets = "openai:m"\n[servers]\n')
        parent.until_said("the configuration stays as it was")
        replace(file, "")
        parent.until_said("is empty; if it is meant to be, send SIGHUP")
        load.more()
        assert all("r6" in known for known in routes(parent.port))
        assert load.failures == []
        assert len(load.workers) == 2
        assert sum(asker.closes for asker in load.askers) == 0
        said = parent.log.read_text()
        at = plain.count("\n")
        assert f"line {at + 2}: routes.r7.targets: " in said
        assert f"line {at + 3}: servers: " in said
        assert parent.stop() == 0


def test_what_only_a_restart_changes_is_named_and_stays(quick: Path) -> None:
    with Worker(quick) as parent:
        text = quick.read_text().replace("port = 0", "port = 1\nsecret = 'a-canary-secret-of-the-server'")
        replace(quick, text.replace("workers = 2", "workers = 3") + ROUTE.format(1))
        parent.signal(signal.SIGHUP)
        parent.until_said(RELOADED)
        kept = "what only a restart changes stays as it was: server.port, server.workers, server.secret"
        assert parent.said(kept) == 1
        assert parent.said("canary") == 0
        assert all("r1" in known for known in routes(parent.port))
        assert len(parent.children()) == 2


def test_what_only_a_restart_changes_outlives_a_roll(quick: Path) -> None:
    """Or a gateway that all can reach would take itself for one that only this machine can."""
    plain = quick.read_text()
    quick.write_text(plain.replace("port = 0", 'port = 0\nhost = "0.0.0.0"\nkeys = ["one"]'))
    with Worker(quick) as parent:
        replace(quick, plain.replace("port = 0", 'port = 0\nkeys = ["two"]'))
        parent.signal(signal.SIGHUP)
        parent.until_said(RELOADED)
        parent.signal(signal.SIGUSR2)
        parent.until_said("takes the place of", 2)
        replace(quick, plain)
        parent.signal(signal.SIGHUP)
        parent.until_said("refusing to listen on 0.0.0.0:0 without keys")
        assert {answer(parent.port, b"/v1/models").status for _ in range(8)} == {401}


def test_rolling_under_load_fails_no_request(quick: Path) -> None:
    """A client that pauses between two requests does not find its connection closed either."""
    with (
        Worker(quick) as parent,
        Load(parent.port, clients=12) as load,  # enough for some to come to every worker
        Load(parent.port, clients=2, pause=0.7) as slow,
    ):
        until(lambda: len(load.workers) == 2)
        seen = set(parent.children())
        for number in range(1, 3):
            parent.signal(signal.SIGUSR2)
            until(lambda number=number: len(load.workers) >= 2 * (number + 1), parent.log)
            seen |= set(parent.children())
            load.more()
        assert load.failures == []
        assert slow.failures == []
        until(lambda: len(parent.children()) == 2, parent.log)
        assert len(seen) >= 6
        assert parent.said("Traceback") == 0


def test_readiness_stays_while_workers_are_rolled(quick: Path) -> None:
    with Worker(quick) as parent, ExitStack() as opened:
        kept = [opened.enter_context(Client(parent.port)) for _ in range(8)]
        for client in kept:
            client.send(GET % b"/healthz")
            assert client.read().status == 200
        old = parent.children()
        parent.signal(signal.SIGUSR2)
        parent.until_said("takes the place of", 2)
        for client in kept:
            closes = False
            while not closes:  # at once, or when the worker has heard that it is to end
                client.send(GET % b"/readyz")
                found = client.read()
                assert found.status == 200
                closes = found.headers.get("connection") == "close"
            assert client.rest() == b""
        until(lambda: not set(old) & set(parent.children()))


def test_a_worker_that_is_killed_takes_only_its_own_requests(file: Path) -> None:
    with Worker(file) as parent, Load(parent.port, clients=8) as load:
        until(lambda: len(load.workers) == 2)
        load.more()
        killed, other = parent.children()
        os.kill(killed, signal.SIGKILL)
        with ExitStack() as opened:  # some of these wait for the worker that is not there yet
            waiting = [opened.enter_context(Client(parent.port)) for _ in range(16)]
            for client in waiting:
                client.send(GET % b"/readyz")
            assert [client.read().status for client in waiting] == [200] * 16
        until(lambda: len(parent.children()) == 2, parent.log)
        until(lambda: len(load.workers) == 3)
        assert len({worker for worker, _ in load.failures}) <= 1
        assert all(len(asker.failures) <= 1 for asker in load.askers)
        assert killed not in parent.children()
        assert other in parent.children()
        parent.until_said(f"(process {killed}) was killed by SIGKILL; another is started at once")


def test_a_stop_lets_requests_finish_and_says_so_first(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    go = threading.Event()
    reply = answers.chat("openai", "done")
    reply.before = [go]
    provider = scripted(reply)
    file = configure(tmp_path, OFF, "workers = 2\ndrain_delay = 1.5", openai=provider.url + "/v1")
    with Worker(file) as parent, Client(parent.port) as client:
        client.send(request(*asking.chat("openai", model="openai:m")))
        until(lambda: bool(provider.requests))
        parent.signal(signal.SIGTERM)
        until(lambda: answer(parent.port, b"/readyz").status == 503)
        until(lambda: answer_or_nothing(parent.port) is None)
        go.set()
        assert asking.text("openai", client.read()) == "done"
        parent._reap()
        assert parent.process.returncode == 0
        assert parent.group() == []


def test_a_second_signal_ends_at_once(scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    reply = answers.chat("openai", "done")
    reply.before = [threading.Event()]
    provider = scripted(reply)
    file = configure(tmp_path, OFF, "workers = 2", openai=provider.url + "/v1")
    with Worker(file) as parent, Client(parent.port) as client:
        client.send(request(*asking.chat("openai", model="openai:m")))
        until(lambda: bool(provider.requests))
        parent.signal(signal.SIGINT)
        until(lambda: answer_or_nothing(parent.port) is None)
        parent.signal(signal.SIGTERM)
        assert client.rest() == b""
        parent._reap()
        assert parent.process.returncode == 128 + signal.SIGTERM
        until(lambda: parent.group() == [])


def answer_or_nothing(port: int) -> Any:
    try:
        return answer(port, b"/healthz")
    except (OSError, EOFError):
        return None


def test_workers_end_with_their_parent(quick: Path) -> None:
    with Worker(quick) as parent:
        assert len(parent.children()) == 2
        parent.kill()
        until(lambda: parent.group() == [])
        assert answer_or_nothing(parent.port) is None


def test_workers_that_cannot_start_are_one_error(tmp_path: Path) -> None:
    file = configure(tmp_path, 'url = "postgresql://nobody@127.0.0.1:1/none"\non_failure = "stop"', "workers = 2")
    with pytest.raises(RuntimeError, match="usage cannot be recorded now: the database is down"):
        Worker(file)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file.write_text(file.read_text().replace("port = 0", f"port = {taken.getsockname()[1]}"))
        with pytest.raises(RuntimeError, match=r"choose another server\.port"):
            Worker(file)


def test_a_port_of_another_gateway_is_taken() -> None:
    """Though the system would let one user's processes share it."""
    sockets = listening_sockets(Server(port=0), 2)
    port = sockets[0][0][1].getsockname()[1]
    assert [sock.getsockname()[1] for socks in sockets for _, sock in socks] == [port] * 2
    with pytest.raises(ConfigError, match="cannot listen on"):
        listening_sockets(Server(port=port), 2)
    for socks in sockets:
        close(sock for _, sock in socks)
    for socks in listening_sockets(Server(port=port), 2):
        close(sock for _, sock in socks)


def test_a_unix_socket_is_shared_and_rolled(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    file = configure(tmp_path, OFF, f'workers = 2\nlisten = [{{ socket = "{path}" }}]')
    with Worker(file) as parent:
        old = parent.children()
        seen = {ask_unix(path) for _ in range(40)}
        assert len(seen) <= 2
        parent.signal(signal.SIGUSR2)
        until(lambda: len(seen | {ask_unix(path)}) > len(seen) and not set(old) & set(parent.children()), parent.log)
        assert answer(parent.port, b"/healthz").status == 200
        assert parent.stop() == 0
        assert not path.exists()


def ask_unix(path: Path) -> str:
    """Which worker answers."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(GET % b"/healthz")
        head = sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 200 ")
    return head.partition(b"x-tsuji-request-id: ")[2][:12].decode()


def test_a_service_manager_is_told(quick: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        with Worker(quick, NOTIFY_SOCKET=str(tmp_path / "notify")) as parent:
            assert manager.recv(1000) == b"READY=1"
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            parent.signal(signal.SIGHUP)
            first, second = manager.recv(1000).split(b"\n")
            assert first == b"RELOADING=1"
            assert int(second.removeprefix(b"MONOTONIC_USEC=")) >= before
            assert manager.recv(1000) == b"READY=1"
            assert parent.stop() == 0
            assert manager.recv(1000) == b"STOPPING=1"
