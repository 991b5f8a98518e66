"""JSON that is nearly a dialect's: values that use its words, and bodies of it with one value replaced."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
ENOUGH = settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)


def any_value(names: Sequence[str], words: Sequence[str]) -> st.SearchStrategy[Any]:
    """names: of fields. words: that stand where a text does."""
    return st.recursive(
        _SCALARS | st.sampled_from(words),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4),
        max_leaves=25,
    )


def mutation(values: st.SearchStrategy[Any], seed: Any) -> st.SearchStrategy[Any]:
    """`seed` with one value somewhere replaced by one of `values`."""
    places: list[tuple[Any, ...]] = []

    def walk(value: Any, at: tuple[Any, ...]) -> None:
        places.append(at)
        keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in keys:
            walk(item, (*at, key))

    def put(at: tuple[Any, ...], new: Any) -> Any:
        if not at:
            return new
        copy = json.loads(json.dumps(seed))
        inner = copy
        for key in at[:-1]:
            inner = inner[key]
        inner[at[-1]] = new
        return copy

    walk(seed, ())
    return st.builds(put, st.sampled_from(places), values)
