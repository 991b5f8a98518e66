"""Models that other programs have on this machine: used where they lie, never copied, never deleted.

Ollama: manifests and blobs (OLLAMA_MODELS, else ~/.ollama/models and where its Linux service keeps them). LM Studio:
PUBLISHER/REPO/FILE.gguf under ~/.lmstudio/models or, before version 0.3.3, ~/.cache/lm-studio/models. The hub's cache:
snapshots of repositories (HF_HUB_CACHE, HF_HOME/hub, else ~/.cache/huggingface/hub).
TSUJI_ADOPT=0 looks at none of them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tsuji.core.errors import LocalEngineError

from .presets import Preset
from .registry import HOST, Layer, LibraryName, read_layers, settings, weights_of
from .split import is_first, stem

_LARGEST_MANIFEST = 1 << 20


class Adopted(msgspec.Struct, frozen=True):
    """origin: whose it is. preset: the settings that came with it."""

    name: str
    path: Path
    origin: str
    preset: Preset | None = None


def adopted(home: Path | None = None, environment: Mapping[str, str] = os.environ) -> list[Adopted]:
    """What there is, by name; of two with one name, the first found. A damaged store spoils nothing but itself."""
    if environment.get("TSUJI_ADOPT") == "0":
        return []
    home = home or Path.home()
    found: dict[str, Adopted] = {}
    for model in (*_ollama(home, environment), *_lm_studio(home), *_hub(home, environment)):
        found.setdefault(model.name, model)
    return list(found.values())


def _ollama(home: Path, environment: Mapping[str, str]) -> Iterator[Adopted]:
    given = environment.get("OLLAMA_MODELS")
    roots = [Path(given)] if given else [home / ".ollama/models", Path("/usr/share/ollama/.ollama/models")]
    for root in roots:
        for manifest in _sorted(root / "manifests", "*/*/*/*"):
            host, namespace, name, tag = manifest.relative_to(root / "manifests").parts
            full = LibraryName(host, namespace, name, tag)
            own = full.short if host == HOST else f"{host}/{full.short}"
            try:
                layers = _layers(manifest, own)
                path = _blob(root, weights_of(layers, own))
                preset = settings(layers, lambda layer, root=root: _blob(root, layer).read_bytes())
            except (LocalEngineError, OSError, ValueError):
                continue  # an adapter, safetensors, a download that is under way
            yield Adopted(own, path, "Ollama", preset)


def _layers(manifest: Path, name: str) -> list[Layer]:
    if manifest.stat().st_size > _LARGEST_MANIFEST:
        return []
    decoded: Any = json.loads(manifest.read_bytes())
    return read_layers(decoded, name)


def _blob(root: Path, layer: Layer) -> Path:
    """Raises FileNotFoundError where it is not there whole."""
    path = root / "blobs" / f"sha256-{layer.sha256}"
    if path.stat().st_size != layer.size:
        raise FileNotFoundError(path)
    return path


def _lm_studio(home: Path) -> Iterator[Adopted]:
    for root in (home / ".lmstudio/models", home / ".cache/lm-studio/models"):
        yield from _files(_sorted(root, "*/*/*.gguf"), "LM Studio")


def _hub(home: Path, environment: Mapping[str, str]) -> Iterator[Adopted]:
    cache = environment.get("HF_HUB_CACHE")
    base = Path(cache) if cache else Path(environment.get("HF_HOME") or home / ".cache/huggingface") / "hub"
    for repository in _sorted(base, "models--*--*"):
        current = _text(repository / "refs/main")
        snapshots = _sorted(repository / "snapshots", "*")
        snapshots.sort(key=lambda snapshot: snapshot.name != current)
        for snapshot in snapshots:
            yield from _files(_sorted(snapshot, "**/*.gguf"), "the hub's cache")


def _files(paths: list[Path], origin: str) -> Iterator[Adopted]:
    for path in paths:
        if is_first(path.name) and "mmproj" not in path.name and path.exists():
            yield Adopted(stem(path.name), path, origin)


def _sorted(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
