"""Training: what it needs of memory, and how many tokens a second; coarse, by what each method holds."""

from typing import Literal

import msgspec

from tsuji.core.errors import InvalidRequestError

from .device import Device
from .memory import MIB
from .model import Model

Method = Literal["full", "lora", "qlora"]
BYTES: dict[Method, tuple[float, float]] = {"full": (16.0, 0.0), "lora": (2.0, 16.0), "qlora": (0.55, 16.0)}
"""Bytes for each parameter of the model, and of the adapter: 16 are weights and gradients in 16 bits, and a 32-bit copy
with Adam's two moments (https://arxiv.org/abs/1910.02054, section 3.1); QLoRA keeps 4 bits and their scales
(https://arxiv.org/abs/2305.14314)."""
RANK = 16
UTILISATION = 0.5
"""Of the dense 16-bit peak: published runs of small and middle models reach 0.4 to 0.7."""


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """MiB: states of weights, gradients and optimizer; activations of one batch. tokens_per_s: None where the device's
    dense 16-bit rate is unknown.
    """

    states: float
    activations: float
    tokens_per_s: float | None

    @property
    def total(self) -> float:
        return self.states + self.activations


def training(
    model: Model, device: Device, method: Method, *, batch: int = 1, context: int = 2048, checkpointing: bool = True
) -> Training:
    """Activations in 16 bits: with checkpointing the input of each layer and the inside of one, else of all; inside are
    34 x width numbers a token, and the logits in 32 bits (https://arxiv.org/abs/2205.05198, section 4.1, without the
    scores, which flash attention does not keep). Rate: 6 FLOPs a parameter and token (8 with checkpointing; adapters
    need no gradients of the weights: 4 and 6). Raises InvalidRequestError for an empty batch.
    """
    if batch < 1 or context < 1:
        raise InvalidRequestError("a batch has at least one sequence, and that a token")
    own, adapter = BYTES[method]
    weights = model.params_b * 1e9
    added = 2 * RANK * model.layers * 4 * model.width if method != "full" else 0.0
    tokens = batch * context
    inside = 34 * model.width
    held = model.layers * 2 * model.width + inside if checkpointing else model.layers * inside
    flops = (6 if method == "full" else 4) + (2 if checkpointing else 0)
    active = (model.active_params_b or model.params_b) * 1e9
    rate = device.fp16_tflops * 1e12 * UTILISATION / (flops * active) if device.fp16_tflops else None
    return Training(
        states=(weights * own + added * adapter) / MIB,
        activations=tokens * (held + 6 * model.vocab) / MIB,
        tokens_per_s=rate,
    )
