"""Ollama: the models that are on this machine, and what their Modelfiles say.

A model is a manifest: `manifests/HOST/NAMESPACE/NAME/TAG` in the folder of models (https://docs.ollama.com/faq).
"""

import re
from pathlib import Path

from tsuji import catalog
from tsuji.core.errors import ConfigError

from .draft import Draft

_INSTRUCTION = re.compile(
    r"^\s*(FROM|PARAMETER|SYSTEM|TEMPLATE|ADAPTER|MESSAGE|LICENSE)\s+(.*)$", re.IGNORECASE | re.MULTILINE
)


def from_ollama(folder: Path, modelfiles: list[Path], host: str | None) -> Draft:
    """folder: of models, where there is one. modelfiles: each a route, called as its folder or ending is. host:
    Ollama's address where it is not the usual one. Raises ConfigError where there is no model at all.
    """
    draft = Draft(f"the models of Ollama in {folder}" if not modelfiles else "Modelfiles")
    for model in _pulled(folder) if not modelfiles else []:
        _add(draft, model, model)
    for file in modelfiles:
        _modelfile(draft, file)
    if not draft.routes:
        raise ConfigError(f"no models of Ollama in {folder}: name the folder or Modelfiles, or set OLLAMA_MODELS")
    if host:
        address = host if "://" in host else f"http://{host}"
        draft.providers["ollama"] = {"base_url": address.rstrip("/").removesuffix("/v1") + "/v1"}
    return draft


def _pulled(folder: Path) -> list[str]:
    """As `ollama list` names them: without the registry's host and the namespace "library"."""
    root = folder / "manifests"
    found: list[str] = []
    for path in sorted(root.glob("*/*/*/*")):
        host, space, name, tag = path.relative_to(root).parts
        if not path.is_file() or tag.startswith("."):
            continue
        parts = [host] if host != "registry.ollama.ai" else []
        parts += [space] if parts or space != "library" else []
        found.append("/".join([*parts, name]) + f":{tag}")
    return found


def _add(draft: Draft, name: str, model: str) -> None:
    route = name.removesuffix(":latest")
    if catalog.canonical(route) in catalog.provider_ids():
        draft.note(f"the model {route!r} is called {route + '-model'!r} here: a provider has its name")
        route += "-model"
    draft.routes[route] = {"targets": [f"ollama:{model}"]}


def _modelfile(draft: Draft, file: Path) -> None:
    """A Modelfile is built by `ollama create NAME`; that name is the model."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    said = [(word.upper(), rest.strip()) for word, rest in _INSTRUCTION.findall(text)]
    if not any(word == "FROM" for word, _ in said):
        raise ConfigError(f"{file} is no Modelfile: it has no FROM")
    name = file.suffix.removeprefix(".") or file.resolve().parent.name
    _add(draft, name, f"{name}:latest")
    base = next(rest for word, rest in said if word == "FROM")
    draft.note(f"FROM {base}, under the name that 'ollama create {name}' gives it", "routes", name)
    words = list(dict.fromkeys([word for word, _ in said if word not in ("FROM", "LICENSE")]))
    if words:
        draft.note(f"stays in Ollama, which applies it: {', '.join(words)}", "routes", name)
