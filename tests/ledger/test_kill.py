"""kill -9 under load: what a client saw finish is in the ledger, once."""

import os
import random
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import request
from tests.ledger.workers import Worker, configure, until
from tests.scripted import Reply, Request, Scripted
from tsuji.ledger import tables
from tsuji.ledger.spool import segments

ROUNDS = int(os.environ.get("TSUJI_KILL_ROUNDS", "50"))
WORKERS = 2
PARENTS = max(ROUNDS // 10, 1)
PER_PARENT = 4
"""Kills, the last of which is the parent's: where there are workers."""
CLIENTS = 4
MARKS = {"openai": b"data: [DONE]", "anthropic": b"event: message_stop", "responses": b"event: response.completed"}
ASKED = [(client, stream) for client in MARKS for stream in (False, True)]


def script(asked: Request) -> Reply:
    """A stream's end mark is not its body's end: a client may be content before the gateway has heard all."""
    if not asked.json().get("stream"):
        return answers.chat("openai")
    whole = answers.stream("openai").body
    assert isinstance(whole, list)
    return Reply([*whole, 0.005], content_type=answers.SSE)


class Asking(threading.Thread):
    """Asks until the gateway is gone. finished: the ids of the answers that it would take for complete.

    again: a connection that ends is followed by another one, until `over`.
    """

    def __init__(self, port: int, at: int, *, again: bool = False) -> None:
        super().__init__()
        self.finished: list[str] = []
        self.over = threading.Event()
        self._port, self._at = port, at
        if not again:
            self.over.set()
        self.start()

    def run(self) -> None:
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 60) as sock:
                while True:
                    client, stream = ASKED[self._at % len(ASKED)]
                    self._at += 1
                    sock.sendall(request(*asking.chat(client, model="openai:m", stream=stream)))
                    self._read(sock, MARKS[client] if stream else None)
            if self.over.wait(0.001):
                return

    def _read(self, sock: socket.socket, mark: bytes | None) -> None:
        """mark: of a stream's end, beyond which a client need not read; it counts before the rest has come."""
        data, noted = b"", False
        while True:
            head, _, body = data.partition(b"\r\n\r\n")
            over = body.endswith(b"0\r\n\r\n")
            if mark is None and body:
                over = len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if not noted and (over or (mark is not None and mark in body)):
                assert head.startswith(b"HTTP/1.1 200 ")
                self.finished.append(head.partition(b"x-tsuji-request-id: ")[2].split(b"\r\n")[0].decode())
                noted = True
            if over:
                return
            more = sock.recv(65536)
            if not more:
                raise ConnectionResetError
            data += more


def one_round(file: Path, number: int, chance: random.Random) -> list[str]:
    with Worker(file) as worker:
        threads = [Asking(worker.port, number + at) for at in range(CLIENTS)]
        while not any(thread.finished for thread in threads):
            time.sleep(0.001)
        time.sleep(chance.random() * 0.15)
        worker.kill(all=number % 2 == 1)
        for thread in threads:
            thread.join()
    return [id for thread in threads for id in thread.finished]


def one_parent(file: Path, number: int, chance: random.Random) -> list[str]:
    """Its workers are killed one by one, at any moment of their lives, and then it is, every other time with them."""
    with Worker(file) as parent:
        threads = [Asking(parent.port, number + at, again=True) for at in range(CLIENTS)]
        for _ in range(PER_PARENT - 1):
            seen = sum(len(thread.finished) for thread in threads)
            until(lambda seen=seen: sum(len(thread.finished) for thread in threads) > seen, parent.log)
            time.sleep(chance.random() * 0.15)
            victims = parent.children()
            if victims:
                os.kill(chance.choice(victims), signal.SIGKILL)
        time.sleep(chance.random() * 0.15)
        parent.kill(all=number % 2 == 1)
        for thread in threads:
            thread.over.set()
            thread.join()
        until(lambda: parent.group() == [])  # they end with it, or soon after
    return [id for thread in threads for id in thread.finished]


@pytest.mark.parametrize("seed", [random.randrange(2**32)])
def test_what_a_client_saw_finish_is_recorded_once(seed: int, scripted: Any, tmp_path: Path) -> None:
    """Every other time the ledger's process is killed as well, and what it left is the next start's."""
    chance = random.Random(seed)
    provider: Scripted = scripted(script)
    file = configure(tmp_path, openai=provider.url + "/v1")
    finished = [id for number in range(ROUNDS) for id in one_round(file, number, chance)]
    check(file, finished, ROUNDS, len(provider.requests))


@pytest.mark.parametrize("seed", [random.randrange(2**32)])
def test_and_so_it_is_with_workers(seed: int, scripted: Any, tmp_path: Path) -> None:
    chance = random.Random(seed)
    provider: Scripted = scripted(script)
    file = configure(tmp_path, server=f"workers = {WORKERS}", openai=provider.url + "/v1")
    finished = [id for number in range(PARENTS) for id in one_parent(file, number, chance)]
    check(file, finished, PARENTS * PER_PARENT, len(provider.requests))


def check(file: Path, finished: list[str], kills: int, asked: int) -> None:
    with Worker(file) as last:
        assert last.stop() == 0
    home = file.parent / "home"
    assert segments(home / "spool") == []
    engine = create_engine(f"sqlite:///{home}/ledger.db")
    with engine.connect() as connection:
        usage = connection.execute(select(tables.usage.c.id, tables.usage.c.status, tables.usage.c.output_tokens)).all()
        tries = connection.execute(select(tables.attempts.c.request_id)).scalars().all()
    engine.dispose()
    kept = {id: (status, tokens) for id, status, tokens in usage}
    assert len(usage) == len(kept)
    assert sorted(tries) == sorted(kept)
    assert [id for id in finished if kept.get(id) != ("done", 5)] == []
    assert len(set(finished)) == len(finished)
    print(f"{kills} kills: {asked} requests, {len(finished)} seen to finish, {len(usage)} recorded")
