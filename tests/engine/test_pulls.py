"""Pulls from a hub, a registry and addresses: whole models or none, whatever the server does."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.fileserver import FileServer, file_server
from tests.engine.ggufs import gguf
from tests.engine.hubs import publish, publish_ollama, sha256
from tsuji.core.errors import InvalidRequestError, LocalEngineError
from tsuji.engine import download
from tsuji.engine.hub import HubFile, choose, quantization
from tsuji.engine.local import LocalEngine
from tsuji.engine.presets import Preset
from tsuji.engine.pulls import look_up
from tsuji.engine.registry import parse_name
from tsuji.engine.split import is_first, shards, stem

MODEL = gguf({"general.architecture": "llama", "general.license": "mit"}, [("w", [64, 4096])])
OTHER = gguf({"general.architecture": "llama"}, [("v", [64, 512])])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(download, "_PAUSE", 0)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with file_server() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalEngine]:
    running = LocalEngine(home=tmp_path / "home")
    yield running
    running.close()


def host(server: FileServer) -> str:
    return server.url.removeprefix("http://")


def test_a_quantization_of_a_repository(server: FileServer, local: LocalEngine) -> None:
    files = {"M-Q4_K_M.gguf": MODEL, "M-Q8_0.gguf": OTHER, "mmproj-M-F16.gguf": b"x", "README.md": b"hi"}
    publish(server, "owner/M-GGUF", files, page=2)
    pulled = local.pull("hf:owner/M-GGUF:q4_k_m")
    assert (pulled.name, pulled.size, pulled.origin) == ("M-Q4_K_M", len(MODEL), "store")
    assert Path(pulled.file).read_bytes() == MODEL
    assert local.pull("hf:owner/M-GGUF").name == "M-Q4_K_M"
    assert local.pull("hf:owner/M-GGUF:Q8_0").name == "M-Q8_0"
    asked = len(server.seen)
    assert local.pull("hf:owner/M-GGUF:Q8_0").present and len(server.seen) == asked + 3  # the pages of the list


def test_a_split_model_comes_whole_and_counts_as_one(server: FileServer, local: LocalEngine) -> None:
    parts = {f"big/M-Q4_K_M-0000{n}-of-00003.gguf": gguf({"general.architecture": "llama"}, [(f"w{n}", [64, 64 * n])])
             for n in (1, 2, 3)}  # fmt: skip
    publish(server, "owner/M-GGUF", parts)
    steps: list[tuple[str, int, int | None]] = []
    local.progress = lambda *step: steps.append(step)
    pulled = local.pull("hf:owner/M-GGUF:Q4_K_M")
    size = sum([len(data) for data in parts.values()])
    assert (pulled.name, pulled.size, Path(pulled.file).name) == ("M-Q4_K_M", size, "M-Q4_K_M-00001-of-00003.gguf")
    for stage in ("downloading", "checking"):
        done = [done for said, done, total in steps if said == f"{stage} M-Q4_K_M" and total == size]
        assert done == sorted(done) and done[-1] == size
    assert local.remove("M-Q4_K_M") == size and not list(local.store.directory.glob("*.gguf"))
    by_path = local.pull("hf:owner/M-GGUF/big/M-Q4_K_M-00001-of-00003.gguf")
    assert (by_path.name, by_path.size) == ("M-Q4_K_M", size)


def test_a_split_model_that_lacks_a_part_says_so(server: FileServer, local: LocalEngine) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_0-00001-of-00002.gguf": MODEL})
    with pytest.raises(LocalEngineError, match=r"lacks M-Q4_0-00002-of-00002\.gguf"):
        local.pull("hf:owner/M-GGUF:Q4_0")


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no-ranges"])
def test_a_pull_that_is_cut_goes_on(server: FileServer, local: LocalEngine, ranges: bool) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
    server.ranges, server.breaks = ranges, [300_000, 200_000]
    server.breaks.insert(0, 1 << 30)  # the list of files
    assert Path(local.pull("hf:owner/M-GGUF").file).read_bytes() == MODEL
    if ranges:
        asked = [sent.get("range") for path, sent in server.seen if path.startswith("/storage/")]
        assert asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_wrong_file_is_thrown_away(server: FileServer, local: LocalEngine) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
    server.files[f"/storage/{sha256(MODEL)}"] = bytes(reversed(MODEL))
    with pytest.raises(LocalEngineError, match="not the file that was asked for") as caught:
        local.pull("hf:owner/M-GGUF")
    assert caught.value.retryable and local.store.files() == [] and local.store.prune() == []


def test_refusals_say_what_to_do(server: FileServer, local: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocalEngineError, match="the hub has no owner/none at main: status 404"):
        local.pull("hf:owner/none")
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL, "M-IQ2_XXS.gguf": OTHER})
    with pytest.raises(InvalidRequestError, match="no Q6_K; choose among IQ2_XXS, Q4_K_M"):
        local.pull("hf:owner/M-GGUF:Q6_K")
    server.token = "secret"
    with pytest.raises(LocalEngineError, match=r"status 401.*HF_TOKEN"):
        local.pull("hf:owner/M-GGUF")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert local.pull("hf:owner/M-GGUF").present
    server.token = None
    server.statuses["/api/models/owner/M-GGUF/tree/main?recursive=true"] = [500, 503]
    assert local.pull("hf:owner/M-GGUF:IQ2_XXS").present
    for text in ("hf:owner", "hf:a/b/c", "ollama:", "ollama:a b", "ollama:a/b/c/d"):
        with pytest.raises(InvalidRequestError, match="write"):
            local.pull(text)


def test_a_file_that_was_mended_at_the_same_size_is_pulled_anew(server: FileServer, local: LocalEngine) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
    local.pull("hf:owner/M-GGUF")
    mended = MODEL[:-1] + b"\x01"
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": mended})
    path = Path(local.pull("hf:owner/M-GGUF").file)
    assert path.read_bytes() == mended
    path.write_bytes(MODEL)  # damaged here
    assert Path(local.pull("hf:owner/M-GGUF").file).read_bytes() == mended


def test_a_disk_that_is_too_small_is_known_beforehand(server: FileServer, local: LocalEngine) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
    tree = "/api/models/owner/M-GGUF/tree/main?recursive=true"
    server.files[tree] = server.files[tree].replace(str(len(MODEL)).encode(), b"9000000000000000")
    with pytest.raises(LocalEngineError, match="GB free; free space"):
        local.pull("hf:owner/M-GGUF")


def test_a_model_of_ollamas_registry(server: FileServer, local: LocalEngine) -> None:
    layers = {
        "model": MODEL,
        "template": b"{{ .Prompt }}",
        "params": json.dumps({"temperature": 1, "num_ctx": 2048, "stop": ["<|end|>"], "num_gpu": 3}).encode(),
        "system": b"You are brief.",
        "license": b"Apache License\nVersion 2.0",
        "messages": json.dumps([{"role": "user", "content": "Hi"}]).encode(),
    }
    publish_ollama(server, "library/tiny", layers, tag="1b")
    pulled = local.pull(f"ollama:{host(server)}/library/tiny:1b")
    assert (pulled.name, pulled.size) == ("tiny:1b", len(MODEL))
    preset = local.store.preset("tiny:1b")
    assert preset is not None and preset.system == "You are brief." and preset.licence == "Apache License"
    assert preset.parameters == {"temperature": 1.0, "context": 2048, "stop": ["<|end|>"]}
    assert [said.content for said in preset.messages] == ["Hi"]
    local.store.save_preset("tiny:1b", Preset(base="tiny:1b", system="Mine."))
    local.pull(f"ollama:{host(server)}/library/tiny:1b")
    kept = local.store.preset("tiny:1b")
    assert kept is not None and kept.system == "Mine."
    with pytest.raises(LocalEngineError, match="has no tiny"):
        local.pull(f"ollama:{host(server)}/library/tiny:2b")
    publish_ollama(server, "library/lora", {"model": MODEL, "adapter": OTHER})
    with pytest.raises(LocalEngineError, match="is an adapter"):
        local.pull(f"ollama:{host(server)}/library/lora")
    server.files[f"/v2/library/tiny/blobs/sha256:{sha256(MODEL)}"] = OTHER
    local.remove("tiny:1b")
    with pytest.raises(LocalEngineError, match="not the file that was asked for"):
        local.pull(f"ollama:{host(server)}/library/tiny:1b")


PULL = "import sys; from tsuji.engine.local import engine; print(engine().pull(sys.argv[1]).size)"


def test_two_processes_share_one_download_and_the_second_sees_it(
    server: FileServer, local: LocalEngine, tmp_path: Path
) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
    steps: list[tuple[str, int, int | None]] = []
    followed = threading.Event()

    def follow(stage: str, done: int, total: int | None) -> None:
        steps.append((stage, done, total))
        if stage.startswith("waiting") and done:
            followed.set()
            server.gate.set()

    local.progress = follow
    storage = f"/storage/{sha256(MODEL)}"
    server.held = {storage}
    environment = {**os.environ, "TSUJI_HOME": str(tmp_path / "home")}
    first = subprocess.Popen(
        [sys.executable, "-c", PULL, "hf:owner/M-GGUF"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        while not any(path == storage for path, _ in server.seen):
            assert first.poll() is None
            time.sleep(0.02)
        assert local.pull("hf:owner/M-GGUF").present and followed.is_set()
        assert first.communicate(timeout=60)[0].strip() == str(len(MODEL))
    finally:
        server.gate.set()
        first.kill()
        first.wait()
    waited = [step for step in steps if step[0].startswith("waiting")]
    assert waited and waited[-1][2] == len(MODEL)
    assert [path for path, _ in server.seen].count(storage) == 1


def test_what_was_never_finished_is_pruned(server: FileServer, local: LocalEngine) -> None:
    publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})

    def leave(stage: str, done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    local.progress = leave
    with pytest.raises(KeyboardInterrupt):
        local.pull("hf:owner/M-GGUF")
    [(name, freed)] = local.store.prune()
    assert name == "M-Q4_K_M.gguf" and freed > 0 and local.store.prune() == []


def test_quantizations_are_read_off_names() -> None:
    names = {
        "Qwen3-8B-Q4_K_M.gguf": "Q4_K_M", "m.IQ2_XXS.gguf": "IQ2_XXS", "GLM-4.7-UD-Q4_K_XL.gguf": "UD-Q4_K_XL",
        "gpt-oss-20b-mxfp4.gguf": "MXFP4", "x-BF16-00001-of-00002.gguf": "BF16", "llama-q8_0.gguf": "Q8_0",
        "plain.gguf": None,
    }  # fmt: skip
    assert {name: quantization(name) for name in names} == names


def test_choosing_among_files() -> None:
    def files(*paths: str) -> list[HubFile]:
        return [HubFile(path, 1, None) for path in paths]

    assert choose(files("a-UD-Q4_K_XL.gguf", "a-Q8_0.gguf"), "Q4_K_XL", "o/r")[0].path == "a-UD-Q4_K_XL.gguf"
    assert choose(files("only.gguf"), "", "o/r")[0].path == "only.gguf"
    with pytest.raises(InvalidRequestError, match="2 models for Q8_0"):
        choose(files("a-Q8_0.gguf", "b-Q8_0.gguf"), "Q8_0", "o/r")
    with pytest.raises(InvalidRequestError, match="no GGUF file"):
        choose(files("model.safetensors"), "", "o/r")
    shuffled = [f"m-Q4_0-{n:05}-of-00012.gguf" for n in range(1, 13)]
    random.Random(3).shuffle(shuffled)
    assert [f.path for f in choose(files(*shuffled), "Q4_0", "o/r")] == sorted(shuffled)


def test_names_of_split_files() -> None:
    assert stem("m-00002-of-00003.gguf") == "m" and not is_first("m-00002-of-00003.gguf")
    assert shards("m-00001-of-00002.gguf") == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
    assert (stem("m.gguf"), shards("m.gguf"), is_first("m.gguf")) == ("m", ["m.gguf"], True)
    with pytest.raises(ValueError, match="one of 99999"):
        shards("m-00001-of-99999.gguf")
    with pytest.raises(InvalidRequestError, match="one of 99999"):
        look_up("https://host/m-00001-of-99999.gguf")


def test_names_of_the_library() -> None:
    assert parse_name("qwen3").short == "qwen3" and parse_name("qwen3:8b").short == "qwen3:8b"
    own = parse_name("me/mine:v1")
    assert (own.host, own.namespace, own.short) == ("registry.ollama.ai", "me", "me/mine:v1")
