"""Secrets of this installation: configured, or made once beside the ledger."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from tsuji.config import Secret
from tsuji.core.errors import ConfigError

FILE = "server.secret"
_SHORTEST = 16


def server_secret(configured: Secret | None, folder: Path) -> bytes:
    """What keys are hashed with. Raises ConfigError as `secret_of` does."""
    return secret_of("server.secret", configured, folder / FILE)


def secret_of(name: str, configured: Secret | None, file: Path) -> bytes:
    """name: the configuration's for it. file: where it is, or is made, unless it is configured.

    Raises ConfigError where it is not there, too short, or cannot be written.
    """
    if configured is not None:
        found = configured.reveal()
        if found is None:
            raise ConfigError(f"{name} is {configured.where}, which is not there or is empty", param=name)
        where = configured.where
    else:
        try:
            found = file.read_text("ascii").strip() if file.exists() else _made(file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{name} cannot be read from or made in the file {file}: {error}; set {name} or ledger.folder",
                param=name,
            ) from error
        where = f"the file {file}"
    if len(found) < _SHORTEST:
        raise ConfigError(
            f"{name} ({where}) is shorter than {_SHORTEST} characters; 'openssl rand -hex 32' makes a good one",
            param=name,
        )
    return found.encode()


def _made(file: Path) -> str:
    """Written whole under another name first; of two processes that start at once, the first one's stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):
            os.link(mine, file)
    finally:
        mine.unlink()
    return file.read_text("ascii").strip()
