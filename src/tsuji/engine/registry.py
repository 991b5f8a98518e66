"""Models of Ollama's library, or of a registry that speaks as it does.

A manifest lists layers by digest, as container images have them: the weights (GGUF), parameters, the system text,
messages and licence (`server/images.go` and `types/model` of https://github.com/ollama/ollama). Ollama's template is in
Go's language and stays there: a GGUF file has its own.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from tsuji.core.errors import InvalidRequestError, LocalEngineError

from .download import UrlFile, get_bytes, get_json
from .modelfile import parameters_of
from .presets import Preset, Said
from .pulls import Part, Pull

HOST = "registry.ollama.ai"
_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json"
_MEDIA = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?")


class Layer(msgspec.Struct, frozen=True):
    """kind: "model", "params", "system", "messages", "license", "template", "adapter", "projector"."""

    kind: str
    sha256: str
    size: int


class LibraryName(msgspec.Struct, frozen=True):
    """HOST/NAMESPACE/NAME:TAG in full."""

    host: str
    namespace: str
    name: str
    tag: str

    @property
    def short(self) -> str:
        """As Ollama prints it: without what is the default, but always with the tag unless that is "latest"."""
        tag = "" if self.tag == "latest" else f":{self.tag}"
        return (self.name if self.namespace == "library" else f"{self.namespace}/{self.name}") + tag


def parse_name(text: str) -> LibraryName:
    """[HOST/][NAMESPACE/]NAME[:TAG]. Raises InvalidRequestError."""
    *places, last = text.split("/")
    name, _, tag = last.partition(":")
    tag = tag or "latest"
    host = places[0] if len(places) == 2 else HOST
    namespace = places[-1] if places else "library"
    words_fit = all(_WORD.fullmatch(word) for word in (namespace, name, tag))
    if len(places) > 2 or not words_fit or not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", host):
        raise InvalidRequestError(
            f"ollama:{text} names no model; write ollama:NAME, ollama:NAME:TAG or ollama:HOST/NAMESPACE/NAME:TAG",
            param="source",
        )
    return LibraryName(host, namespace, name, tag)


def look_up(rest: str) -> Pull:
    """rest: [HOST/][NAMESPACE/]NAME[:TAG]. Raises InvalidRequestError, LocalEngineError."""
    name = parse_name(rest)
    scheme = "http" if _LOOPBACK.fullmatch(name.host) else "https"
    root = f"{scheme}://{name.host}/v2/{name.namespace}/{name.name}"
    manifest, _ = get_json(
        f"{root}/manifests/{name.tag}", accept=_ACCEPT, missing=f"{name.host} has no {name.short} (tag {name.tag})"
    )
    layers = read_layers(manifest, name.short)
    weights = weights_of(layers, name.short)
    own = name.short.replace("/", "-")
    preset = settings(layers, lambda layer: get_bytes(f"{root}/blobs/sha256:{layer.sha256}")[0])
    source = UrlFile(f"{root}/blobs/sha256:{weights.sha256}")
    return Pull(own, (Part(file_name(own), source, weights.size, weights.sha256),), preset)


def file_name(name: str) -> str:
    """The file of a model in the store: a colon is not for file names."""
    return name.replace(":", "@") + ".gguf"


def read_layers(manifest: Any, name: str) -> list[Layer]:
    """The layers of a manifest, decoded. Raises LocalEngineError where it is none."""
    out: list[Layer] = []
    rows = cast(dict[str, Any], manifest).get("layers") if isinstance(manifest, dict) else None
    for row in cast(list[Any], rows) if isinstance(rows, list) else []:
        given = cast(dict[str, Any], row) if isinstance(row, dict) else {}
        digest, size = _DIGEST.fullmatch(str(given.get("digest"))), given.get("size")
        media = str(given.get("mediaType")).partition(";")[0]
        if digest and isinstance(size, int) and media.startswith(_MEDIA):
            out.append(Layer(media.removeprefix(_MEDIA), digest.group(1), size))
    if not out:
        raise LocalEngineError(f"the manifest of {name} lists no layer of an Ollama model; is it a model's name?")
    return out


def weights_of(layers: Sequence[Layer], name: str) -> Layer:
    kinds = [layer.kind for layer in layers]
    if "tensor" in kinds:
        raise LocalEngineError(f"{name} is stored as safetensors, which llama.cpp does not read; choose a GGUF tag")
    if "adapter" in kinds:
        raise LocalEngineError(f"{name} is an adapter on another model: create a preset with both files instead")
    if kinds.count("model") != 1:
        raise LocalEngineError(f"{name} has {kinds.count('model')} files of weights where one is expected")
    return layers[kinds.index("model")]


def settings(layers: Sequence[Layer], read: Callable[[Layer], bytes]) -> Preset | None:
    """The settings that came with a model; None where there are none. read: the bytes of a small layer."""
    found: dict[str, Any] = {}
    for layer in layers:
        if layer.kind not in ("params", "system", "messages", "license") or layer.size > 1 << 20:
            continue
        text = read(layer).decode("utf-8", "replace")
        if layer.kind == "system":
            found["system"] = text
        elif layer.kind == "license":
            found.setdefault("licence", text.strip().partition("\n")[0].strip()[:200])
        else:
            found |= _from_json(layer.kind, text)
    return Preset(**found) if found else None


def _from_json(kind: str, text: str) -> dict[str, Any]:
    try:
        if kind == "messages":
            return {"messages": msgspec.json.decode(text, type=tuple[Said, ...])}
        given = json.loads(text)
    except (ValueError, msgspec.DecodeError):
        return {}
    return {"parameters": parameters_of(cast(dict[str, Any], given))} if isinstance(given, dict) else {}
