"""What cannot run is refused with the reason: file, architecture, memory, or a process that keeps dying."""

import os
import signal
import struct
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.fixtures import ask, fetched, home
from tests.engine.ggufs import gguf
from tsuji.core.errors import LocalEngineError
from tsuji.engine import launch, local, process
from tsuji.engine.local import LocalEngine


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalEngine]:
    running = LocalEngine(home=tmp_path / "home", slots=1, context=256)
    yield running
    running.close()


def refusal(running: LocalEngine, path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(LocalEngineError) as caught:
        running.endpoint(str(path))
    assert caught.value.fault == "gateway" and caught.value.status == 503
    return caught.value.message


def test_files_that_are_no_models(own: LocalEngine, local_engine: LocalEngine, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    whole = fetched(local_engine, "default").read_bytes()
    assert refusal(own, path, b"<html>not found</html>").startswith("file: ")
    assert "is not a GGUF file" in refusal(own, path, b"<html>not found</html>")
    assert "is cut short: it has 50,000,000 bytes" in refusal(own, path, whole[:50_000_000])
    assert "is cut short" in refusal(own, path, whole[:1000])
    assert "is damaged" in refusal(own, path, whole[:24] + b"\xff" * 8 + whole[32:])
    assert "is of a GGUF version" in refusal(own, path, b"GGUF" + struct.pack("<I", 9) + whole[8:])
    assert refusal(own, path, gguf({"general.name": "x"})).startswith("architecture: ")


def test_an_architecture_that_llama_cpp_does_not_know(own: LocalEngine, tmp_path: Path) -> None:
    message = refusal(own, tmp_path / "m.gguf", gguf({"general.architecture": "unheard-of"}, [("t", (32,))]))
    assert message.startswith("architecture: ") and "'unheard-of'" in message


def test_a_file_that_llama_cpp_cannot_load(own: LocalEngine, tmp_path: Path) -> None:
    message = refusal(own, tmp_path / "m.gguf", gguf({"general.architecture": "llama"}, [("t", (32,))]))
    assert "ended with status 1" in message and "Its last words:" in message and "error loading model" in message


def test_a_model_larger_than_memory(own: LocalEngine, tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    head = gguf({"general.architecture": "llama"}, [("t", ())])
    elements = 1 << 42
    at = head.index(b"\x01\x00\x00\x00\x00\x00\x00\x00t") + 9
    path.write_bytes(head[:at] + struct.pack("<IQIQ", 1, elements, 0, 0) + bytes(64))
    os.truncate(path, 1 << 43)  # sparse: this is not written
    with pytest.raises(LocalEngineError, match="is cut short"):
        own.endpoint(str(path))
    path.write_bytes(head[:at] + struct.pack("<IQIQ", 1, elements >> 3, 0, 0) + bytes(64))
    os.truncate(path, (elements >> 1) + 4096)
    with pytest.raises(
        LocalEngineError, match=r"^memory: huge needs 2048\.0 GiB .*GiB of this machine's memory is free"
    ):
        own.endpoint(str(path))


def test_a_process_that_keeps_dying_is_not_started_for_a_while(
    local_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = LocalEngine(home=home(), slots=1, context=256)
    try:
        for _ in range(3):
            endpoint = own.endpoint("default")
            os.kill(endpoint.info.pid, signal.SIGABRT)
            crash = own.crash(endpoint)
            assert crash is not None and "SIGABRT" in crash.message
        with pytest.raises(LocalEngineError, match="crashed three times within a minute") as caught:
            own.endpoint("default")
        assert caught.value.retry_after and "SIGABRT" in caught.value.message
        later = local.time.monotonic() + 31
        monkeypatch.setattr(local.time, "monotonic", lambda: later)
        assert ask(own.endpoint("default"), "/chat/completions", {"messages": [], "max_tokens": 1})[0] in (200, 400)
    finally:
        monkeypatch.undo()
        own.close()


def test_without_llama_cpp_the_way_to_get_it_is_told(
    own: LocalEngine, local_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    with pytest.raises(LocalEngineError, match=r"pip install 'tsuji\[local\]'"):
        own.endpoint("default")
    monkeypatch.undo()
    broken = tmp_path / "path"
    broken.mkdir()
    (broken / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    monkeypatch.setattr(sys, "path", [str(broken), *sys.path])
    with pytest.raises(LocalEngineError, match=r"libgomp\.so\.1 is missing"):
        own.endpoint(str(fetched(local_engine, "default")))
    monkeypatch.setattr(process.sys, "executable", "/no/python")
    with pytest.raises(LocalEngineError, match="could not be started"):
        own.endpoint(str(fetched(local_engine, "default")))


BINARY = """
    import os, sys
    import xllamacpp
    options = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
    params = xllamacpp.CommonParams()
    params.model.path, params.port = options["--model"], int(options["--port"])
    params.n_parallel, params.n_ctx = int(options["--parallel"]), int(options["--ctx-size"])
    params.api_keys, params.hostnames = [os.environ["LLAMA_API_KEY"]], [options["--host"]]
    server = xllamacpp.Server(params)
    sys.stdin.read()
"""


def test_a_llama_server_of_the_user_s_own(local_engine: LocalEngine, tmp_path: Path) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text(f"#!{sys.executable}\n" + textwrap.dedent(BINARY))
    with pytest.raises(LocalEngineError, match="not a program that can be run"):
        LocalEngine(home=home(), server=binary).endpoint("default")
    binary.chmod(0o755)
    own = LocalEngine(home=home(), server=binary, slots=1, context=512)
    try:
        endpoint = own.endpoint("default")
        assert endpoint.info.context == 512
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
        assert ask(endpoint, "/chat/completions", body)[0] == 200
        os.kill(endpoint.info.pid, signal.SIGKILL)
        crash = own.crash(endpoint)
        assert crash is not None and "SIGKILL" in crash.message
        binary.write_text("#!/bin/sh\necho out of luck; exit 3\n")
        with pytest.raises(LocalEngineError, match=r"status 3(.|\n)*out of luck"):
            own.endpoint("default")
    finally:
        own.close()
