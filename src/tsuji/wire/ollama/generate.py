"""POST /api/generate: a prompt in place of messages (https://docs.ollama.com/api/generate). Clients' form only.

A provider of this dialect is asked in it as well where a client asked so, which keeps what only this form has: the text
after a gap (`suffix`), `raw`, `template` and `context`. Other dialects refuse these by name.
"""

from typing import Any, Final

import msgspec

from tsuji.core.parts import Image, Message, Text
from tsuji.core.request import ChatRequest
from tsuji.wire.passthrough import decode_body

from . import DIALECT as CHAT
from .fields import a_string
from .messages_in import parse_images
from .request_in import COMMON, Draft, Readers, finish, read
from .request_out import GENERATE_PATH
from .response_out import render_generated
from .stream_out import Renderer


def parse_request(body: bytes, model: str | None, stream: bool | None) -> ChatRequest:
    """Raises InvalidRequestError."""
    draft = read(decode_body(body), _READERS)
    fields, extra = draft.fields, draft.extra
    system: str | None = fields.pop("system", None)
    prompt: str | None = fields.pop("prompt", None)
    images: list[Image] = fields.pop("images", [])
    extra["~generate"] = [name for name, value in (("system", system), ("prompt", prompt)) if value is not None]
    messages = [Message("system", (Text(system),))] if system else []
    if prompt or images:
        messages.append(Message("user", (*([Text(prompt)] if prompt else []), *images)))
    fields["messages"] = tuple(messages)
    return finish(draft, model, stream)


def _text(draft: Draft, value: Any, path: str) -> None:
    draft.fields[path] = a_string(value, path)


def _images(draft: Draft, value: Any, path: str) -> None:
    draft.fields["images"] = parse_images(value, path)
    if not value:
        draft.extra["~images"] = value


def _unless_empty(draft: Draft, value: Any, path: str) -> None:
    """Only what asks for something is a field that another dialect would have to refuse."""
    draft.extra[path if value else "~" + path] = value


_READERS: Final[Readers] = {
    **COMMON,
    "prompt": _text,
    "system": _text,
    "images": _images,
    **dict.fromkeys(("suffix", "template", "context", "raw"), _unless_empty),
}


def _path(model: str, stream: bool) -> str:
    return GENERATE_PATH


def _renderer(request: ChatRequest) -> Renderer:
    return Renderer(request, generated=True)


DIALECT = msgspec.structs.replace(
    CHAT,
    fields=frozenset(_READERS),
    chat_path=_path,
    parse_request=parse_request,
    render_response=render_generated,
    stream_renderer=_renderer,
)
