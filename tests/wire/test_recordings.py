"""What providers really sent: every recorded exchange, for the three claims that the recordings are there to test.

1. What was sent is read, at any split of its bytes, and is complete: against a reading of the raw JSON that shares no
   code with ours (read_openai.py ...).
2. The request, read and written again, is what it was, but for NORMALISED.
3. What was sent, written in each other dialect, is taken by its official client (official.py), and says the same.

The dialect of an exchange is known by its path. conftest.py prints what holds by host. A new dialect is an entry of
READERS and of official.OFFICIAL.
"""

import json
import random
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import TsujiError
from tsuji.core.parts import Audio, Refusal, Text
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import DIALECTS, Dialect, dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.passthrough import decode_fields, encode

from . import read_anthropic, read_bedrock, read_cohere, read_gemini, read_openai, read_responses
from .client import told
from .official import OFFICIAL, Official
from .reading import Answer, heard, value, without_null
from .recordings import MISSING, Exchange, Route, exchanges

READERS: dict[str, ModuleType] = {
    "openai": read_openai,
    "responses": read_responses,
    "anthropic": read_anthropic,
    "gemini": read_gemini,
    "bedrock": read_bedrock,
    "cohere": read_cohere,
}

EXCEPTED: dict[str, dict[int, str]] = {}
"""Exchange id -> claim -> the feature that is not supported."""


def _model_in_the_path(body: Any, route: Route) -> Any:
    return body if route.model is None or "contents" in body else {"model": route.model, **body}


NORMALISED: dict[str, Callable[[Any, Route], Any]] = {
    # Claude on Bedrock and Vertex has its model in the path; the body that is rendered has it, for the driver to move.
    "anthropic": lambda body, route: _model_in_the_path(body, route),
    # Clients of these write null for what they do not set, which the API takes as absence.
    "openai": lambda body, route: without_null(body),
    "responses": lambda body, route: without_null(body),
    "cohere": lambda body, route: without_null(body),
}
"""What a recorded request is but for what is documented, by dialect. In all of them the order of keys is nothing."""


def _cases(claim: int, wanted: Callable[[Exchange, Route], bool] = lambda e, r: True) -> Any:
    """All exchanges that the claim is made for. Those of a dialect that is not spoken are skipped, and counted."""
    cases: list[Any] = []
    for exchange in exchanges():
        route, marks = exchange.route, []
        if route is not None and not wanted(exchange, route):
            continue
        if route is not None and route.dialect not in DIALECTS:
            marks.append(pytest.mark.skip(reason=f"the {route.dialect} dialect is not spoken yet"))
        elif claim in EXCEPTED.get(exchange.id, {}):
            marks.append(pytest.mark.xfail(strict=True, reason=EXCEPTED[exchange.id][claim]))
        cases.append(pytest.param(exchange, marks=marks, id=exchange.id))
    if not cases:
        cases = [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))]
    return pytest.mark.parametrize("exchange", cases)


def spoken(exchange: Exchange) -> tuple[Route, Dialect]:
    route = exchange.route
    assert route is not None, f"no dialect has an operation at {exchange.path}"
    return route, dialect(route.dialect)


def counts(exchange: Exchange, route: Route) -> bool:
    """A count of tokens is relayed as it came, in its own dialect only."""
    return route.operation == "count" and exchange.status == 200


# Claim 1.


def _events(spoken: Dialect, *pieces: bytes) -> list[ev.Event]:
    parser = spoken.stream_parser(NO_QUIRKS)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def _pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@_cases(1, lambda exchange, route: not counts(exchange, route))
