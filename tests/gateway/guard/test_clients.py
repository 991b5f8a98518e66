"""What the official clients make of a request or an answer that a guardrail does not let pass."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors

from tests import answers
from tests.gateway.guard.guarding import guardrails
from tests.gateway.guard.test_guardrails import lettered
from tests.gateway.serving import Serving
from tests.scripted import Scripted

TEXT = "well, you may ask ann@example.com about it"
Behind = Callable[..., tuple[Serving, Scripted]]


def _openai(url: str, said: str, stream: bool) -> tuple[str, Any]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        heard, asked = [], [{"role": "user", "content": said}]
        try:
            got = client.chat.completions.create(model="up:m", messages=asked, stream=stream)  # type: ignore[arg-type]
            for chunk in got if stream else ():
                heard += [choice.delta.content or "" for choice in chunk.choices]
            return "".join(heard) if stream else got.choices[0].message.content, None
        except openai.APIError as error:
            return "".join(heard), error


def _anthropic(url: str, said: str, stream: bool) -> tuple[str, Any]:
    with anthropic.Anthropic(base_url=url, api_key="x") as client:
        heard: list[str] = []
        asked: Any = {"model": "up:m", "max_tokens": 99, "messages": [{"role": "user", "content": said}]}
        try:
            if not stream:
                return client.messages.create(**asked).content[0].text, None  # type: ignore[union-attr]
            with client.messages.stream(**asked) as events:
                for text in events.text_stream:
                    heard.append(text)
            return "".join(heard), None
        except anthropic.APIError as error:
            return "".join(heard), error


def _gemini(url: str, said: str, stream: bool) -> tuple[str, Any]:
    client = genai.Client(api_key="x", http_options={"base_url": url})
    heard: list[str] = []
    try:
        if not stream:
            return client.models.generate_content(model="up:m", contents=said).text or "", None
        for chunk in client.models.generate_content_stream(model="up:m", contents=said):
            heard.append(chunk.text or "")
        return "".join(heard), None
    except errors.APIError as error:
        return "".join(heard), error
    finally:
        client.close()


CLIENTS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


@pytest.mark.parametrize("dialect", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_bad_request(behind: Behind, dialect: str, stream: bool) -> None:
    serving, provider = behind(dialect, answers.chat(dialect), guardrails=guardrails("pii", on="input"))
    heard, error = CLIENTS[dialect](serving.url, TEXT, stream)
    assert heard == ""
    if dialect == "openai":
        assert isinstance(error, openai.BadRequestError)
        assert error.code == "content_filter"
    elif dialect == "anthropic":
        assert isinstance(error, anthropic.BadRequestError)
    else:
        assert isinstance(error, errors.ClientError)
        assert error.code == 400
    assert "'g' does not let the request pass (email)" in str(error)
    assert not provider.requests


@pytest.mark.parametrize("dialect", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_an_exception_and_no_end(behind: Behind, dialect: str, stream: bool) -> None:
    reply = lettered(dialect, TEXT) if stream else answers.chat(dialect, TEXT)
    serving, provider = behind(dialect, reply, guardrails=guardrails("pii", on="output"))
    heard, error = CLIENTS[dialect](serving.url, "hi", stream)
    assert error is not None
    assert "'g' does not let the answer pass (email)" in str(error)
    assert heard == ("well, you may ask " if stream else "")
    assert len(provider.requests) == 1, "it is not asked again"


@pytest.mark.parametrize("dialect", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_redacted(behind: Behind, dialect: str, stream: bool) -> None:
    reply = lettered(dialect, TEXT) if stream else answers.chat(dialect, TEXT)
    serving, _ = behind(dialect, reply, guardrails=guardrails("pii", "redact"))
    assert CLIENTS[dialect](serving.url, "hi", stream) == (TEXT.replace("ann@example.com", "[REDACTED:email]"), None)
