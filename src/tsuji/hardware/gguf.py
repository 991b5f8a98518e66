"""A bounded reader of GGUF headers: metadata and tensor directory, never weights.

Nothing is allocated from a size that the file declares: a size is compared with the bytes at hand first. Format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from math import prod
from pathlib import Path
from typing import Literal

import msgspec

Scalar = int | float | bool | str
Problem = Literal["file", "not_gguf", "version", "truncated", "malformed"]

MAX_HEADER = 128 << 20
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 20
MAX_KEY_LENGTH = (1 << 16) - 1
MAX_STRING = 4 << 20
MAX_KEPT_ARRAY = 1024
MAX_DIMENSIONS = 8
_FIRST_READ = 4 << 20

_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_READERS = {kind: struct.Struct("<" + code) for kind, code in _NUMBERS.items()}
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_START = struct.Struct("<4sIQQ")

# ggml type -> (elements in a block, bytes of a block): ggml_type_size and ggml_blck_size of ggml.c
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip


class GGUFError(ValueError):
    """problem: "file" (it cannot be read), "not_gguf", "version", "truncated" or "malformed"."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem: Problem = problem


class _NeedMoreError(Exception):
    """The buffer ends before the header does."""


class ArrayFact(msgspec.Struct, frozen=True):
    """An array of the metadata. values: only where they are numbers and at most 1024."""

    kind: int
    count: int
    values: tuple[Scalar, ...] | None = None


class Header(msgspec.Struct, frozen=True):
    """What a GGUF file says of itself.

    metadata: key -> value; of long arrays and of arrays of strings, only kind and length. tensor_bytes: sum over the
    tensors whose type is known; unknown_types: ggml type numbers that are not. elements: weights in all tensors.
    end: the size that the file must at least have, in bytes. has_output: its output has weights of its own.
    """

    version: int
    metadata: dict[str, Scalar | ArrayFact]
    tensor_count: int
    tensor_bytes: int
    elements: int
    end: int
    unknown_types: tuple[int, ...] = ()
    has_output: bool = False

    @property
    def architecture(self) -> str | None:
        return self.text("general.architecture")

    @property
    def chat_template(self) -> str | None:
        return self.text("tokenizer.chat_template")

    @property
    def tokenizer(self) -> str | None:
        """llama.cpp's name of the tokenizer's kind: "gpt2", "llama", "bert"."""
        return self.text("tokenizer.ggml.model")

    @property
    def context_length(self) -> int | None:
        """Tokens that the model was trained for."""
        return self.number("context_length")

    @property
    def vocabulary(self) -> int | None:
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.count if isinstance(tokens, ArrayFact) else None

    @property
    def embeds(self) -> bool:
        """Whether the model makes one vector of a text: its metadata names a pooling other than none (0)."""
        return bool(self.number("pooling_type"))

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """An integer fact of the architecture; where it is given by layer, the largest."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        if isinstance(value, ArrayFact):
            return max([v for v in value.values or () if isinstance(v, int)], default=None)
        return value if isinstance(value, int) else None


class _Reader:
    """A cursor over the bytes at hand.

    limit: the size of the whole file: what is declared to lie beyond it is refused. data: its first bytes.
    """

    __slots__ = ("at", "data", "limit")

    def __init__(self, data: bytes, limit: int) -> None:
        self.data = data
        self.limit = limit
        self.at = 0

    def take(self, size: int) -> int:
        """Passes over `size` bytes and returns where they began."""
        start = self.at
        end = start + size
        if end > len(self.data):
            if end > self.limit:
                raise GGUFError("truncated", f"the header ends at byte {self.limit} in the middle of a value")
            if end > MAX_HEADER:
                raise GGUFError("malformed", f"the header is longer than {MAX_HEADER >> 20} MiB")
            raise _NeedMoreError
        self.at = end
        return start

    def u32(self) -> int:
        return _U32.unpack_from(self.data, self.take(4))[0]

    def u64(self) -> int:
        return _U64.unpack_from(self.data, self.take(8))[0]

    def string(self, limit: int) -> str:
        size = self.u64()
        if size > limit:
            raise GGUFError("malformed", f"a string of {size} bytes, more than the limit of {limit}")
        start = self.take(size)
        return self.data[start : start + size].decode("utf-8", "replace")

    def value(self, kind: int) -> Scalar | ArrayFact:
        reader = _READERS.get(kind)
        if reader is not None:
            return reader.unpack_from(self.data, self.take(reader.size))[0]
        if kind == _STRING:
            return self.string(MAX_STRING)
        if kind == _ARRAY:
            return self.array()
        raise GGUFError("malformed", f"unknown metadata type {kind}")

    def array(self) -> ArrayFact:
        kind, count = self.u32(), self.u64()
        reader = _READERS.get(kind)
        if reader is not None:
            start = self.take(count * reader.size)
            if count > MAX_KEPT_ARRAY:
                return ArrayFact(kind, count)
            return ArrayFact(kind, count, struct.unpack_from(f"<{count}{_NUMBERS[kind]}", self.data, start))
        if kind == _STRING:
            self.pass_strings(count)
            return ArrayFact(kind, count)
        raise GGUFError("malformed", f"an array of type {kind}; llama.cpp reads arrays of numbers and of strings")

    def pass_strings(self, count: int) -> None:
        if self.at + 8 * count > self.limit:
            raise GGUFError("truncated", f"an array of {count} strings does not fit the file")
        data, at, end, unpack = self.data, self.at, len(self.data), _U64.unpack_from
        for _ in range(count):
            if at + 8 > end:
                at += 8  # which take refuses
                break
            at += 8 + unpack(data, at)[0]
        self.take(at - self.at)


def parse_header(data: bytes, file_size: int) -> Header | None:
    """The header at the start of a GGUF file of `file_size` bytes; None if `data` holds too little of it.

    Raises GGUFError.
    """
    reader = _Reader(data, file_size)
    try:
        return _parse(reader)
    except _NeedMoreError:
        return None


def read_header(path: Path) -> Header:
    """The header of the file at `path`, whose size is checked against its tensors. Raises GGUFError."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            want = _FIRST_READ
            while True:
                file.seek(0)
                header = parse_header(file.read(want), size)
                if header is not None:
                    break
                want *= 4
    except OSError as error:
        raise GGUFError("file", f"it cannot be read: {error.strerror or error}") from None
    if header.end > size:
        raise GGUFError("truncated", f"it has {size:,} bytes where its tensors need {header.end:,}")
    return header


