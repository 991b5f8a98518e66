"""kill -9 of workers under load, again and again, and what is in the ledger afterwards.

`python -m tests.ledger.killing ROUNDS` prints the figures (`make kill-run`); the test asserts them.
"""

import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import request
from tests.ledger.workers import Worker, configure, until
from tests.scripted import Reply, Request, Scripted
from tsuji.ledger import tables
from tsuji.ledger.spool import segments

CLIENTS = 4
WORKERS = 2
PER_PARENT = 4
"""Kills, the last of which is the parent's: where there are workers."""
MARKS = {"openai": b"data: [DONE]", "anthropic": b"event: message_stop", "responses": b"event: response.completed"}
ASKED = [(client, stream) for client in MARKS for stream in (False, True)]
RECORDED = ("done", 5)
"""Status and output tokens of every request that was finished."""


@dataclass(frozen=True)
class Figures:
    """kills; of those, whole: with all that belongs to what was killed. asked: requests that the provider saw.

    finished: seen by a client; recorded: in the ledger. lost: ids of finished ones that are not there, or not as
    finished. doubled: ids that are there, or that clients saw, more than once. stray: ids whose attempts' rows do not
    fit. left: segments of the spool that the last start did not move on.
    """

    kills: int
    whole: int
    asked: int
    finished: int
    recorded: int
    lost: list[str]
    doubled: list[str]
    stray: list[str]
    left: int
    stopped: int


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


def run(folder: Path, rounds: int, seed: int, *, workers: bool = False) -> Figures:
    """Every other time the ledger's process is killed as well, and what it left is the next start's.

    rounds: of a gateway's life; with workers each has PER_PARENT kills.
    """
    chance = random.Random(seed)
    one, server = (one_parent, f"workers = {WORKERS}") if workers else (one_round, "")
    with Scripted(script) as provider:
        file = configure(folder, server=server, openai=provider.url + "/v1")
        finished = [id for number in range(rounds) for id in one(file, number, chance)]
        with Worker(file) as last:
            stopped = last.stop()
        asked = len(provider.requests)
    home = folder / "home"
    engine = create_engine(f"sqlite:///{home}/ledger.db")
    with engine.connect() as connection:
        usage = connection.execute(select(tables.usage.c.id, tables.usage.c.status, tables.usage.c.output_tokens)).all()
        tries = Counter(connection.execute(select(tables.attempts.c.request_id)).scalars())
    engine.dispose()
    kept = {id: (status, tokens) for id, status, tokens in usage}
    return Figures(
        kills=rounds * PER_PARENT if workers else rounds,
        whole=rounds // 2,
        asked=asked,
        finished=len(finished),
        recorded=len(usage),
        lost=[id for id in finished if kept.get(id) != RECORDED],
        doubled=[id for ids in (finished, [row[0] for row in usage]) for id, n in Counter(ids).items() if n > 1],
        stray=[id for id in {*kept, *tries} if id not in kept or tries[id] != 1],
        left=len(segments(home / "spool")),
        stopped=stopped,
    )


def main() -> int:
    rounds, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 50, random.randrange(2**32)
    failed = False
    for workers in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            seen = run(Path(folder), max(rounds // PER_PARENT, 1) if workers else rounds, seed, workers=workers)
        failed = show(seen, workers) or failed
    print(f"seed {seed}")
    return 1 if failed else 0


def show(seen: Figures, workers: bool) -> bool:
    """Whether anything is wrong."""
    what = f"{WORKERS} workers and their parent" if workers else "a lone worker"
    print(f"{what}: {seen.kills} times kill -9 under load, {seen.whole} of them of all that belongs to it")
    print(f"requests that reached the provider  {seen.asked:>8,}")
    print(f"that a client saw finish            {seen.finished:>8,}")
    print(f"records in the ledger               {seen.recorded:>8,}")
    print(f"lost: finished, not recorded so     {len(seen.lost):>8,}")
    print(f"recorded or answered twice          {len(seen.doubled):>8,}")
    print(f"attempts that fit no request        {len(seen.stray):>8,}")
    print(f"segments left in the spool          {seen.left:>8,}")
    return bool(seen.lost or seen.doubled or seen.stray or seen.left or seen.stopped)


if __name__ == "__main__":
    sys.exit(main())
