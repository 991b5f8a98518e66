"""Money and training: the arithmetic, by hand."""

import pytest

from tsuji.core.errors import InvalidRequestError
from tsuji.hardware.devices import device
from tsuji.hardware.hosted import offers
from tsuji.hardware.models import model
from tsuji.hardware.money import HOURS, Assumptions, break_even, owning
from tsuji.hardware.training import training

GIVEN = Assumptions(usd_kwh=0.20, months=36, resale=0.25, busy=0.5, idle=0.1, load=0.8, host_w=100, answer=0.25)


def test_owning_is_wear_and_power() -> None:
    own = owning(2000, 400, 50, GIVEN)
    assert own.wear_usd_month == pytest.approx(2000 * 0.75 / 36)
    watts = (400 * 0.8 + 100) * 0.5 + (400 + 100) * 0.1 * 0.5
    assert own.power_usd_month == pytest.approx(watts / 1000 * HOURS * 0.20)
    assert own.tokens_month == pytest.approx(50 * 0.5 * HOURS * 3600)
    assert own.usd_million == pytest.approx(own.usd_month / own.tokens_month * 1e6)


def test_at_break_even_both_cost_the_same() -> None:
    even = break_even(2000, 400, 50, (0.5, 2.0), GIVEN)
    assert even.hosted_usd_million == pytest.approx(2.0 + 0.5 * 3)
    assert even.tokens_day is not None
    busy = even.tokens_day / (50 * 86400)
    own = owning(2000, 400, 50, Assumptions(**{**vars_of(GIVEN), "busy": busy}))
    assert own.usd_million == pytest.approx(even.hosted_usd_million, rel=1e-6)


def vars_of(given: Assumptions) -> dict[str, float]:
    return {name: getattr(given, name) for name in given.__struct_fields__}


def test_what_power_alone_makes_dearer_is_never_earned_back() -> None:
    even = break_even(2000, 400, 1.0, (0.01, 0.02), GIVEN)
    assert even.tokens_day is None
    assert even.months is None


@pytest.mark.parametrize(("rate", "busy"), [(0.0, 0.5), (10.0, 0.0), (10.0, 1.5)])
def test_nothing_is_divided_by_nothing(rate: float, busy: float) -> None:
    with pytest.raises(InvalidRequestError):
        owning(1000, 100, rate, Assumptions(busy=busy))


def test_methods_of_training_need_less_and_less() -> None:
    shape, card = model("Llama-3.1-8B"), device("RTX 4090")
    assert shape is not None and card is not None
    full, lora, qlora = (training(shape, card, method) for method in ("full", "lora", "qlora"))
    assert full.states > 120_000 > 20_000 > lora.states > qlora.states
    assert full.tokens_per_s is not None and lora.tokens_per_s is not None
    assert full.tokens_per_s < lora.tokens_per_s
    checked, whole = (training(shape, card, "lora", checkpointing=kept) for kept in (True, False))
    assert checked.activations < whole.activations / 4
    with pytest.raises(InvalidRequestError):
        training(shape, card, "lora", batch=0)


def test_somebody_offers_what_is_popular() -> None:
    found = offers("gpt-oss 120B")
    assert found
    assert [offer.usd_output for offer in found] == sorted(offer.usd_output for offer in found)
    assert all(":" not in offer.name and offer.usd_input > 0 for offer in found)
    assert offers("nobody 9B") == ()
