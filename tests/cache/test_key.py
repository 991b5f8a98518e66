"""The canonical form: the same for all spellings of one body, another for every other body."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import answers
from tests.gateway import asking
from tsuji.gateway.cache.key import UNHEARD, canonical
from tsuji.wire import DIALECTS

ENOUGH = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(texts, values, max_size=4)


def shuffled(value: Any, draw: Any) -> Any:
    """The same value, its objects in another order."""
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        return {name: shuffled(value[name], draw) for name in names}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


def exactly(value: Any) -> Any:
    """So that 1, 1.0 and True differ, and 0.0 and -0.0."""
    if isinstance(value, dict):
        return {name: exactly(item) for name, item in value.items()}
    return [exactly(item) for item in value] if isinstance(value, list) else (type(value).__name__, repr(value))


@ENOUGH
@given(bodies, st.data(), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_order_white_space_and_escapes_do_not_matter(body: Any, data: Any, ascii: bool, indent: Any) -> None:
    other = json.dumps(shuffled(body, data.draw), ensure_ascii=ascii, indent=indent).encode()
    assert canonical(other) == canonical(json.dumps(body).encode()) is not None


@ENOUGH
@given(bodies, bodies)
def test_two_bodies_have_one_form_only_if_they_are_one(one: Any, other: Any) -> None:
    same = canonical(json.dumps(one).encode()) == canonical(json.dumps(other).encode())
    assert same == (exactly(one) == exactly(other))


@ENOUGH
@given(bodies, st.data())
def test_any_change_is_another_form(body: Any, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(body))) if body else "x"
    changed = {**body, name: [body.get(name), "changed"]}
    assert canonical(json.dumps(changed).encode()) != canonical(json.dumps(body).encode())


@ENOUGH
@given(bodies, st.data())
def test_what_is_unheard_does_not_matter(body: Any, data: Any) -> None:
    unheard = UNHEARD[data.draw(st.sampled_from(sorted(UNHEARD)))]
    kept = {name: value for name, value in body.items() if name not in unheard}
    noisy = {**kept, **dict.fromkeys(unheard, data.draw(values))}
    assert canonical(json.dumps(noisy).encode(), unheard) == canonical(json.dumps(kept).encode(), unheard)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"b":2,"a":3}}',
        b'{"x":[{"a":1,"\\u0061":2}]}',
        b'{"x":1e999}',
        b'{"x":-1e999}',
        b'{"x":NaN}',
        b'{"x":"\\ud800"}',
        b'{"x":Infinity}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b"{",
        b"",
    ],
)
def test_what_has_no_form(body: bytes) -> None:
    assert canonical(body) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [(b"1", b"1.0"), (b"0.0", b"-0.0"), (b"null", b'""'), (b"[]", b"{}"), (b'"1"', b"1"), (b"true", b'"true"')],
)
def test_near_misses(one: bytes, other: bytes) -> None:
    assert canonical(b'{"x":%b}' % one) != canonical(b'{"x":%b}' % other)


def test_every_dialect_says_what_does_not_count() -> None:
    assert {name.partition(".")[0] for name in DIALECTS} == set(UNHEARD)


IGNORED: dict[str, dict[str, Any]] = {
    "openai": {"user": "u", "metadata": {"a": "b"}, "safety_identifier": "s", "prompt_cache_key": "k"},
    "anthropic": {"metadata": {"user_id": "u"}},
    "ollama": {"keep_alive": "5m"},
    "bedrock": {"requestMetadata": {"a": "b"}},
}


@pytest.mark.parametrize("client", IGNORED)
def test_who_asks_does_not_count(client: str, cached: Any) -> None:
    gateway = cached(client, answers.chat(client))
    for more, word in (({}, "miss"), (IGNORED[client], "hit"), ({"odd_field": 1}, "miss")):
        answer = gateway.ask(*asking.chat(client, "r", **more))
        assert (answer.status, answer.headers["x-tsuji-cache"]) == (200, word)
        gateway.settle()


def test_a_response_that_repeats_who_asked_is_for_who_asked(cached: Any) -> None:
    gateway = cached("responses", answers.chat("responses"))
    for more in ({}, {"user": "u"}, {"metadata": {"a": "b"}}, {"safety_identifier": "s"}):
        assert gateway.ask(*asking.chat("responses", "r", **more)).headers["x-tsuji-cache"] == "miss"
        gateway.settle()


def test_order_does_not_matter_on_the_way_through(cached: Any) -> None:
    gateway = cached("openai", answers.chat("openai"))
    path, body = asking.chat("openai", "r", temperature=0.5, top_p=1)
    assert gateway.ask(path, body).headers["x-tsuji-cache"] == "miss"
    gateway.settle()
    spelt = json.dumps(dict(reversed(body.items())), indent=3).encode()
    assert msgspec.json.decode(spelt) == body
    assert gateway.ask(path, spelt).headers["x-tsuji-cache"] == "hit"
