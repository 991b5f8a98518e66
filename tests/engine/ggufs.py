"""Small GGUF files, made by hand from the format's description."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def gguf(metadata: Mapping[str, Any], tensors: Sequence[tuple[str, Sequence[int]]] = ()) -> bytes:
    """A whole file of version 3 with float32 tensors of zeros. tensors: name and dimensions."""
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)))
    for key, value in metadata.items():
        out += _string(key) + _value(value)
    offset = 0
    for name, dimensions in tensors:
        out += _string(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, 0, offset)
        size = 4
        for dimension in dimensions:
            size *= dimension
        offset += -(-size // 32) * 32
    if tensors:
        out += bytes(-len(out) % 32 + offset)
    return bytes(out)