def _parse(reader: _Reader) -> Header:
    if reader.limit < _START.size or not reader.data.startswith(b"GGUF"):
        raise GGUFError("not_gguf", f"it does not begin with 'GGUF' but with {reader.data[:4]!r}")
    _, version, tensors, keys = _START.unpack_from(reader.data, reader.take(_START.size))
    if version not in (2, 3):
        raise GGUFError("version", f"GGUF version {version} where 2 and 3 are known (big-endian files are not read)")
    if keys > MAX_KEYS or tensors > MAX_TENSORS:
        raise GGUFError("malformed", f"{keys} metadata keys and {tensors} tensors are declared")
    metadata: dict[str, Scalar | ArrayFact] = {}
    for _ in range(keys):
        key = reader.string(MAX_KEY_LENGTH)
        metadata[key] = reader.value(reader.u32())
    return _directory(reader, version, metadata, tensors)


def _directory(reader: _Reader, version: int, metadata: dict[str, Scalar | ArrayFact], count: int) -> Header:
    total = elements = extent = 0
    unknown: set[int] = set()
    has_output = False
    for _ in range(count):
        has_output |= reader.string(MAX_KEY_LENGTH) == "output.weight"
        dimensions = reader.u32()
        if dimensions > MAX_DIMENSIONS:
            raise GGUFError("malformed", f"a tensor of {dimensions} dimensions")
        size = prod([reader.u64() for _ in range(dimensions)])
        kind, offset = reader.u32(), reader.u64()
        block = BLOCKS.get(kind)
        if block is None:
            unknown.add(kind)
        nbytes = -(-size // block[0]) * block[1] if block else 0
        total += nbytes
        elements += size
        extent = max(extent, offset + nbytes)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
        raise GGUFError("malformed", f"an alignment of {alignment!r}")
    data_start = -(-reader.at // alignment) * alignment
    end = data_start + extent if count else reader.at
    return Header(version, metadata, count, total, elements, end, tuple(sorted(unknown)), has_output)
