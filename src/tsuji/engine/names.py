"""What `local:NAME` means: a built-in model, a file of the store, or a path."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import msgspec

from tsuji.core.errors import ModelNotFoundError

from .builtin import BUILTINS, Builtin
from .endpoint import LocalModel
from .store import Store


class Model(msgspec.Struct, frozen=True):
    """path: where the file is, or will be once it is downloaded."""

    name: str
    path: Path
    builtin: Builtin | None = None


def resolve(name: str, store: Store) -> Model:
    """Raises ModelNotFoundError with the names there are."""
    for builtin in BUILTINS:
        if name == builtin.name or name in builtin.aliases:
            return Model(builtin.name, store.path(builtin.file_name), builtin)
    files = {path.stem: path for path in store.files()}
    if name in files:
        return Model(name, files[name])
    if name.endswith(".gguf"):
        path = Path(name).expanduser().absolute()
        if path.exists():
            return Model(path.stem, path)
        raise ModelNotFoundError(f"there is no file {path}; give the path of a GGUF file", param="model")
    known = [b.name for b in BUILTINS] + [a for b in BUILTINS for a in b.aliases] + list(files)
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ModelNotFoundError(
        f"no local model {name!r}; {hint}there are {', '.join(sorted(known))}, and any path of a .gguf file",
        param="model",
    )


EMBEDDERS = {b.name: b.embedder for b in BUILTINS if b.embedder}
"""A chat model's name -> the model that is meant by it where vectors are asked for."""


def catalogue(store: Store, running: Mapping[Path, int]) -> list[LocalModel]:
    """Every model with a name. running: file -> process id."""
    rows: list[LocalModel] = []
    for builtin in BUILTINS:
        path = store.path(builtin.file_name)
        present = path.exists()
        size, pid = builtin.size, running.get(path)
        rows.append(LocalModel(builtin.name, builtin.aliases, str(path), size, present, pid, builtin.description))
    built_in = {row.file for row in rows}
    for path in [*store.files(), *running]:
        if str(path) not in built_in and path.exists():
            built_in.add(str(path))
            rows.append(LocalModel(path.stem, (), str(path), path.stat().st_size, True, running.get(path)))
    return rows
