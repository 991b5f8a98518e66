"""Events to a response and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.assemble import Assembler, assemble, merge_ext, replay
from tsuji.core.errors import RateLimitError, StreamInterruptedError
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage

words = st.text(min_size=1, max_size=8)
maybe = st.none() | words
exts = st.none() | st.dictionaries(
    st.sampled_from(["openai", "anthropic"]), st.dictionaries(words, words, min_size=1), min_size=1
)
citations = st.builds(Citation, text=maybe, url=maybe, ext=exts)
parts = st.one_of(
    st.builds(Text, text=words, citations=st.lists(citations, max_size=2).map(tuple), signature=maybe, ext=exts),
    st.builds(Thinking, text=st.text(max_size=8), signature=maybe, redacted=maybe, id=maybe, origin=maybe, ext=exts),
    st.builds(ToolCall, id=words, name=words, arguments=words, signature=maybe),
    st.builds(Refusal, text=words),
    st.builds(Image, source=st.builds(Media, url=words)),
    st.builds(Audio, source=st.just(Media(data="AAAA")), transcript=maybe),
    st.builds(Opaque, dialect=words, kind=words, data=st.dictionaries(words, words)),
)
logprobs = st.none() | st.lists(st.builds(TokenLogprob, token=words, logprob=st.floats(-9, 0)), min_size=1).map(tuple)
choices = st.builds(
    Choice,
    content=st.lists(parts, max_size=4).map(tuple),
    stop=st.sampled_from(["stop", "length", "tool_calls"]),
    stop_raw=maybe,
    stop_sequence=maybe,
    logprobs=logprobs,
    refusal_logprobs=logprobs,
    ext=exts,
)
responses = st.builds(
    ChatResponse,
    id=words,
    model=words,
    choices=st.lists(choices, min_size=1, max_size=3).map(
        lambda found: tuple(
            [Choice(**{f: getattr(c, f) for f in c.__struct_fields__} | {"index": i}) for i, c in enumerate(found)]
        )
    ),
    created=st.none() | st.integers(0, 2**33),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9)),
    service_tier=maybe,
    ext=exts,
)


@given(responses)
def test_a_replayed_response_assembles_to_itself(response: ChatResponse) -> None:
    assert assemble(replay(response)) == response


def test_pieces_are_joined_in_the_order_of_their_parts() -> None:
    response = assemble(
        [
            ev.Started("r1", "m"),
            ev.PartStarted(ToolCall("a", "f", ""), 1),
            ev.PartStarted(Text(""), 0),
            ev.ArgumentsDelta('{"x"', 1),
            ev.TextDelta("Hel", 0),
            ev.ArgumentsDelta(":1}", 1),
            ev.TextDelta("lo", 0),
            ev.PartEnded(0),
            ev.PartEnded(1),
            ev.Finished("tool_calls", stop_raw="tool_use"),
            ev.UsageReported(Usage(input_tokens=1)),
            ev.UsageReported(Usage(input_tokens=1, output_tokens=7)),
            ev.Ended(),
        ]
    )
    assert response.choices[0].content == (Text("Hello"), ToolCall("a", "f", '{"x":1}'))
    assert response.choices[0].stop_raw == "tool_use"
    assert response.usage == Usage(input_tokens=1, output_tokens=7)


def test_thinking_gathers_its_signature_and_its_redacted_data() -> None:
    whole = Assembler()
    for event in [
        ev.PartStarted(Thinking(origin="openai"), 0),
        ev.TextDelta("hm", 0),
        ev.SignatureDelta("s1", 0),
        ev.SignatureDelta("s2", 0),
        ev.SignatureDelta("r1", 0, redacted=True),
    ]:
        whole.add(event)
    found = whole.response().choices[0].content
    assert found == (Thinking("hm", signature="s1s2", redacted="r1", origin="openai"),)
    assert whole.response().choices[0].stop is None
    assert not whole.complete


def test_a_whole_part_at_the_end_replaces_what_the_deltas_built() -> None:
    final = Opaque("anthropic", "server_tool_use", {"type": "server_tool_use", "input": {"q": 1}})
    response = assemble(
        [
            ev.PartStarted(Opaque("anthropic", "server_tool_use", {"type": "server_tool_use", "input": {}}), 0),
            ev.PartEnded(0, part=final),
            ev.Ended(),
        ]
    )
    assert response.choices[0].content == (final,)


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [(["AAAA", "BBBB"], "AAAABBBB"), (["AA==", "AAE="], "AAAB"), (["AA==", "?A="], "AA==?A="), (["QQ=="], "QQ==")],
)
def test_audio_pieces_become_one_base64_text(pieces: list[str], joined: str) -> None:
    whole = Assembler()
    whole.add(ev.PartStarted(Audio(Media(media_type="audio/pcm")), 0))
    for piece in pieces:
        whole.add(ev.AudioDelta(piece, 0))
    whole.add(ev.TextDelta("spoken", 0))
    assert whole.response().choices[0].content == (
        Audio(Media(data=joined, media_type="audio/pcm"), transcript="spoken"),
    )


def test_ext_of_the_response_and_of_a_choice_are_kept_apart() -> None:
    response = assemble(
        [
            ev.Started("r", "m", ext={"openai": {"a": 1}}),
            ev.ExtAdded({"openai": {"b": 2}}),
            ev.ExtAdded({"openai": {"c": 3}}, choice=0),
            ev.Finished("stop", ext={"openai": {"d": 4}}),
            ev.Ended(),
        ]
    )
    assert response.ext == {"openai": {"a": 1, "b": 2}}
    assert response.choices[0].ext == {"openai": {"c": 3, "d": 4}}
    assert merge_ext(None, None) is None


def test_a_cut_stream_is_no_response() -> None:
    with pytest.raises(StreamInterruptedError):
        assemble([ev.Started("r", "m"), ev.PartStarted(Text(""), 0), ev.TextDelta("half an ans", 0)])


def test_the_stream_s_own_error_is_raised() -> None:
    error = RateLimitError("slow down")
    with pytest.raises(RateLimitError) as caught:
        assemble([ev.Started("r", "m"), ev.StreamFailed(error)])
    assert caught.value is error


def test_an_unknown_end_is_not_replayed_as_a_good_one() -> None:
    finished = [e for e in replay(ChatResponse("r", "m", (Choice(),))) if type(e) is ev.Finished]
    assert [e.stop for e in finished] == ["other"]
