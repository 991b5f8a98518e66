"""A line per request, whatever became of it, and no key in any."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.scraping import scrape
from tests.gateway.serving import Client, Serving, config, request
from tests.ledger.workers import Worker, configure
from tests.scripted import CUT, STALL, Reply
from tsuji.catalog.prices import Price
from tsuji.config import Server

KEY = "canary-key-of-the-configuration"
SHOWN = {"Authorization": f"Bearer {KEY}"}
PRICE = Price(input=2_000_000_000, output=8_000_000_000)


def read(file: Path, lines: int = 0) -> list[dict[str, Any]]:
    """As soon as there are so many."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = file.read_text().splitlines() if file.exists() else []
        if len(found) >= lines:
            return [json.loads(line) for line in found]
        time.sleep(0.02)
    raise AssertionError(f"{file} has {len(found)} lines")


@pytest.fixture
def logged(serve: Any, scripted: Any, tmp_path: Path) -> Any:
    """`logged(script) -> Serving`, whose log is tmp_path / "access.log"."""

    def one(script: Any, **server: Any) -> Serving:
        known = {"up": ("openai", scripted(script).url)}
        settings = Server(port=0, keys=[KEY], access_log=tmp_path / "access.log", **server)
        return serve(config(known, {"fast": ["up:x", "up:m"]}, server=settings, prices={"up:m": PRICE}))

    return one


def test_a_line_per_request(logged: Any, tmp_path: Path) -> None:
    gateway = logged([answers.error("openai", 503), answers.chat("openai"), answers.stream("openai")])
    came = time.time()
    answer = gateway.ask(*asking.chat("anthropic", model="fast"), SHOWN | {"x-tsuji-tags": "canary-tag"})
    assert gateway.ask(*asking.chat("openai", model="up:m", stream=True), SHOWN).status == 200
    gateway.ask("/v1/models?key=canary-in-the-query", b"", SHOWN, "GET")
    gateway.ask(*asking.chat("openai", model="nobody:m"), SHOWN)
    gateway.ask(*asking.chat("openai", model="fast"))
    with gateway.client() as client:
        client.send(b"canary\r\n\r\n")
        assert client.read().status == 400
    gateway.stop()
    whole, stream, models, unknown, stranger, broken = read(tmp_path / "access.log")
    expected: dict[str, Any] = {
        "request_id": answer.headers["x-tsuji-request-id"],
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/v1/messages",
        "status": 200,
        "outcome": "done",
        "operation": "chat",
        "dialect": "anthropic",
        "route": "fast",
        "target": "up:m",
        "attempts": 2,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost": 0.00006,
        "first_token": None,
        "key_id": "server.keys",
        "user": None,
        "error": None,
        "cache": None,
        "guarded": [],
    }
    assert {name: whole[name] for name in expected} == expected
    assert 0 < whole["overhead"] < whole["latency"] < 60
    from datetime import datetime

    assert abs(datetime.fromisoformat(whole["time"]).timestamp() - came) < 60
    assert (stream["path"], stream["first_token"] is not None) == ("/v1/chat/completions", True)
    assert (models["path"], models["operation"], models["status"]) == ("/v1/models", "models", 200)
    assert (unknown["status"], unknown["outcome"], unknown["error"]) == (404, "refused", "model_not_found")
    assert (stranger["status"], stranger["error"], stranger["key_id"]) == (401, "authentication", None)
    assert (broken["status"], broken["operation"], broken["error"]) == (400, "unknown", "invalid_request")
    assert all(set(line) == set(whole) for line in (stream, models, unknown, stranger, broken))
    assert "canary" not in (tmp_path / "access.log").read_text()


def test_how_streams_end(logged: Any, tmp_path: Path) -> None:
    begun = answers.stream("openai").body
    assert isinstance(begun, list)
    replies = iter(
        [Reply([*begun[:2], CUT], content_type=answers.SSE), Reply([*begun[:2], STALL], content_type=answers.SSE)]
    )
    gateway = logged(lambda _: next(replies))
    assert not gateway.ask(*asking.chat("openai", model="up:m", stream=True), SHOWN).whole
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", model="up:m", stream=True), SHOWN))
        client.piece()
    cut, left = read(tmp_path / "access.log", 2)
    assert (cut["outcome"], cut["status"], cut["error"]) == ("cut", 200, "stream_interrupted")
    assert (left["outcome"], left["status"], left["error"]) == ("cancelled", None, None)
    assert cut["client"] == left["client"] == "127.0.0.1"


def test_what_looks_like_a_key_is_not_written(logged: Any, tmp_path: Path) -> None:
    gateway = logged(answers.chat("openai"))
    virtual, hosted = "tsuji-" + "k" * 43, "sk-proj-" + "k" * 40
    for name in (virtual, hosted):
        gateway.ask(*asking.chat("openai", model=name), SHOWN)
        gateway.ask(f"/v1/models/{name}", b"", SHOWN, "GET")
    gateway.stop()
    assert len(read(tmp_path / "access.log")) == 4
    assert "kkkk" not in (tmp_path / "access.log").read_text()


def test_it_is_rotated_by_renaming(logged: Any, tmp_path: Path) -> None:
    gateway = logged(answers.chat("openai"))
    file = tmp_path / "access.log"
    gateway.ask(*asking.chat("openai", model="up:m"), SHOWN)
    read(file, 1)
    old = file.rename(tmp_path / "access.log.1")
    gateway.ask(*asking.chat("openai", model="up:m"), SHOWN)
    assert len(read(file, 1)) == len(read(old)) == 1
    file.unlink()
    gateway.ask(*asking.chat("openai", model="up:m"), SHOWN)
    assert len(read(file, 1)) == 1


def test_a_full_disk_loses_lines_and_says_so(serve: Any, scripted: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(port=0, access_log="/dev/full")
    gateway = serve(config({"up": ("openai", scripted(lambda _: answers.chat("openai")).url)}, server=server))
    for _ in range(3):
        assert gateway.ask(*asking.chat("openai")).status == 200
    deadline = time.monotonic() + 20
    while not (lost := scrape(gateway.port)("tsuji_telemetry_dropped_total", output="access_log")):
        assert time.monotonic() < deadline
    assert lost >= 3
    assert [record.message for record in caplog.records if "/dev/full" in record.message] == [
        "the access log /dev/full cannot be written: [Errno 28] No space left on device"
    ]


def test_workers_share_a_file_and_standard_error(scripted: Any, tmp_path: Path) -> None:
    url = scripted(lambda _: answers.chat("openai")).url + "/v1"
    file = configure(tmp_path, openai=url)
    text = file.read_text()
    for where, log in (("shared.log", tmp_path / "shared.log"), ("stderr", file.with_suffix(".log"))):
        file.write_text(text.replace("port = 0", f'port = 0\naccess_log = "{where}"'))
        with Worker(file) as one, Worker(file) as two:
            for number in range(20):
                with Client((one, two)[number % 2].port) as client:
                    client.send(request(*asking.chat("openai", model="openai:m")))
                    assert client.read().status == 200
            one.stop()
            two.stop()
        assert len({line["request_id"] for line in read(log)}) == 20
        assert "canary" not in log.read_text()