def test_claim_1_what_was_sent_is_read(exchange: Exchange) -> None:
    route, spoken_ = spoken(exchange)
    reader = READERS[route.dialect]
    if exchange.status != 200:
        _check_error(exchange, spoken_, reader)
    elif route.operation == "embeddings":
        assert spoken_.parse_embedding_response
        found = spoken_.parse_embedding_response(exchange.raw_response)
        tokens = found.usage and found.usage.input_tokens
        vectors = [v if isinstance(v, str) else list(v) for v in found.vectors]
        assert (vectors, tokens) == reader.embeddings(exchange.response)
        assert spoken_.parse_embedding_request
        assert spoken_.render_embedding_response
        asked = spoken_.parse_embedding_request(exchange.raw_request, route.model)
        again = json.loads(spoken_.render_embedding_response(found, asked))
        assert reader.embeddings(again) == reader.embeddings(exchange.response)
    elif exchange.streamed:
        _check_stream(exchange, route, spoken_, reader)
    elif (said := reader.answer(exchange.response)).error is not None:
        with pytest.raises(TsujiError) as caught:
            spoken_.parse_response(exchange.raw_response, NO_QUIRKS)
        assert caught.value.message == said.error
    else:
        found = spoken_.parse_response(exchange.raw_response, NO_QUIRKS)
        _check_whole(found, said, exchange.response, route.dialect)
        _check_passed(spoken_.read_usage(exchange.raw_response), found)


def _check_whole(found: ChatResponse, said: Answer, body: Any, name: str) -> None:
    """All that core has nouns for, and that all else is kept: it comes back where the same dialect writes it again."""
    assert heard(found, name) == said
    reader = READERS[name]
    assert reader.whole(json.loads(dialect(name).render_response(found))) == reader.whole(body)


def _check_error(exchange: Exchange, spoken: Dialect, reader: ModuleType) -> None:
    found = spoken.parse_error(exchange.status, {}, exchange.raw_response)
    assert found.status == exchange.status
    assert found.fault in _faults(exchange.status)
    try:
        message, code = reader.error(json.loads(exchange.raw_response))
    except ValueError:  # A proxy's page.
        message, code = None, None
    if isinstance(message, str):  # Some list what is wrong with each field.
        assert (found.message, found.code) == (message, code)
    assert found.message
    with pytest.raises(TsujiError):
        spoken.parse_response(exchange.raw_response, NO_QUIRKS)


def _faults(status: int) -> tuple[str, ...]:
    """Whose fault an error may be: a key that is wrong, or an account that is empty, is this installation's."""
    if status == 429:
        return ("upstream", "gateway")
    if status >= 500:
        return ("upstream",)
    return ("gateway",) if status in (401, 402, 403) else ("caller", "gateway")


_ENDED = re.compile(rb'(finish_?reason|stop_?reason)":\s*"|response.(completed|incomplete)|message-end', re.IGNORECASE)


def _check_stream(exchange: Exchange, route: Route, spoken: Dialect, reader: ModuleType) -> None:
    spelled = reader.spelled(exchange.response)
    said: Answer = reader.answer(spelled)
    body, dice = exchange.raw_response, random.Random(exchange.id)
    found = _events(spoken, body)
    splits = [sorted(dice.choices(range(len(body) + 1), k=dice.choice((1, 5, 40)))) for _ in range(5)]
    splits += [list(range(1, len(body)))] if len(body) < 30_000 else []
    for cuts in splits:
        assert list(map(repr, _events(spoken, *_pieces(body, cuts)))) == list(map(repr, found))
    tail = spoken.stream_tail()
    tail.feed(body)
    if said.error is not None:
        assert isinstance(found[-1], ev.StreamFailed)
        assert (found[-1].error.message, tail.failed) == (said.error, True)
        return
    whole = assemble(found)
    _check_whole(whole, said, spelled, route.dialect)
    assert (tail.complete, tail.failed) == (True, False)
    _check_passed(tail.usage, whole)
    assert tail.tier == whole.service_tier
    for keep in dice.choices(range(len(body)), k=5):
        if not _ENDED.search(body[:keep]):
            assert isinstance(_events(spoken, body[:keep])[-1], ev.StreamFailed)
    again = assemble(_events(spoken, spoken.stream_renderer(_asked(exchange)).render(found)))
    assert _view(again) == _view(whole)


STREAMED = [e for e in exchanges() if e.streamed and e.status == 200]


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@given(st.data())
@settings(deadline=None)
def test_any_split_of_any_stream_gives_the_same_events(data: st.DataObject) -> None:
    exchange = data.draw(st.sampled_from(STREAMED))
    body, spoken_ = exchange.raw_response, spoken(exchange)[1]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    assert list(map(repr, _events(spoken_, *_pieces(body, cuts)))) == list(map(repr, _events(spoken_, body)))


