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


def weights_mib(model: Model, quant: Quant) -> float:
    """Of the whole file. gpt-oss is published in MXFP4 and stays so: its experts are 4.25 bits in every file."""
    if model.architecture == "gpt-oss":
        experts = model.layers * model.experts * model.expert_ff * model.width * 3
        rest = max(model.params_b * 1e9 - experts, 0.0)
        return (experts * 4.25 + rest * max(quant.bits, 8.5)) / 8 / MIB
    return model.params_b * 1e9 * quant.bits / 8 / MIB
