"""What vLLM does with a card's memory: it takes its share at once, and what weights and a step leave is paged cache."""

import msgspec

from tsuji.core.errors import InvalidRequestError

from .memory import MIB
from .model import Model

BLOCK = 16
"""Tokens of a page. https://docs.vllm.ai/en/latest/configuration/engine_args.html#cacheconfig"""
GRAPHS_MIB = 512.0
"""For CUDA graphs: assumed; vLLM's log says what they took."""


class Paged(msgspec.Struct, frozen=True, kw_only=True):
    """MiB of one card: share, which is taken whatever is asked; weights; a step's activations; cache, which is the
    rest. tokens: of all sequences that the cache holds; at_once: sequences of the whole context among them.
    """

    share: float
    weights: float
    activations: float
    cache: float
    tokens: int
    at_once: float

    @property
    def fits(self) -> bool:
        """One sequence of the whole context has room; vLLM refuses to start without."""
        return self.at_once >= 1


def paged(
    model: Model,
    card_mib: float,
    weights_mib: float,
    *,
    context: int,
    utilization: float = 0.9,
    cards: int = 1,
    cache_bytes: float = 2.0,
    batched: int = 8192,
    sequences: int = 256,
) -> Paged:
    """cards: that tensors are split over, as are KV heads until there is one on each. cache_bytes: of a number of the
    cache (1: FP8). batched: tokens of a step; sequences: of which logits are made in 32 bits.

    share = utilization x card. A page holds 16 tokens x layers x numbers a token; windows are not made use of, latent
    attention is not split. Raises InvalidRequestError for a utilization that is no share.
    """
    if not 0 < utilization <= 1 or cards < 1:
        raise InvalidRequestError("the share of a card is above 0 and at most 1, and there is at least one card")
    split = 1 if model.kv_rank else min(cards, model.kv_heads)
    layers = model.layers - model.idle_layers - model.recurrent_layers
    token = layers * model.kv_values * cache_bytes / split
    widest = 2 * max(model.active_ff, model.width) / cards + 3 * model.width
    activations = (batched * widest * 2 + sequences * model.vocab * 4) / MIB
    share = utilization * card_mib
    states = model.recurrent_layers * model.state_values * 4 * min(sequences, 64) / MIB / cards
    cache = max(share - weights_mib / cards - activations - GRAPHS_MIB - states, 0.0)
    tokens = int(cache * MIB / (token * BLOCK)) * BLOCK if token else 0
    return Paged(
        share=share,
        weights=weights_mib / cards,
        activations=activations,
        cache=cache,
        tokens=tokens,
        at_once=tokens / context,
    )
