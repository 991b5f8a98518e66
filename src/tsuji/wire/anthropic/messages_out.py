"""The conversation of a request: `system` and `messages`.

Placement, where another dialect's order is not this one's:
- Leading system and developer messages become `system`. Later ones stay in place as messages of role "system" where the
  model takes them (behind a user turn, before an assistant turn or at the end), else they are text of a user turn.
- Where there is nothing but system messages, the last of them is the user turn that the API requires.
- Tool results stand first in one user turn right behind their calls.
"""

from typing import Any

from tsuji.core.parts import Message
from tsuji.core.request import ChatRequest

from ..dialect import Losses
from .blocks_out import own
from .claude import thinks
from .fields import Object
from .parts_out import Place, content_of, render_parts

_SYSTEM = ("system", "developer")


class _Turn:
    """A rendered message. moved: it did not come from a message of this dialect, so it may have to merge."""

    __slots__ = ("blocks", "content", "extra", "moved", "role")

    def __init__(self, role: str, content: Any, blocks: list[Object], moved: bool, extra: Object) -> None:
        self.role = role
        self.content = content
        self.blocks = blocks
        self.moved = moved
        self.extra = extra

    def to_wire(self) -> Object:
        wire: Object = {"role": self.role}
        if self.content is not None:
            wire["content"] = self.content
        wire.update(self.extra)
        return wire


def render_conversation(request: ChatRequest, losses: Losses) -> tuple[Any, list[Object]]:
    """`system` (None where there is none) and `messages`."""
    place = Place(losses)
    messages = request.messages
    start = 0
    while start < len(messages) and messages[start].role in _SYSTEM and "~inline" not in own(messages[start].ext):
        start += 1
    if 0 < start == len(messages):
        start -= 1
    system = _system(messages[:start], place) if start else None
    turns: list[_Turn] = []
    moved = False
    for index in range(start, len(messages)):
        place.message = index
        turn = _turn(messages[index], place)
        if turn is not None:
            turns.append(turn)
            moved = moved or turn.moved
    if moved:
        turns = _merged(_placed(turns, thinks(request.model).system_turns))
    return system, [turn.to_wire() for turn in turns]


def _system(messages: tuple[Message, ...], place: Place) -> str | list[Object]:
    place.role = "system"
    blocks: list[Object] = []
    for index, message in enumerate(messages):
        place.message = index
        _check(message, place)
        blocks += _only_text(render_parts(message.content, place), place)
    if len(messages) == 1:
        return content_of(messages[0].content, blocks, "~list" in own(messages[0].ext))
    return blocks


def _only_text(blocks: list[Object], place: Place) -> list[Object]:
    kept: list[Object] = []
    for index, block in enumerate(blocks):
        if block["type"] in ("text", "tool_addition", "tool_removal"):
            kept.append(block)
        else:
            place.part = index
            place.refuse(block["type"], "a system message is text")
    return kept


def _check(message: Message, place: Place) -> Object:
    """The message's own fields of this dialect; what it cannot say is refused."""
    if message.name is not None:
        place.losses.refuse(f"messages[{place.message}].name", "messages have no names")
    if not message.ext:
        return {}
    return dict(place.losses.ext(message.ext, f"messages[{place.message}]."))


def _turn(message: Message, place: Place) -> _Turn | None:
    extra = _check(message, place)
    place.role = message.role
    blocks = render_parts(message.content, place)
    fields = own(message.ext)
    if message.role in _SYSTEM:
        blocks = _only_text(blocks, place)
    if message.content and not blocks:
        return None
    if message.role == "assistant":
        role = "assistant"
    else:
        role = "system" if message.role in _SYSTEM else "user"
        if role == "user" and len(blocks) > 1:
            blocks = _results_first(blocks)
    moved = message.role in ("tool", "developer") or (role == "system" and "~inline" not in fields)
    content = None if "~bare" in fields else content_of(message.content, blocks, "~list" in fields)
    return _Turn(role, content, blocks, moved, extra)


def _results_first(blocks: list[Object]) -> list[Object]:
    """The order that the API asks for."""
    results = [b for b in blocks if b["type"] == "tool_result"]
    if not results or blocks[: len(results)] == results:
        return blocks
    return results + [b for b in blocks if b["type"] != "tool_result"]


def _placed(turns: list[_Turn], takes_system: bool) -> list[_Turn]:
    """System turns of other dialects: kept where the model takes them, else made user turns."""
    out: list[_Turn] = []
    index = 0
    while index < len(turns):
        turn = turns[index]
        index += 1
        if turn.role != "system" or not turn.moved:
            out.append(turn)
            continue
        while index < len(turns) and turns[index].role == "system" and turns[index].moved:
            turn = _joined("system", turn, turns[index])
            index += 1
        behind_user = bool(out) and out[-1].role == "user"
        before_assistant = index == len(turns) or turns[index].role == "assistant"
        if not (takes_system and behind_user and before_assistant):
            turn.role = "user"
        out.append(turn)
    return out


def _merged(turns: list[_Turn]) -> list[_Turn]:
    """Neighbouring user turns of which one was moved become one."""
    out: list[_Turn] = []
    for turn in turns:
        before = out[-1] if out else None
        if before and before.role == turn.role == "user" and (before.moved or turn.moved):
            out[-1] = _joined("user", before, turn)
            out[-1].content = out[-1].blocks = _results_first(out[-1].blocks)
        else:
            out.append(turn)
    return out


def _joined(role: str, first: _Turn, second: _Turn) -> _Turn:
    blocks = first.blocks + second.blocks
    return _Turn(role, blocks, blocks, True, {**first.extra, **second.extra})
