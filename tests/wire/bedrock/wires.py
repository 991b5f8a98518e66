"""Short ways to say a request in this dialect and to see what becomes of it."""

import json
from typing import Any

from tests.wire.bedrock import botocore_reading as botocore
from tsuji.core.parts import Message, Part, Text
from tsuji.core.request import ChatRequest
from tsuji.wire import dialect
from tsuji.wire.bedrock import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"


def user(*parts: Part | str) -> Message:
    return Message("user", tuple([Text(p) if isinstance(p, str) else p for p in parts]))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple([Text(p) if isinstance(p, str) else p for p in parts]))


def parse(body: Any, model: str = CLAUDE, stream: bool = False) -> ChatRequest:
    return DIALECT.parse_request(json.dumps(body).encode(), model, stream)


def said(*content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(content)}], **more}


def back(body: Any, model: str = CLAUDE) -> Any:
    """A request of this dialect, parsed and rendered."""
    return json.loads(DIALECT.render_request(parse(body, model), NO_QUIRKS, Losses("bedrock")).body)


def render(request: ChatRequest, drop: bool = False) -> tuple[Any, list[str]]:
    """The body, which boto3 would send, and what was dropped."""
    losses = Losses("bedrock", drop)
    body = json.loads(DIALECT.render_request(request, NO_QUIRKS, losses).body)
    assert botocore.complaints(body) == ""
    return body, losses.dropped


def ask(*messages: Message, model: str = CLAUDE, drop: bool = False, **more: Any) -> Any:
    return render(ChatRequest(model, messages or (user("hi"),), **more), drop)[0]


def elsewhere(body: Any, to: str, drop: bool = False) -> tuple[Any, list[str]]:
    """What another dialect makes of a request of this one."""
    losses = Losses(to, drop)
    return json.loads(dialect(to).render_request(parse(body), NO_QUIRKS, losses).body), losses.dropped
