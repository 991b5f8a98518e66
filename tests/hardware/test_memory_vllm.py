"""vLLM's paged cache: the arithmetic, by hand."""

import pytest

from tsuji.core.errors import InvalidRequestError
from tsuji.hardware.memory_vllm import BLOCK, paged
from tsuji.hardware.model import Model
from tsuji.hardware.models import model

GIB = 1024.0


def known(name: str) -> Model:
    found = model(name)
    assert found is not None
    return found


def test_what_is_left_is_cache() -> None:
    made = paged(known("Llama-3.1-8B"), 24 * GIB, 15_317.0, context=8192)
    assert made.share == pytest.approx(0.9 * 24 * GIB)
    assert made.tokens % BLOCK == 0
    assert made.tokens * 32 * 2 * 8 * 128 * 2 / 2**20 == pytest.approx(made.cache, rel=0.01)
    assert made.fits and made.at_once == made.tokens / 8192


def test_more_cards_hold_more() -> None:
    one, two = (paged(known("Qwen3-32B"), 80 * GIB, 62_490.0, context=32_768, cards=cards) for cards in (1, 2))
    assert not one.fits or two.tokens > 3 * one.tokens
    assert two.weights == one.weights / 2


def test_latent_attention_is_not_split_and_small_numbers_double_it() -> None:
    flash = known("GLM 4.7 Flash")
    one, two = (paged(flash, 80 * GIB, 57_124.0, context=8192, cards=cards, cache_bytes=2.0) for cards in (1, 2))
    assert two.cache > one.cache
    assert two.tokens / two.cache == pytest.approx(one.tokens / one.cache, rel=0.01)
    eight = paged(flash, 80 * GIB, 57_124.0, context=8192, cache_bytes=1.0)
    assert eight.tokens == pytest.approx(2 * one.tokens, rel=0.01)


def test_what_does_not_fit_says_so() -> None:
    assert not paged(known("Qwen3-32B"), 24 * GIB, 62_490.0, context=8192).fits
    with pytest.raises(InvalidRequestError):
        paged(known("Qwen3-32B"), 24 * GIB, 62_490.0, context=8192, utilization=1.5)
