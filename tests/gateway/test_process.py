"""The gateway as a process: listening, signals, draining."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, config, request, start
from tests.scripted import Reply
from tsuji.config import Server
from tsuji.core.errors import ConfigError
from tsuji.gateway import serve as serve_blocking

PROGRAM = """
import sys
from tsuji.config import Config, LedgerConfig, ProviderConfig, Server
from tsuji.gateway import serve
up = ProviderConfig(dialect="openai", base_url=sys.argv[1] + "/v1")
off = LedgerConfig(enabled=False)
sys.exit(serve(Config(Server(port=0), {"up": up}, ledger=off), on_ready=lambda url, keyed: print(url, flush=True)))
"""


@pytest.fixture
def worker(scripted: Any) -> Iterator[tuple[subprocess.Popen[str], int, Any, threading.Event]]:
    """A process, its port, its provider, and the Event that lets the provider answer."""
    go = threading.Event()
    reply = answers.chat("openai", "done")
    reply.before = [go]
    provider = scripted(reply)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, provider.url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, int(process.stdout.readline().rsplit(":", 1)[1]), provider, go
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_open_requests_finish(number: signal.Signals, worker: Any) -> None:
    process, port, provider, go = worker
    with Client(port) as idle, Client(port) as busy:
        idle.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.read().status == 200
        busy.send(request(*asking.chat("openai")))
        while not provider.requests:
            time.sleep(0.001)
        process.send_signal(number)
        assert idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            while True:
                socket.create_connection(("127.0.0.1", port)).close()
                time.sleep(0.01)
        go.set()
        answer = busy.read()
        assert asking.text("openai", answer) == "done"
        assert answer.headers["connection"] == "close"
    assert process.wait(10) == 0


def test_readiness_is_false_while_draining(serve: Any, scripted: Any) -> None:
    go = threading.Event()
    reply = answers.chat("openai")
    reply.before = [go]
    provider = scripted(reply)
    gateway = serve(config({"up": ("openai", provider.url)}))
    with gateway.client() as client, gateway.client() as half:
        client.send(request(*asking.chat("openai")))
        half.send(b"GET /readyz HTTP/1.1\r\n")
        while not provider.requests or len(gateway.gateway.connections) < 2:
            time.sleep(0.001)
        time.sleep(0.05)  # for the half of a request to be read
        stopping = threading.Thread(target=gateway.stop, args=(10,))
        stopping.start()
        while not gateway.gateway.draining:
            time.sleep(0.001)
        half.send(b"Host: localhost\r\n\r\n")
        assert half.read().status == 503
        go.set()
        assert client.read().headers["connection"] == "close"
        stopping.join()


def test_what_does_not_finish_in_time_is_cut(serve: Any, scripted: Any) -> None:
    begun = answers.stream("openai").body
    assert isinstance(begun, list)
    provider = scripted(Reply([*begun[:2], threading.Event()], content_type=answers.SSE))
    gateway = serve(config({"up": ("openai", provider.url)}))
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", stream=True)))
        client.piece()
        gateway.stop(0.2)
        assert not client.rest().endswith(b"0\r\n\r\n")
    assert provider.left.wait(5)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])
def test_beyond_loopback_there_must_be_keys(host: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.keys") as caught:
        serve_blocking(config({}, server=Server(host=host, port=0)))
    assert caught.value.param == "server.keys"


def test_with_keys_it_listens_anywhere(serve: Any) -> None:
    gateway = serve(config({}, server=Server(host="0.0.0.0", port=0, keys=["k"])))
    assert gateway.ask("/healthz", b"", method="GET").status == 200


def test_ipv6(serve: Any) -> None:
    try:
        gateway = serve(config({}, server=Server(host="::1", port=0)))
    except ConfigError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    assert gateway.url.startswith("http://[::1]:")


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot listen on") as caught:
            start(config({}, server=Server(port=taken.getsockname()[1])))
    assert caught.value.param == "server.port"


def test_a_new_gateway_can_follow_on_the_same_port() -> None:
    first = start(config({}))
    with first.client() as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.read()
        first.stop()
    second = start(config({}, server=Server(port=first.port)))
    assert second.port == first.port
    second.stop()


def test_the_package_loads_no_server_until_it_is_asked_for() -> None:
    code = (
        "import sys, tsuji.gateway; print([m for m in ('asyncio', 'uvloop', 'httptools', 'ssl') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
