"""Errors, model names, usage and the shortcuts of messages and answers."""

import pickle

import pytest

from tsuji.core import errors
from tsuji.core.errors import InvalidRequestError, RateLimitError, TsujiError, UpstreamTimeoutError
from tsuji.core.model import ModelRef, parse_model
from tsuji.core.parts import Image, Media, Message, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import Choice
from tsuji.core.usage import Usage


@pytest.mark.parametrize(
    ("text", "provider", "expected"),
    [
        ("anthropic:claude-sonnet-4-5", None, ModelRef("anthropic", "claude-sonnet-4-5")),
        ("openai/gpt-5-mini", None, ModelRef("openai", "gpt-5-mini")),
        ("openrouter:z-ai/glm-4.7", None, ModelRef("openrouter", "z-ai/glm-4.7")),
        ("ollama:qwen3:8b", None, ModelRef("ollama", "qwen3:8b")),
        ("qwen3:8b", "ollama", ModelRef("ollama", "qwen3:8b")),
    ],
)
def test_a_model_s_name_says_its_provider(text: str, provider: str | None, expected: ModelRef) -> None:
    assert parse_model(text, provider) == expected


def test_a_reference_is_written_as_it_is_read() -> None:
    assert str(parse_model("openrouter/z-ai/glm-4.7")) == "openrouter:z-ai/glm-4.7"


@pytest.mark.parametrize("text", ["", "gpt-4o", ":x", "/x", "openai:"])
def test_a_name_without_provider_or_model_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_model(text)
    assert caught.value.param == "model"


CLASSES = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, TsujiError) and found is not UpstreamTimeoutError
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_whose_fault_it_is_and_which_status_tells_so(kind: type[TsujiError]) -> None:
    error = kind("it broke")
    assert error.fault in ("caller", "gateway", "upstream")
    assert 400 <= error.status < 600
    assert (error.fault == "caller") == isinstance(error, InvalidRequestError)
    assert not (error.fault == "caller" and error.retryable)
    assert error.message == str(error) == "it broke"


@pytest.mark.parametrize("error", [UpstreamTimeoutError("slow", timeout="idle", provider="p"), RateLimitError("x")])
def test_an_error_gets_through_a_process_pool(error: TsujiError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and vars(again) == vars(error) and str(again) == str(error)


def test_kinds_are_distinct() -> None:
    kinds = [kind.kind for kind in (*CLASSES, UpstreamTimeoutError)]
    assert len(set(kinds)) == len(kinds)


def test_an_error_keeps_what_the_provider_said_and_where() -> None:
    error = RateLimitError("slow", status=429, retry_after=2.5, provider="groq", model="m", code="tpm", body={"a": 1})
    assert (error.retry_after, error.code, error.body, error.retryable) == (2.5, "tpm", {"a": 1}, True)
    assert str(error) == "[groq:m] slow"
    assert str(RateLimitError("slow", provider="groq")) == "[groq] slow"


def test_a_timeout_says_which_limit() -> None:
    error = UpstreamTimeoutError("too slow", timeout="idle")
    assert (error.timeout, error.status, error.retryable) == ("idle", 504, True)


def test_unknown_usage_is_unknown() -> None:
    assert Usage().total_tokens is None
    assert Usage(input_tokens=3).total_tokens == 3
    assert Usage(input_tokens=3, output_tokens=4).total_tokens == 7
    assert Usage(input_tokens=3, output_tokens=4, total=9).total_tokens == 9


def test_the_text_of_a_message_leaves_out_what_is_not_text() -> None:
    assert Message("user", (Text("a"), Image(Media(url="u")), Text("b"))).text == "ab"


def test_an_answer_is_read_by_kind() -> None:
    call = ToolCall("1", "f")
    choice = Choice(content=(Thinking("hm"), Text("a"), call, Refusal("no"), Text("b")))
    assert (choice.text, choice.thinking, choice.refusal, choice.tool_calls) == ("ab", "hm", "no", (call,))
    assert Choice().refusal is None
