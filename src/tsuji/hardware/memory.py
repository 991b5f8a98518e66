"""What llama.cpp needs to hold a model: weights, cache, compute buffers, by device, in MiB.

The cache is exact: it is what `llama_kv_cache` allocates. The compute buffer is the most that ggml's graph allocator
has alive at once, worked out for a block of layers and checked against llama.cpp's own dry run; see `compute_mib`.
"""

import math
from typing import Literal

import msgspec

from .model import Model

Build = Literal["current", "2025"]
"""Of llama.cpp. "2025" and before reserve room for the logits of a whole ubatch; current ones for those asked for."""

MIB = 1024 * 1024
PAD = 256
"""Cells of a cache come in multiples of this."""
KV_BYTES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
"""Bytes of one number, by type: blocks of 32 with their scales. https://github.com/ggml-org/llama.cpp ggml-common.h"""
OVERHEAD_MIB = {"CUDA": 350.0, "ROCm": 250.0, "Vulkan": 150.0, "SYCL": 300.0, "Metal": 100.0, "CPU": 50.0}
"""That a backend's own context and libraries take on a device, beside what llama.cpp says in its log. Assumed: the
order of what `nvidia-smi` and the like show of an empty process; no published table was found."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is run.

    context: tokens of all sequences together. slots: sequences at once. ubatch: tokens of a step. type_k, type_v: of
    the cache, a key of KV_BYTES. devices: that layers are split over evenly.
    """

    context: int
    slots: int = 1
    ubatch: int = 512
    flash_attention: bool = True
    type_k: str = "f16"
    type_v: str = "f16"
    devices: int = 1
    build: Build = "current"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """MiB, over all devices. weights: of the file; embedding: of these, the input table, which stays with the CPU.

    kv: the cache, recurrent states among it. compute: of one device. output: of the logits asked for. overhead: of each
    device's backend.
    """

    weights: float
    embedding: float
    kv: float
    compute: float
    output: float
    overhead: float
    devices: int = 1

    @property
    def on_devices(self) -> float:
        """What graphics cards hold when all layers are on them."""
        return self.weights - self.embedding + self.kv + (self.compute + self.overhead) * self.devices

    @property
    def total(self) -> float:
        """With what the CPU holds."""
        return self.on_devices + self.embedding + self.output


def kv_mib(model: Model, setting: Setting) -> float:
    """The cache of all layers.

    cells x numbers a token and layer x bytes a number; layers with a window keep min(context, window x slots + ubatch)
    cells, in multiples of 256; latent attention keeps one vector for keys and values; recurrent layers a 32-bit state
    for each sequence. https://github.com/ggml-org/llama.cpp src/llama-kv-cache-iswa.cpp and -memory-recurrent.cpp
    """
    cells = _padded(setting.context)
    near = min(cells, _padded(model.window * setting.slots + setting.ubatch))
    tokens = model.full_layers * cells + model.window_layers * near
    if model.kv_rank:
        values = model.kv_values * KV_BYTES[setting.type_k]
    else:
        values = model.kv_values / 2 * (KV_BYTES[setting.type_k] + KV_BYTES[setting.type_v])
    states = model.recurrent_layers * model.state_values * 4.0 * setting.slots
    return (tokens * values + states) / MIB


def compute_mib(model: Model, setting: Setting) -> float:
    """The compute buffer of a device: what is alive at once while one ubatch passes through a block of layers.

    For each token, in 32-bit numbers: in the feed-forward part 3 x its active width + 5 x the hidden width; in
    attention without flash attention the scores, context x heads, and beside them 2 x hidden + 4 x query + 2 x key
    width (latent: heads x (3 x rank + 2 x rope)). Once a graph, the masks: cells x ubatch, in 16 bits with flash
    attention and 32 without. Builds of 2025 and before add (vocabulary + hidden) x ubatch for logits. Dry runs of 8
    models in 16 settings agree within 1 % with flash attention, and within 11 % (10 MiB) without.
    """
    cells, window = _padded(setting.context), model.window_layers > 0
    near = min(cells, _padded(model.window * setting.slots + setting.ubatch)) if window else 0
    masks = (cells + near) * (2 if setting.flash_attention else 4)
    widest = 3 * (model.active_ff + (model.shared_ff if not model.kv_rank else 0)) + 5 * model.width
    if not setting.flash_attention:
        beside = 4 * model.heads * model.head_dim + 2 * model.kv_heads * model.head_dim
        if model.kv_rank:
            beside = model.heads * (3 * model.kv_rank + 2 * model.rope_dim)
        seen = cells if model.full_layers else near
        widest = max(widest, model.heads * seen + 2 * model.width + beside)
    copies = 4 if setting.devices > 1 else 1
    """Inputs are held so often where layers are split, so that devices work at the same time."""
    bytes_a_token = 4 * widest + masks * copies
    if setting.build == "2025":  # by when logits are made, no mask is needed any more
        bytes_a_token = max(bytes_a_token, 4 * (model.vocab + model.width))
    return setting.ubatch * bytes_a_token / MIB


def output_mib(model: Model, setting: Setting) -> float:
    """Logits of one token of each sequence, in 32 bits, on the CPU."""
    return model.vocab * setting.slots * 4 / MIB


def embedding_mib(model: Model, bits: float) -> float:
    """The input table at that many bits a weight. One that is shared with the output is with the devices too."""
    return model.embedding_params * bits / 8 / MIB


def memory(model: Model, weights_mib: float, setting: Setting, backend: str = "CPU") -> Memory:
    """Of a model whose file has weights_mib, all of it on `setting.devices` devices of that backend."""
    bits = weights_mib * MIB * 8 / (model.params_b * 1e9)
    embedding = 0.0 if backend == "CPU" else embedding_mib(model, bits)
    return Memory(
        weights=weights_mib + (embedding if model.tied else 0.0),
        embedding=embedding,
        kv=kv_mib(model, setting),
        compute=compute_mib(model, setting),
        output=output_mib(model, setting),
        overhead=OVERHEAD_MIB.get(backend, OVERHEAD_MIB["Vulkan"]),
        devices=setting.devices,
    )


def layers_on(model: Model, device: int, devices: int) -> int:
    """How many layers llama.cpp puts on a device of several alike: it splits layers and output evenly, in order."""
    parts = model.layers + 1
    held = [math.floor(number * devices / parts) for number in range(model.layers)]
    return held.count(device)


def _padded(cells: int) -> int:
    return -(-cells // PAD) * PAD