def _view(response: ChatResponse) -> Any:
    """All but the place of citations, which may stand beside a text that has ended."""
    said = [(c.text, c.refusal, c.thinking, c.tool_calls, c.stop, c.ext) for c in response.choices]
    return said, response.id, response.model


def _check_passed(usage: Any, found: ChatResponse) -> None:
    """What is read of an answer that passes through undecoded."""
    assert (usage and usage.total_tokens) == (found.usage and found.usage.total_tokens)


# Claim 2.


def _asked(exchange: Exchange) -> ChatRequest:
    route, spoken_ = spoken(exchange)
    return spoken_.parse_request(exchange.raw_request, route.model, route.stream)


@_cases(2)
def test_claim_2_the_request_comes_back(exchange: Exchange) -> None:
    route, spoken_ = spoken(exchange)
    losses = Losses(route.dialect)
    if route.operation == "count":
        body = encode(decode_fields(exchange.raw_request))
    elif route.operation == "embeddings":
        assert spoken_.parse_embedding_request
        assert spoken_.render_embedding_request
        embed = spoken_.parse_embedding_request(exchange.raw_request, route.model)
        body = spoken_.render_embedding_request(embed, NO_QUIRKS, losses).body
    else:
        body = spoken_.render_request(_asked(exchange), NO_QUIRKS, losses).body
    normalise = NORMALISED.get(route.dialect, lambda body, route: body)
    assert normalise(json.loads(body), route) == normalise(exchange.request, route)
    assert losses.dropped == []


def _said(request: ChatRequest) -> list[tuple[str, str]]:
    """(role, text) of all that is said, in order, however it is cut into messages."""
    roles = {"developer": "system"}
    texts = [(m.role, p.text) for m in request.messages for p in m.content if isinstance(p, Text) and p.text.strip()]
    return [(roles.get(role, role), text) for role, text in texts]


def _stateful(exchange: Exchange) -> bool:
    """A request without its history, which is the provider's: refused by name elsewhere."""
    return not {"previous_response_id", "conversation"}.isdisjoint(exchange.request)


@_cases(2, lambda exchange, route: route.operation == "chat" and not _stateful(exchange))
def test_requests_are_taken_elsewhere(exchange: Exchange) -> None:
    asked = _asked(exchange)
    for name, official in OFFICIAL.items():
        if exchange.route and name == exchange.route.dialect:
            continue
        call = dialect(name).render_request(asked, NO_QUIRKS, Losses(name, drop=True))
        official.request(json.loads(call.body))
        back = dialect(name).parse_request(call.body, asked.model, asked.stream)
        assert (back.model, back.stream) == (asked.model, asked.stream)
        said = [f"{role}: {text}" for role, text in _said(back)]
        assert [text for _, text in _said(asked) if text not in "".join(said)] == []


# Claim 3.


@pytest.mark.filterwarnings("ignore:.*is not a valid")  # A reason that Google's client of today does not know.
@_cases(3, lambda exchange, route: route.operation != "count")
def test_claim_3_other_clients_take_it(exchange: Exchange) -> None:
    route, source = spoken(exchange)
    for name, official in OFFICIAL.items():
        if exchange.status != 200:
            _check_failure(source.parse_error(exchange.status, {}, exchange.raw_response), name, official)
        elif route.operation == "embeddings":
            _check_embeddings(exchange, route, source, name, official)
        elif exchange.streamed:
            _check_streamed(exchange, route, source, name, official)
        else:
            found = source.parse_response(exchange.raw_response, NO_QUIRKS)
            _check_answer(exchange, found, name, official, own=name == route.dialect)


def _check_failure(error: TsujiError, name: str, official: Official) -> None:
    with pytest.raises(official.failures) as caught:
        official.client(dialect(name).render_error(error), error.status, False)
    assert any(error.message in said for said in told(caught.value))


