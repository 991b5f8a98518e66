"""A BERT sentence embedder as safetensors -> GGUF with Q8_0 matrices, streamed, in pure Python.

Formats: https://huggingface.co/docs/safetensors and https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The
names of tensors and keys are those that llama.cpp's "bert" architecture reads. The output depends on the input alone,
bit for bit, so its hash can be pinned.
"""

import json
import struct
from array import array
from collections.abc import Callable, Iterable
from typing import IO, Any

import msgspec

_F32, _Q8_0 = 0, 8
_ALIGNMENT = 32
_BLOCK = 32  # weights that share a scale in Q8_0
_MEAN_POOLING = 1
_NORMAL, _CONTROL = 1, 3  # token types of llama.cpp
_SPECIAL = {"[PAD]": "padding", "[UNK]": "unknown", "[CLS]": "cls", "[SEP]": "seperator", "[MASK]": "mask"}

_OUTER = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm": "token_embd_norm",
}
_INNER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_KEPT_F32 = ("position_embd.weight", "token_types.weight")


class _Config(msgspec.Struct):
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


class _Tensor(msgspec.Struct):
    """start, end: of its float32 values in the safetensors data. kind: ggml type to write."""

    name: str
    shape: list[int]
    start: int
    end: int

    @property
    def kind(self) -> int:
        return _Q8_0 if len(self.shape) == 2 and self.name not in _KEPT_F32 else _F32

    @property
    def size(self) -> int:
        count = (self.end - self.start) // 4
        return count // _BLOCK * 34 if self.kind == _Q8_0 else count * 4


def convert(
    config: bytes, vocabulary: bytes, weights: IO[bytes], out: IO[bytes], progress: Callable[[int, int], None]
) -> None:
    """Writes a GGUF to `out` from a model's config.json, vocab.txt and model.safetensors (float32, read in order).

    progress: called with bytes written and bytes in all. Raises ValueError where the parts don't fit together.
    """
    facts = msgspec.json.decode(config, type=_Config)
    tensors = _directory(weights)
    head = bytearray(_metadata(facts, vocabulary.decode().splitlines(), len(tensors)))
    offset = 0
    for tensor in tensors:
        head += _string(tensor.name) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape))
        head += struct.pack("<IQ", tensor.kind, offset)
        offset += _aligned(tensor.size)
    head += bytes(_aligned(len(head)) - len(head))
    out.write(head)
    at = done = 0
    for tensor in tensors:
        _read(weights, tensor.start - at)
        at = tensor.end
        done = _write_tensor(tensor, weights, out, done, lambda done: progress(done, offset))


def _directory(weights: IO[bytes]) -> list[_Tensor]:
    """The tensors to write, in the order in which the file holds them."""
    length = struct.unpack("<Q", _read(weights, 8))[0]
    if length > 1 << 20:
        raise ValueError(f"a safetensors header of {length} bytes")
    found: list[_Tensor] = []
    entries: dict[str, Any] = json.loads(_read(weights, length))
    for name, entry in entries.items():
        renamed = _renamed(name)
        if renamed is None:
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"tensor {name} is {entry['dtype']}, not F32")
        found.append(_Tensor(renamed, entry["shape"], *entry["data_offsets"]))
    return sorted(found, key=lambda tensor: tensor.start)


def _renamed(name: str) -> str | None:
    """llama.cpp's name of a tensor; None for those that an embedding does not use (pooler, position ids)."""
    if name in _OUTER:
        return _OUTER[name]
    stem, _, kind = name.rpartition(".")
    if stem in _OUTER:
        return f"{_OUTER[stem]}.{kind}"
    parts = stem.split(".", 3)
    if len(parts) == 4 and parts[:2] == ["encoder", "layer"]:
        return f"blk.{parts[2]}.{_INNER[parts[3]]}.{kind}"
    return None


def _write_tensor(
    tensor: _Tensor, weights: IO[bytes], out: IO[bytes], done: int, progress: Callable[[int], None]
) -> int:
    end = done + _aligned(tensor.size)
    left = tensor.end - tensor.start
    while left:
        piece = _read(weights, min(left, 1 << 18))
        left -= len(piece)
        if tensor.kind == _Q8_0:
            piece = quantized(piece)
        out.write(piece)
        done += len(piece)
        progress(done)
    out.write(bytes(end - done))
    return end


def quantized(values: bytes) -> bytes:
    """float32 values -> Q8_0 blocks: 32 weights as one float16 scale and 32 signed bytes."""
    numbers = array("f", values)
    blocks: list[bytes] = []
    for at in range(0, len(numbers), _BLOCK):
        block = numbers[at : at + _BLOCK]
        largest = max(*block, -min(block))
        inverse = 127 / largest if largest else 0.0
        # int() of a value moved above zero rounds; xor 128 turns the moved byte into two's complement
        blocks.append(struct.pack("<e", largest / 127) + bytes([int(v * inverse + 128.5) ^ 128 for v in block]))
    return b"".join(blocks)


def _metadata(facts: _Config, vocabulary: list[str], tensor_count: int) -> bytes:
    pairs: list[bytes] = [
        _text("general.architecture", "bert"),
        _text("general.name", "all-MiniLM-L6-v2"),
        _text("general.license", "apache-2.0"),
        _number("general.file_type", 7),
        _number("general.quantization_version", 2),
        _number("bert.block_count", facts.num_hidden_layers),
        _number("bert.context_length", facts.max_position_embeddings),
        _number("bert.embedding_length", facts.hidden_size),
        _number("bert.feed_forward_length", facts.intermediate_size),
        _number("bert.attention.head_count", facts.num_attention_heads),
        _string("bert.attention.layer_norm_epsilon") + struct.pack("<If", 6, facts.layer_norm_eps),
        _string("bert.attention.causal") + struct.pack("<I?", 7, False),
        _number("bert.pooling_type", _MEAN_POOLING),
        _text("tokenizer.ggml.model", "bert"),
        _number("tokenizer.ggml.token_type_count", facts.type_vocab_size),
        _strings("tokenizer.ggml.tokens", [_piece(token) for token in vocabulary]),
        _integers("tokenizer.ggml.token_type", [_CONTROL if t in _SPECIAL else _NORMAL for t in vocabulary]),
        _number("tokenizer.ggml.bos_token_id", vocabulary.index("[CLS]")),
    ]
    pairs += [_number(f"tokenizer.ggml.{name}_token_id", vocabulary.index(t)) for t, name in _SPECIAL.items()]
    return struct.pack("<4sIQQ", b"GGUF", 3, tensor_count, len(pairs)) + b"".join(pairs)


def _piece(token: str) -> str:
    """WordPiece marks what continues a word; llama.cpp's vocabulary marks what begins one."""
    if token in _SPECIAL:
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _text(key: str, value: str) -> bytes:
    return _string(key) + struct.pack("<I", 8) + _string(value)


def _number(key: str, value: int) -> bytes:
    return _string(key) + struct.pack("<II", 4, value)


def _strings(key: str, values: Iterable[str]) -> bytes:
    items = [_string(value) for value in values]
    return _string(key) + struct.pack("<IIQ", 9, 8, len(items)) + b"".join(items)


def _integers(key: str, values: list[int]) -> bytes:
    return _string(key) + struct.pack(f"<IIQ{len(values)}i", 9, 5, len(values), *values)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _read(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError("the safetensors file ends early")
    return data
