"""An answer from core, as one of /api/chat or of /api/generate.

There is one answer: of several the first is given. An image is a Markdown image in the text, for the official client
takes no images in an answer. Nothing is refused: what only another dialect knows is left out,
a call's signature and encrypted thinking among it. `done_reason` is "stop" or "length"; for ends that Ollama has no
word for it is core's own, for no client should take a filtered answer for a complete one.
"""

from typing import Final

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Audio, Image, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, StopReason, TokenLogprob
from tsuji.core.usage import Usage

from .fields import UNEXPECTED, Object, plain
from .messages_out import render_call
from .times import stamp

_REASONS: Final[dict[StopReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "length": "length",
    "context_window": "length",
}
_OWN: Final = frozenset(("stop", "length", "load", "unload"))
_encode = msgspec.json.Encoder().encode


def encode_answer(out: Object) -> bytes:
    try:
        return _encode(out)
    except UNEXPECTED:
        raise UpstreamProtocolError("the provider's answer cannot be written as JSON") from None


def render_response(response: ChatResponse) -> bytes:
    return _render(response, generated=False)


def render_generated(response: ChatResponse) -> bytes:
    return _render(response, generated=True)


def _render(response: ChatResponse, generated: bool) -> bytes:
    choice = response.choices[0] if response.choices else Choice()
    out: Object = {"model": response.model}
    stamp(out, response.created, response.ext)
    said = say(choice.content)
    said.update(plain(choice.ext))
    put(out, said, generated)
    if choice.logprobs:
        out["logprobs"] = render_logprobs(choice.logprobs)
    close(out, choice.stop or "stop", choice.stop_raw, response.usage, plain(response.ext))
    return encode_answer(out)


def say(parts: tuple[Part, ...]) -> Object:
    """A message: its content, whatever it is made of, and what stands beside that."""
    out: Object = {"content": ""}
    for part in parts:
        if isinstance(part, Text | Refusal):
            out["content"] += part.text
        elif type(part) is Thinking and part.text:
            out["thinking"] = out.get("thinking", "") + part.text
        elif type(part) is ToolCall:
            out.setdefault("tool_calls", []).append(render_call(part))
        elif type(part) is Image:
            out["content"] += _picture(part)
        elif type(part) is Audio and part.transcript:
            out["content"] += part.transcript
    return out


def _picture(image: Image) -> str:
    source = image.source
    if source.data is not None:
        return f"![](data:{source.media_type or 'image/png'};base64,{source.data})"
    return f"![]({source.url})" if source.url is not None else ""


def put(out: Object, said: Object, generated: bool) -> None:
    """Where the two operations have what was said."""
    if generated:
        out["response"] = said.pop("content")
        out.update(said)
    else:
        out["message"] = {"role": "assistant", **said}


def close(out: Object, stop: StopReason, raw: str | None, usage: Usage | None, extra: Object) -> None:
    """The fields of an answer's end."""
    out["done"] = True
    out["done_reason"] = raw if raw in _OWN else _REASONS.get(stop, stop)
    out.update(extra)
    if usage is not None:
        if usage.input_tokens is not None:
            out["prompt_eval_count"] = usage.input_tokens
        if usage.output_tokens is not None:
            out["eval_count"] = usage.output_tokens


def render_logprobs(logprobs: tuple[TokenLogprob, ...]) -> list[Object]:
    return [_logprob(each) for each in logprobs]


def _logprob(each: TokenLogprob) -> Object:
    out: Object = {"token": each.token, "logprob": each.logprob}
    if each.data is not None:
        out["bytes"] = list(each.data)
    if each.top:
        out["top_logprobs"] = [_logprob(top) for top in each.top]
    return out
