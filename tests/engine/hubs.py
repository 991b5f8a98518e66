"""The hub and Ollama's registry as far as a pull asks them, on a file server of this machine."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tests.engine.fileserver import FileServer


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def publish(
    server: FileServer, repository: str, files: Mapping[str, bytes], *, revision: str = "main", page: int = 100
) -> None:
    """A repository of the hub: its tree, in pages, and its files, which are in large storage behind redirects."""
    rows: list[dict[str, Any]] = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "sub"}]
    for path, data in files.items():
        digest = sha256(data)
        large = {"oid": digest, "size": len(data), "pointerSize": 134}
        rows.append({"type": "file", "oid": "1" * 40, "size": len(data), "lfs": large, "path": path})
        address = f"/{repository}/resolve/{revision}/{path}"
        server.redirects[address] = f"{server.url}/storage/{digest}"
        server.linked_hashes[address] = digest
        server.files[f"/storage/{digest}"] = data
    first = f"/api/models/{repository}/tree/{revision}?recursive=true"
    for at in range(0, len(rows), page):
        here = first if at == 0 else f"{first}&cursor={at}"
        server.files[here] = json.dumps(rows[at : at + page]).encode()
        if at + page < len(rows):
            server.headers[here] = {"Link": f'<https://huggingface.co{first}&cursor={at + page}>; rel="next"'}


def publish_ollama(server: FileServer, name: str, layers: Mapping[str, bytes], *, tag: str = "latest") -> bytes:
    """A model of Ollama's registry: its manifest and blobs. layers: kind -> bytes. Returns the manifest."""
    rows: list[dict[str, Any]] = []
    for kind, data in layers.items():
        digest = f"sha256:{sha256(data)}"
        rows.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": len(data)})
        server.files[f"/v2/{name}/blobs/{digest}"] = data
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}
    manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": rows}).encode()
    server.files[f"/v2/{name}/manifests/{tag}"] = manifest
    return manifest
