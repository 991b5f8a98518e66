"""Results that say no id, to the calls that they answer.

The API goes by name and order, and Google's own client leaves the id away when it has called a Python function by
itself, even if the call had one. Other dialects go by id.
"""

from msgspec.structs import replace

from tsuji.core.parts import Message, Part, ToolCall, ToolResult

from .fields import NAME, own


def with_ids(messages: list[Message]) -> list[Message]:
    """A result without an id gets that of the first call of its name that has no result yet."""
    waiting: list[ToolCall] = []
    out: list[Message] = []
    for message in messages:
        content = tuple([_part(part, waiting) for part in message.content])
        out.append(message if content == message.content else replace(message, content=content))
    return out


def _part(part: Part, waiting: list[ToolCall]) -> Part:
    if type(part) is ToolCall:
        waiting.append(part)
    elif type(part) is ToolResult:
        for at, call in enumerate(waiting):
            if call.id == part.call_id if part.call_id else call.name == part.name:
                del waiting[at]
                if call.id and not part.call_id:
                    return replace(part, call_id=call.id, ext={NAME: {**own(part.ext), "~by_name": True}})
                break
    return part
