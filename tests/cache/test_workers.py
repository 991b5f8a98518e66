"""Workers that are processes of their own share a file, and what is in it is answers alone."""

import json
import stat
from pathlib import Path
from typing import Any

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Client, request
from tests.ledger.workers import Worker, configure
from tests.scripted import Scripted

ROUTE = """
[cache]
path = "{path}"
[routes.r]
targets = ["openai:m"]
cache = {{ store = "sqlite" }}
"""


def ask(worker: Worker, text: str) -> Answer:
    with Client(worker.port) as client:
        client.send(request("/v1/chat/completions", {"model": "r", "messages": [{"role": "user", "content": text}]}))
        return client.read()


def test_workers_share_answers(tmp_path: Path, scripted: Any) -> None:
    provider: Scripted = scripted(lambda request: answers.chat("openai", f"answer {request.number}"))
    file = configure(tmp_path, ROUTE.format(path=tmp_path / "cache.db"), openai=provider.url + "/v1")
    with Worker(file) as one, Worker(file) as two:
        for at, worker in enumerate([one, two]):
            found = ask(worker, f"canary-prompt {at}")
            assert (found.headers["x-tsuji-cache"], asking.text("openai", found)) == ("miss", f"answer {at}")
        for at, worker in enumerate([two, one]):
            found = ask(worker, f"canary-prompt {at}")
            while found.headers["x-tsuji-cache"] == "miss":  # it may still be on its way to the disk
                found = ask(worker, f"canary-prompt {at}")
            assert found.headers["x-tsuji-cache"] == "hit"
        one.kill(all=True)
        assert ask(two, "canary-prompt 0").headers["x-tsuji-cache"] == "hit"
        assert two.stop() == 0
    with Worker(file) as three:
        assert ask(three, "canary-prompt 1").headers["x-tsuji-cache"] == "hit"
    files = [found for found in tmp_path.iterdir() if found.name.startswith("cache.db")]
    kept = b"".join([found.read_bytes() for found in files])
    assert b"answer 0" in kept
    for canary in (b"canary-prompt", b"canary-provider-key"):
        assert canary not in kept
    assert {stat.S_IMODE(found.stat().st_mode) for found in files} == {0o600}
    assert json.loads(provider.requests[0].body)["model"] == "m"
