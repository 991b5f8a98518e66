"""The engine with real processes: started once, noticed when they die, started again, ended with their parent."""

import asyncio
import http.client
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.fixtures import ask, fetched, home
from tsuji.core.errors import LocalEngineError, ModelNotFoundError
from tsuji.engine.local import LocalEngine, engine

HELLO = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    return any(condition() or time.sleep(0.05) for _ in range(400))


def test_a_model_answers_by_any_of_its_names(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    assert endpoint is local_engine.endpoint("smollm2:135m")
    assert local_engine.endpoint(str(fetched(local_engine, "default"))).info.pid == endpoint.info.pid
    status, answer = ask(endpoint, "/chat/completions", HELLO)
    assert status == 200 and answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0
    info = endpoint.info
    assert (info.architecture, info.context, info.tools_supported, info.embeddings) == ("llama", 4096, False, False)
    assert info.template and "im_start" in info.template
    assert engine() is local_engine


def test_the_port_is_closed_to_who_has_no_key(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    connection = http.client.HTTPConnection(endpoint.base_url.split("/")[2])
    connection.request("POST", "/v1/chat/completions", b"{}", {"Content-Type": "application/json"})
    assert connection.getresponse().status == 401
    connection.close()
    assert (
        endpoint.headers["Authorization"].removeprefix("Bearer ")
        not in Path(f"/proc/{endpoint.info.pid}/cmdline").read_text()
    )


def test_two_answers_at_once(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    answers: list[int] = []
    body = {**HELLO, "max_tokens": 30}
    threads = [
        threading.Thread(target=lambda: answers.append(ask(endpoint, "/chat/completions", body)[0])) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 5


def test_a_killed_process_is_a_clear_error_and_the_next_call_starts_another(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    assert local_engine.crash(endpoint) is None
    failures: list[Exception] = []

    def talk() -> None:
        try:
            ask(endpoint, "/chat/completions", {**HELLO, "max_tokens": 1000, "ignore_eos": True})
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)

    talking = threading.Thread(target=talk)
    talking.start()
    time.sleep(0.3)
    os.kill(endpoint.info.pid, signal.SIGKILL)
    talking.join()
    assert failures
    crash = local_engine.crash(endpoint)
    assert crash is not None and "SIGKILL" in crash.message and crash.retryable and crash.fault == "gateway"
    after = local_engine.endpoint("default")
    assert after.info.pid != endpoint.info.pid
    assert ask(after, "/chat/completions", HELLO)[0] == 200


def test_calls_at_once_start_one_process(local_engine: LocalEngine) -> None:
    with_own = LocalEngine(home=home())
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(with_own.endpoint("default").info.pid)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert [model.pid for model in with_own.models() if model.name == "default"] == found[:1]
    with_own.close()
    with_own.close()
    assert gone(found[0])
    with pytest.raises(LocalEngineError, match="closed"):
        with_own.endpoint("default")


async def test_async_calls_share_a_start_that_outlives_their_cancellation(local_engine: LocalEngine) -> None:
    with_own = LocalEngine(home=home())
    try:
        first = asyncio.create_task(with_own.aendpoint("default"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        several = await asyncio.gather(*[with_own.aendpoint("default") for _ in range(3)])
        assert len({endpoint.info.pid for endpoint in several}) == 1
        assert await with_own.aendpoint("default") is several[0]
        with pytest.raises(ModelNotFoundError):
            await with_own.aendpoint("nothing")
    finally:
        with_own.close()


def test_progress_is_told(local_engine: LocalEngine) -> None:
    said: list[str] = []
    with_own = LocalEngine(home=home(), progress=lambda line, done, total: said.append(line), slots=1, context=512)
    try:
        assert with_own.endpoint("default").info.context == 512
        assert said == ["loading default", "ready default"]
    finally:
        with_own.close()


def test_a_file_pulled_into_the_store_has_a_name(local_engine: LocalEngine, tmp_path: Path) -> None:
    with_own = LocalEngine(home=tmp_path, slots=1, context=256)
    try:
        copy = tmp_path / "mine.gguf"
        copy.write_bytes(fetched(local_engine, "default").read_bytes())
        pulled = with_own.pull(f"file:{copy}")
        assert (pulled.name, pulled.present, pulled.pid) == ("mine", True, None)
        assert ask(with_own.endpoint("mine"), "/chat/completions", HELLO)[0] == 200
        assert [model.name for model in with_own.models()] == ["default", "embed", "mine"]
        (tmp_path / "bad.gguf").write_bytes(b"nothing")
        with pytest.raises(LocalEngineError, match="not a GGUF file"):
            with_own.pull(f"file:{tmp_path / 'bad.gguf'}")
    finally:
        with_own.close()


def test_an_unknown_name_lists_those_there_are(local_engine: LocalEngine) -> None:
    with pytest.raises(ModelNotFoundError, match=r"did you mean 'default'\?.*minilm"):
        local_engine.endpoint("defautl")
    with pytest.raises(ModelNotFoundError, match=r"/no/such\.gguf"):
        local_engine.endpoint("/no/such.gguf")


PARENT = """
    import sys, time
    from pathlib import Path
    from tsuji.engine.local import LocalEngine
    print(LocalEngine(home=Path(sys.argv[1])).endpoint("default").info.pid, flush=True)
    if sys.argv[2] == "stay":
        time.sleep(600)
"""


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_a_child_ends_with_its_parent(local_engine: LocalEngine, end: str) -> None:
    stay = "stay" if end == "kill" else "go"
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(home()), stay]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if end == "kill":
            parent.kill()
        parent.wait()
    assert eventually(lambda: gone(child))


FORK = """
    import os, sys
    from tsuji.engine.local import engine
    mine = engine().endpoint("default").info.pid
    if os.fork() == 0:
        print(engine().endpoint("default").info.pid not in (mine, 0), flush=True)
        sys.exit(0)
    print(os.wait()[1], engine().endpoint("default").info.pid == mine, flush=True)
"""


def test_a_forked_process_has_children_of_its_own(local_engine: LocalEngine) -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(FORK)]
    environment = {**os.environ, "TSUJI_HOME": str(home())}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "0 True"]
    assert done.stderr == ""
