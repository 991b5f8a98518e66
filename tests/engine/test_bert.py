"""The embedding model: converted from safetensors, and the vectors that llama.cpp makes of it."""

import io
import json
import math
import struct
from array import array
from pathlib import Path

import pytest

from tests.engine.fixtures import ask, fetched
from tsuji.engine.bert import convert, quantized
from tsuji.engine.local import LocalEngine

REFERENCE = Path(__file__).parent / "minilm_reference.json"
"""Vectors of the float32 model, from a plain implementation of BERT over its safetensors, rounded to 4 digits."""


def cosine(one: list[float], two: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, two, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in two))


def test_vectors_are_those_of_the_float32_model(local_engine: LocalEngine) -> None:
    fetched(local_engine, "embed")
    reference: dict[str, list[float]] = json.loads(REFERENCE.read_text())
    status, answer = ask(local_engine.endpoint("minilm"), "/embeddings", {"input": list(reference)})
    assert status == 200
    for row, expected in zip(answer["data"], reference.values(), strict=True):
        vector: list[float] = row["embedding"]
        assert len(vector) == 384
        assert math.isclose(sum(x * x for x in vector), 1, rel_tol=1e-4)
        assert cosine(vector, expected) > 0.999


def test_many_texts_at_once_and_one_that_is_too_long(local_engine: LocalEngine) -> None:
    fetched(local_engine, "embed")
    endpoint = local_engine.endpoint("embed")
    assert endpoint.info.embeddings and endpoint.info.context == 512
    status, answer = ask(endpoint, "/embeddings", {"input": [f"text number {i}" for i in range(64)]})
    assert status == 200 and [row["index"] for row in answer["data"]] == list(range(64))
    status, answer = ask(endpoint, "/embeddings", {"input": "word " * 600})
    assert status == 400 and answer["error"]["type"] == "exceed_context_size_error"


def test_q8_0_keeps_values_within_half_a_step() -> None:
    values = array("f", [math.sin(i) * (i % 7) for i in range(64)] + [0.0] * 32)
    blocks = quantized(values.tobytes())
    assert len(blocks) == 3 * 34
    for at in range(3):
        scale, *steps = struct.unpack("<e32b", blocks[at * 34 : at * 34 + 34])
        for value, step in zip(values[at * 32 : at * 32 + 32], steps, strict=True):
            assert abs(value - scale * step) <= scale * 0.51 + abs(value) * 1e-3


def test_parts_that_do_not_fit_are_refused() -> None:
    config = json.dumps(
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 8,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
        }
    ).encode()
    vocabulary = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]).encode()
    entry = {"dtype": "F16", "shape": [32], "data_offsets": [0, 64]}
    head = json.dumps({"embeddings.LayerNorm.bias": entry}).encode()
    weights = struct.pack("<Q", len(head)) + head + bytes(64)
    with pytest.raises(ValueError, match="F16, not F32"):
        convert(config, vocabulary, io.BytesIO(weights), io.BytesIO(), lambda done, total: None)
    with pytest.raises(ValueError, match="ends early"):
        convert(config, vocabulary, io.BytesIO(weights[:20]), io.BytesIO(), lambda done, total: None)
    with pytest.raises(ValueError, match="a safetensors header of"):
        convert(config, vocabulary, io.BytesIO(b"\xff" * 16), io.BytesIO(), lambda done, total: None)
