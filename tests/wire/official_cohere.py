"""Cohere's official client. Its types check little: most of what they say is checked by reading it."""

from collections.abc import Iterable
from typing import Any

import cohere
import httpx
from cohere.core.api_error import ApiError

from .client import Heard, Official, kind_of, mock
from .reading import joined, value

_MESSAGES: dict[str, Any] = {
    "user": cohere.UserChatMessageV2,
    "assistant": cohere.AssistantChatMessageV2,
    "system": cohere.SystemChatMessageV2,
    "tool": cohere.ToolChatMessageV2,
}


def _request(body: Any) -> object:
    for message in body["messages"]:
        _MESSAGES[message["role"]].model_validate(message)
    return [cohere.ToolV2.model_validate(tool) for tool in body.get("tools", ())]


def _heard(answer: Any) -> Heard:
    message = answer.message
    calls = [(c.function.name, value(c.function.arguments)) for c in message.tool_calls or ()]
    return Heard(joined([b.text for b in message.content or () if b.type == "text"]), calls)


def _stream_heard(events: Iterable[Any]) -> Heard:
    text = ""
    calls: list[list[str]] = []
    for event in events:
        said: Any = getattr(getattr(event, "delta", None), "message", None)
        if event.type == "content-start":
            text += getattr(said.content, "text", None) or ""
        elif event.type == "content-delta":
            text += said.content.text or ""
        elif event.type == "tool-call-start":
            calls.append([said.tool_calls.function.name, said.tool_calls.function.arguments or ""])
        elif event.type == "tool-call-delta":
            calls[-1][1] += said.tool_calls.function.arguments or ""
        elif event.type == "message-end" and event.delta.error:
            raise ApiError(status_code=200, body=event.delta.error)
    return Heard(text, [(name, value(arguments or "{}")) for name, arguments in calls])


def _client(body: bytes, status: int, streamed: bool) -> Heard:
    with mock(httpx, body, status, kind_of(streamed)) as http:
        client = cohere.ClientV2("k", base_url="http://test", httpx_client=http, max_retries=0)
        ask: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        return _stream_heard(client.chat_stream(**ask)) if streamed else _heard(client.chat(**ask))


COHERE = Official(
    _request,
    lambda body: _heard(cohere.V2ChatResponse.model_validate_json(body)),
    lambda stream: _client(stream, 200, True),
    _client,
    (ApiError,),
    cohere.EmbedByTypeResponse,
)
