"""GGUF files with a whole header and no weights, and what llama.cpp says that they would take."""

import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.engine.ggufs import gguf
from tsuji.hardware.memory import Setting
from tsuji.hardware.model import Model

_F16 = 1
_SELF = re.compile(r"Host.*?\|\s*\d+ =\s*(\d+) \+\s*(\d+) \+\s*(\d+)")
_RUN = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_ubatch, params.n_parallel = map(int, sys.argv[2:5])
params.n_batch = max(params.n_batch, params.n_ubatch)
used = "ENABLED" if sys.argv[5] == "1" else "DISABLED"
params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, "LLAMA_FLASH_ATTN_TYPE_" + used)
params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + sys.argv[6].upper())
params.fit_params = params.no_alloc = True
params.kv_unified = True
params.verbosity, params.warmup = 4, False
xllamacpp.Server(params)
"""


def write(path: Path, model: Model) -> None:
    """All of it is a hole but the header."""
    metadata, tensors = _metadata(model), _tensors(model)
    head = gguf(metadata)
    body = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)) + head[24:])
    offset = 0
    for name, dimensions in tensors:
        kind, size = (_F16, 2) if len(dimensions) > 1 else (0, 4)
        body += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(dimensions))
        body += struct.pack(f"<{len(dimensions)}QIQ", *dimensions, kind, offset)
        for dimension in dimensions:
            size *= dimension
        offset += -(-size // 32) * 32
    with path.open("wb") as file:
        file.write(body)
        file.truncate(-(-len(body) // 32) * 32 + offset)


def dry_run(path: Path, setting: Setting) -> tuple[int, int, int]:
    """MiB: of weights, of the cache and states, of compute buffers; what else it says is not waited for."""
    settings = [setting.context, setting.ubatch, setting.slots, int(setting.flash_attention), setting.type_k]
    command = [sys.executable, "-c", _RUN, str(path), *map(str, settings)]
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                said.append(line)
                if found := _SELF.search(line):
                    weights, cache, compute = (int(figure) for figure in found.groups())
                    return weights, cache, compute
        finally:
            child.kill()
    raise AssertionError(f"llama.cpp said nothing of memory:\n{''.join(said[-20:])}")


def _metadata(model: Model) -> dict[str, Any]:
    own: dict[str, Any] = {
        "block_count": model.layers,
        "embedding_length": model.width,
        "attention.head_count": model.heads,
        "attention.head_count_kv": model.kv_heads,
        "attention.key_length": model.head_dim,
        "attention.value_length": model.head_dim,
        "feed_forward_length": model.ff,
        "context_length": model.context,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "vocab_size": model.vocab,
    }
    if model.window:
        own["attention.sliding_window"] = model.window
    if model.experts:
        own |= {"expert_count": model.experts, "expert_used_count": model.experts_used}
        own["expert_feed_forward_length"] = model.expert_ff
    named = {f"{model.architecture}.{key}": value for key, value in own.items()}
    return {"general.architecture": model.architecture, **named, "tokenizer.ggml.model": "none"}


def _tensors(model: Model) -> list[tuple[str, tuple[int, ...]]]:
    width, query, key = model.width, model.heads * model.head_dim, model.kv_heads * model.head_dim
    found: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (width, model.vocab)),
        ("output_norm.weight", (width,)),
    ]
    if not model.tied:
        found.append(("output.weight", (width, model.vocab)))
    for number in range(model.layers):
        block: list[tuple[str, tuple[int, ...]]] = [
            ("attn_norm", (width,)),
            ("attn_q", (width, query)),
            ("attn_k", (width, key)),
            ("attn_v", (width, key)),
            ("attn_output", (query, width)),
            ("ffn_norm", (width,)),
        ]
        if model.architecture != "llama":
            block += [("attn_q_norm", (model.head_dim,)), ("attn_k_norm", (model.head_dim,))]
        if model.architecture == "gemma3":
            block += [("post_attention_norm", (width,)), ("post_ffw_norm", (width,))]
        block += _feed_forward(model)
        found += [(f"blk.{number}.{name}.weight", dimensions) for name, dimensions in block]
    return found


def _feed_forward(model: Model) -> list[tuple[str, tuple[int, ...]]]:
    width = model.width
    if not model.experts:
        return [("ffn_gate", (width, model.ff)), ("ffn_down", (model.ff, width)), ("ffn_up", (width, model.ff))]
    wide, many = model.expert_ff, model.experts
    return [
        ("ffn_gate_inp", (width, many)),
        ("ffn_gate_exps", (width, wide, many)),
        ("ffn_down_exps", (wide, width, many)),
        ("ffn_up_exps", (width, wide, many)),
    ]
