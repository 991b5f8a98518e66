"""Whether a secret that the file names is there."""

from pathlib import Path as Folder

from .problem import Path, Problems
from .secret import Secret


def secret_is_there(source: str, path: Path, folder: Folder, problems: Problems) -> None:
    if source in ("", "env:", "file:"):
        problems.add(path, "is empty; write the key itself, env:NAME or file:PATH")
        return
    secret = Secret(source, folder)
    if secret.reveal() is None:
        problems.add(path, f"{secret.where} is not there or is empty, here and now", "warning")
