"""Changes to the names of the store that a person asks for: remove, copy, create. What they may not do is refused."""

from pathlib import Path

import msgspec

from tsuji.core.errors import InvalidRequestError

from .builtin import BUILTINS
from .modelfile import read_modelfile
from .names import resolve
from .presets import Preset, read_preset
from .store import Store, absolute


def remove(store: Store, name: str, *, force: bool = False) -> int:
    """Deletes the files and the preset of a name; the bytes that this freed. Raises InvalidRequestError."""
    builtin = next((b for b in BUILTINS if name == b.name or name in b.aliases), None)
    if builtin is not None:
        path = store.path(builtin.file_name)
        return store.remove(path.stem) if path.exists() else 0
    own = name in store.presets() or store.named(name) is not None
    if not own:
        model = resolve(name, store)
        whose = "a path" if model.origin == "path" else f"of {model.origin}"
        hint = f"`ollama rm {name}`" if model.origin == "Ollama" else f"delete {model.path} where it belongs"
        raise InvalidRequestError(f"{name} is not of this store but {whose}: {hint}", param="name")
    resting = [other for other in store.presets() if other != name and _base(store, other) == name]
    if resting and not force:
        raise InvalidRequestError(
            f"{', '.join(resting)} rests on {name}; remove that first, or use --force", param="name"
        )
    return store.remove(name)


def copy(store: Store, source: str, name: str) -> Path:
    """A preset `name` that says nothing but its base; its path. Raises ModelNotFoundError, InvalidRequestError."""
    resolve(source, store)
    _check_free(store, name)
    return store.save_preset(name, Preset(base=source))


def create(store: Store, name: str, text: str, where: Path, *, replace: bool = False) -> tuple[Path, tuple[str, ...]]:
    """A preset of a Modelfile's or a preset file's text, and what of it has no use here.

    where: the file of the text; paths in it are seen from its folder, and a preset file ends in ".toml".
    Raises LocalEngineError, ModelNotFoundError, InvalidRequestError.
    """
    unused: tuple[str, ...] = ()
    if where.suffix == ".toml":
        preset = read_preset(text, str(where))
    else:
        imported = read_modelfile(text)
        preset, unused = imported.preset, imported.unused
    preset = absolute(preset, where.absolute().parent)
    base = preset.base.removeprefix("local:")
    for adapter in preset.adapters:
        if not Path(adapter.file).is_file():
            raise InvalidRequestError(f"there is no adapter {adapter.file}", param="adapters")
    resolve(base, store)
    _check_free(store, name, but_preset=replace)
    return store.save_preset(name, msgspec.structs.replace(preset, base=base)), unused


def _check_free(store: Store, name: str, *, but_preset: bool = False) -> None:
    if any(name == b.name or name in b.aliases for b in BUILTINS):
        raise InvalidRequestError(f"{name} is a built-in model; choose another name", param="name")
    if store.named(name) is not None:
        raise InvalidRequestError(f"{name} is a file of the store; choose another name", param="name")
    if name in store.presets() and not but_preset:
        raise InvalidRequestError(f"there is a preset {name} already; `tsuji rm {name}` first", param="name")


def _base(store: Store, name: str) -> str:
    preset = store.preset(name)
    return preset.base if preset else ""