def _check_embeddings(exchange: Exchange, route: Route, source: Dialect, name: str, official: Official) -> None:
    target = dialect(name)
    if target.render_embedding_response is None or official.embeddings is None or name == route.dialect:
        return
    assert source.parse_embedding_request
    assert source.parse_embedding_response
    asked = source.parse_embedding_request(exchange.raw_request, route.model)
    asked = msgspec.structs.replace(asked, many=True)  # Official clients ask for lists.
    found = source.parse_embedding_response(exchange.raw_response)
    assert official.embeddings.model_validate_json(target.render_embedding_response(found, asked))


def _words(response: ChatResponse) -> str:
    """All that the first choice says, where a dialect has only text for it."""
    said = response.choices[0].content if response.choices else ()
    return "".join(
        [p.text if isinstance(p, Text | Refusal) else p.transcript or "" if isinstance(p, Audio) else "" for p in said]
    )


COUNTED = ("input_tokens", "output_tokens", "cached_tokens")


def _without_pictures(text: str) -> str:
    """An image that the model made is Markdown where a dialect has only words for it."""
    head, found, rest = text.partition("![](data:")
    return head + _without_pictures(rest.partition(")")[2]) if found else head


def _same(back: ChatResponse, sent: ChatResponse, counted: tuple[str, ...] = COUNTED) -> None:
    """Words, calls and usage of the first choice, after a way through another dialect."""
    assert _without_pictures(_words(back)) == _words(sent)
    calls = [[(c.name, value(c.arguments)) for c in r.choices[0].tool_calls] for r in (back, sent) if r.choices]
    assert calls[0] == calls[-1]
    if sent.usage is not None and counted:
        assert back.usage is not None
        for name in counted:
            assert (getattr(back.usage, name) or 0) == (getattr(sent.usage, name) or 0)


def _check_answer(exchange: Exchange, found: ChatResponse, name: str, official: Official, own: bool) -> None:
    body = dialect(name).render_response(found)
    if own and not _valid(official.answer, exchange.raw_response):
        return  # Older answers, and those of compatible servers, lack what the client's types now require.
    said = official.answer(body)
    assert not own or said == official.answer(exchange.raw_response)
    if _sampled(exchange, name):
        assert official.client(body, 200, False) == said
    back = dialect(name).parse_response(body, NO_QUIRKS)
    _same(back, found, COUNTED[:2] if name == "ollama" else COUNTED)
    assert _without_pictures(said.text) in (_words(found), found.choices[0].text if found.choices else "")
    assert said.calls == [(c.name, value(c.arguments)) for c in back.choices[0].tool_calls]


def _check_streamed(exchange: Exchange, route: Route, source: Dialect, name: str, official: Official) -> None:
    events = _events(source, exchange.raw_response)
    asked = _asked(exchange)
    renderer = dialect(name).stream_renderer(asked)
    stream = b"".join([renderer.render([event]) for event in events])
    last = events[-1]
    if isinstance(last, ev.StreamFailed):
        with pytest.raises(official.failures) as caught:
            official.client(stream, 200, True)
        assert any(last.error.message in said for said in told(caught.value))
        return
    if name == route.dialect and not _valid(official.stream, exchange.raw_response):
        return
    said, found = official.stream(stream), assemble(events)
    if _sampled(exchange, name):
        assert official.client(stream, 200, True) == said
    back = assemble(_events(dialect(name), stream))
    uncounted = name == "openai" and not asked.stream_usage
    _same(back, found, () if uncounted else COUNTED[:2] if name == "ollama" else COUNTED)
    assert _without_pictures(said.text) in (_words(found), found.choices[0].text)
    assert said.calls == [(c.name, value(c.arguments)) for c in back.choices[0].tool_calls]


def _valid(check: Callable[[bytes], Any], body: bytes) -> bool:
    try:
        check(body)
    except (ValidationError, AttributeError):
        return False
    return True


def _sampled(exchange: Exchange, name: str) -> bool:
    """One in eight goes through the client's own transport; all streams do."""
    return exchange.streamed or random.Random(exchange.id + name).randrange(8) == 0
