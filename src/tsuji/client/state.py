"""What a provider needs back on the next turn: taken from an answer, carried by its message, put back into a request.

A message in OpenAI's shape cannot say everything that a provider wants to see again unchanged: which signature proves
which thought, what is encrypted, in which order thoughts, texts and calls came. `provider_state` holds the canonical
parts of such an answer; a message that is nothing but text and calls has none.
"""

from typing import Any

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Message, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import Choice

_SENT_BACK = frozenset(
    ("role", "content", "name", "refusal", "audio", "tool_calls", "extra_content", "thought_signature")
)
_THOUGHTS = ("reasoning_details", "reasoning_content", "reasoning")


def state_of(choice: Choice) -> dict[str, Any] | None:
    """JSON values; None where the message itself says it all."""
    if all(map(_plain, choice.content)):
        return None
    return {"content": list(msgspec.to_builtins(choice.content))}


def _plain(part: Part) -> bool:
    if type(part) is Text:
        return part.signature is None and not part.citations and part.ext is None
    if type(part) is ToolCall:
        return part.signature is None and part.ext is None
    return type(part) is Refusal or part == _said_in_full(part)


def _said_in_full(part: Part) -> Part:
    """A thought that `reasoning_content` says all of."""
    text = part.text if type(part) is Thinking else ""
    return Thinking(text, origin="openai", ext={"openai": {"~field": "reasoning_content"}})


def take_state(message: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """(the message as the openai dialect reads it, its state), of a dump of a result's message."""
    state = message.get("provider_state")
    plain = {k: v for k, v in message.items() if k in _SENT_BACK and v is not None}
    plain.setdefault("content", None)
    for name in _THOUGHTS:
        if message.get(name):
            plain[name] = message[name]
            break
    return plain, state


def restore(message: Message, state: dict[str, Any], where: str) -> Message:
    """The message with the parts that the provider made, unless its text or its calls have been edited since.

    Raises InvalidRequestError for a state that no answer had.
    """
    try:
        content = msgspec.convert(state["content"], tuple[Part, ...])
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise InvalidRequestError(
            f"{where}.provider_state is not what an answer had: {error}; give it back unchanged or leave it out",
            param=f"{where}.provider_state",
        ) from None
    if _said(content) != _said(message.content):
        return message
    return msgspec.structs.replace(message, content=content)


def _said(content: tuple[Part, ...]) -> tuple[str, list[tuple[str, str, str]]]:
    text = "".join([p.text for p in content if type(p) is Text])
    return text, [(p.id, p.name, p.arguments) for p in content if type(p) is ToolCall]
