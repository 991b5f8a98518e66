"""The admin API as a child of this process."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tsuji.core.errors import ConfigError

_SECONDS = 20.0


@contextmanager
def beside(path: Path | None) -> Generator[str]:
    """Its URL, while it runs; it ends with this process, however that ends. path: of the configuration's file.

    Raises ConfigError where it does not start; why, it has written to standard error.
    """
    command = [sys.executable, "-m", "tsuji.control", *([] if path is None else [str(path)])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().decode().strip()
            if not url:
                raise ConfigError("the admin API has not started; leave out --admin, or see 'tsuji admin'")
            yield url
        finally:
            process.stdin.close()
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
