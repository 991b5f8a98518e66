"""What `local:NAME` means: a built-in model, a preset or a file of the store, another program's model, or a path.

NAME:SUFFIX is a variant of NAME: one of its preset's, or one of those that every model has ("nothink", "high").
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import msgspec

from tsuji.core.errors import LocalEngineError, ModelNotFoundError

from .adopted import Adopted, adopted
from .builtin import BUILTINS, Builtin
from .endpoint import LocalModel
from .presets import Adapter, Preset, over, variant
from .store import Store

_DEEPEST = 8  # presets that rest on presets


class Loaded(msgspec.Struct, frozen=True):
    """What a process is made for: names that agree in this share one."""

    path: Path
    context: int | None = None
    template: str | None = None
    adapters: tuple[Adapter, ...] = ()


class Model(msgspec.Struct, frozen=True):
    """path: where the file is, or will be once it is downloaded. origin: who put it there, in a word."""

    name: str
    path: Path
    builtin: Builtin | None = None
    preset: Preset | None = None
    origin: str = "store"

    @property
    def loaded(self) -> Loaded:
        preset = self.preset
        if preset is None:
            return Loaded(self.path)
        return Loaded(self.path, preset.context, preset.template, preset.adapters)


def resolve(name: str, store: Store) -> Model:
    """Raises ModelNotFoundError with the names there are; LocalEngineError where a preset is damaged."""
    found = _found(name, store, 0)
    if found is not None:
        return found
    if name.endswith(".gguf"):
        path = Path(name).expanduser().absolute()
        raise ModelNotFoundError(f"there is no file {path}; give the path of a GGUF file", param="model")
    raise ModelNotFoundError(_unknown(name, store), param="model")


def _found(name: str, store: Store, depth: int) -> Model | None:
    """By its name, or as a variant of another."""
    found = _named(name, store, depth)
    before, _, suffix = name.rpartition(":")
    base = _named(before, store, depth) if found is None and before else None
    preset = variant(base.preset, suffix) if base is not None else None
    if base is None or preset is None:
        return found
    return msgspec.structs.replace(base, name=name, preset=preset)


def _named(name: str, store: Store, depth: int) -> Model | None:
    for builtin in BUILTINS:
        if name == builtin.name or name in builtin.aliases:
            return Model(builtin.name, store.path(builtin.file_name), builtin, origin="built in")
    preset = store.preset(name)
    if preset is not None:
        return _on_base(name, preset, store, depth)
    path = store.named(name)
    if path is not None:
        return Model(name, path)
    for other in adopted():
        if other.name == name:
            return _adopted(other)
    if name.endswith(".gguf"):
        path = Path(name).expanduser().absolute()
        if path.exists():
            return Model(path.stem, path, origin="path")
    return None


def _on_base(name: str, preset: Preset, store: Store, depth: int) -> Model:
    if depth == _DEEPEST:
        raise LocalEngineError(
            f"the preset {name} rests on itself by way of others; change `base` in one of their files"
        )
    base: Model | None = None
    if preset.base == name:  # settings that came with the file
        path = store.named(name)
        base = Model(name, path) if path else None
    else:
        base = _found(preset.base, store, depth + 1)
    if base is None:
        raise LocalEngineError(f"the preset {name} rests on {preset.base!r}, which is not here; pull that first")
    merged = over(base.preset, preset)
    return Model(name, base.path, base.builtin, merged, base.origin if preset.base == name else "preset")


def _adopted(other: Adopted) -> Model:
    return Model(other.name, other.path, preset=other.preset, origin=other.origin)


def _unknown(name: str, store: Store) -> str:
    before, _, suffix = name.rpartition(":")
    base = _named(before, store, 0) if before else None
    if base is not None:
        own = base.preset.variants if base.preset else {}
        suffixes = [*own, "nothink", "think", "minimal", "low", "medium", "high"]
        return f"{base.name} has no variant {suffix!r}; there are {', '.join(suffixes)}"
    known = [b.name for b in BUILTINS] + [a for b in BUILTINS for a in b.aliases]
    known += [*store.presets(), *store.names(), *[other.name for other in adopted()]]
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    there = ", ".join(sorted(set(known)))
    return f"no local model {name!r}; {hint}there are {there}, and any path of a .gguf file; `tsuji pull` gets others"


EMBEDDERS = {b.name: b.embedder for b in BUILTINS if b.embedder}
"""A chat model's name -> the model that is meant by it where vectors are asked for."""


def catalogue(store: Store, running: Mapping[Path, int]) -> list[LocalModel]:
    """Every model with a name. running: file -> process id."""
    rows: dict[str, LocalModel] = {}
    for builtin in BUILTINS:
        path = store.path(builtin.file_name)
        rows[builtin.name] = LocalModel(
            builtin.name, builtin.aliases, str(path), builtin.size, path.exists(), running.get(path),
            builtin.description, "built in",
        )  # fmt: skip
    built_in = {row.file for row in rows.values()}
    models = [_of_preset(name, store) for name in store.presets()]
    models += [Model(name, path) for name, path in store.names().items()]
    models += [_adopted(other) for other in adopted()]
    models += [Model(path.stem, path, origin="path") for path in running]
    listed = set(built_in)
    for model in models:
        if model is None or model.name in rows:
            continue
        elsewhere = listed if model.origin == "path" else built_in  # a file that runs may have a name already
        if model.origin != "preset" and str(model.path) in elsewhere:
            continue
        listed.add(str(model.path))
        rows[model.name] = _row(model, running)
    return list(rows.values())


def _of_preset(name: str, store: Store) -> Model | None:
    try:
        return _named(name, store, 0)
    except LocalEngineError:
        return None  # `tsuji show` says what is wrong with it


def _row(model: Model, running: Mapping[Path, int]) -> LocalModel:
    size = sum([path.stat().st_size for path in Store.parts(model.path) if path.exists()])
    present = all(path.exists() for path in Store.parts(model.path))
    preset = model.preset
    said = f"preset on {preset.base}" if preset is not None and model.origin == "preset" else ""
    return LocalModel(model.name, (), str(model.path), size, present, running.get(model.path), said, model.origin)
