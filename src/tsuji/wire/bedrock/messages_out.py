"""The conversation of a request: `system` and `messages`.

Placement, where another dialect's order is not this one's:
- Leading system and developer messages become `system`. Later ones stay in place as messages of role "system" where the
  model takes them (behind a user turn, before an assistant turn or at the end), else they are text of a user turn.
- Where there is nothing but system messages, the last of them is the user turn that the API requires.
- Roles take turns, so neighbours of one role become one message; tool results stand first in theirs.
"""

from tsuji.core.parts import Message
from tsuji.core.request import ChatRequest

from ..anthropic.claude import thinks
from ..anthropic.fields import Object
from ..dialect import Losses
from .families import family
from .fields import is_native, own
from .parts_out import Place, render_parts

_SYSTEM = ("system", "developer")
_IN_SYSTEM = ("text", "guardContent", "cachePoint", "toolAddition", "toolRemoval")
_Turn = tuple[str, list[Object]]


def render_conversation(request: ChatRequest, losses: Losses) -> tuple[list[Object], list[Object]]:
    """`system` and `messages`."""
    native = is_native(request.ext)
    place = Place(losses, family(request.model), native)
    messages = request.messages
    start = 0
    while start < len(messages) and messages[start].role in _SYSTEM and "~inline" not in own(messages[start].ext):
        start += 1
    if 0 < start == len(messages) and not native:
        start -= 1
    system: list[Object] = []
    for index in range(start):
        system += _turn(messages[index], index, place)[1]
    turns = [_turn(messages[index], index, place) for index in range(start, len(messages))]
    if not native:
        turns = _merged(_placed([t for t in turns if t[1]], thinks(request.model).system_turns))
        return system, [{"role": role, "content": blocks} for role, blocks in turns]
    wire = zip(messages[start:], turns, strict=True)
    return system, [
        {"role": role, "content": blocks, **losses.ext(message.ext, "messages.")} for message, (role, blocks) in wire
    ]


def _turn(message: Message, index: int, place: Place) -> _Turn:
    place.message, place.role = index, message.role
    if message.name is not None:
        place.losses.refuse(f"messages[{index}].name", "messages have no names")
    place.losses.ext(message.ext, f"messages[{index}].")
    blocks = render_parts(message.content, place)
    if message.role in _SYSTEM:
        return "system", [block for block in blocks if _allowed(block, place)]
    return "assistant" if message.role == "assistant" else "user", blocks


def _allowed(block: Object, place: Place) -> bool:
    (kind,) = block
    if kind in _IN_SYSTEM or place.native:
        return True
    place.refuse(kind, "a system message is text")
    return False


def _placed(turns: list[_Turn], takes_system: bool) -> list[_Turn]:
    out: list[_Turn] = []
    for at, (role, blocks) in enumerate(turns):
        if role == "system":
            behind_user = bool(out) and out[-1][0] in ("user", "system")
            ahead = next((r for r, _ in turns[at + 1 :] if r != "system"), "assistant")
            role = "system" if takes_system and behind_user and ahead == "assistant" else "user"
        out.append((role, blocks))
    return out


def _merged(turns: list[_Turn]) -> list[_Turn]:
    out: list[_Turn] = []
    for role, blocks in turns:
        if out and out[-1][0] == role:
            out[-1][1].extend(blocks)
        else:
            out.append((role, list(blocks)))
    return [(role, _results_first(blocks) if role == "user" else blocks) for role, blocks in out]


def _results_first(blocks: list[Object]) -> list[Object]:
    """A cache point stays behind the block that it marks."""
    results: list[Object] = []
    others: list[Object] = []
    into = others
    for block in blocks:
        if "cachePoint" not in block:
            into = results if "toolResult" in block else others
        into.append(block)
    return results + others
