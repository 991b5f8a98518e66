"""Quantizations of llama.cpp: bits a weight, and what they cost in quality, as published."""

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tsuji import catalog

from .memory import MIB
from .model import Model


class Quant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """bits: a weight, on average over a file. kld: mean KL divergence from 16 bits, in nats. ppl: perplexity, as a
    ratio to that of 16 bits. imatrix: both with an importance matrix. Sources are in catalog/quant.toml.
    """

    name: str
    bits: float
    kld: float
    ppl: float
    imatrix: bool = False


@cache
def quants() -> tuple[Quant, ...]:
    """Best first."""
    text = (Path(catalog.__file__).parent / "quant.toml").read_text("utf-8")
    return tuple(msgspec.convert(tomllib.loads(text)["quant"], list[Quant]))


MXFP4 = Quant("MXFP4", 4.25, 0.0, 1.0)
"""As gpt-oss is published, and so without loss: experts in blocks of 32 values in 17 bytes, the rest in Q8_0 in GGUF.
https://cdn.openai.com/pdf/419b6906-9da6-406c-a19d-1bb078ac7637/oai_gpt-oss_model_card.pdf
"""


def weights_mib(model: Model, quant: Quant) -> float:
    """Of the whole file."""
    if quant is MXFP4:
        experts = model.layers * model.experts * model.expert_ff * model.width * 3
        rest = max(model.params_b * 1e9 - experts, 0.0)
        return (experts * quant.bits + rest * 8.5) / 8 / MIB
    return model.params_b * 1e9 * quant.bits / 8 / MIB
