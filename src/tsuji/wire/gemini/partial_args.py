"""Function calls whose arguments come in pieces, as Vertex AI streams them where `streamFunctionCallArguments` asks so.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc: a call with its
name, then values by JSON path ("$.city", "$.days[0].name"), strings in several pieces; `willContinue` until the last.
"""

import re
from typing import Any, Final

import msgspec

from tsuji.core.parts import ToolCall

from .fields import Malformed, an_object, dicts_in, text_or_none

_STEPS: Final = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]")
_VALUES: Final = ("stringValue", "numberValue", "boolValue", "nullValue")
_MOST: Final = 10_000


class PartialCall:
    """One call under construction."""

    __slots__ = ("_args", "_call", "_signature")

    def __init__(self, call: dict[str, Any], signature: str | None, path: str) -> None:
        if text_or_none(call.get("name")) is None:
            raise Malformed(path + ".functionCall.name", "a string")
        self._call = call
        self._signature = signature
        self._args: dict[str, Any] = {**an_object(call.get("args") or {}, path + ".functionCall.args")}

    def add(self, call: dict[str, Any]) -> bool:
        """Takes the next piece. True while more is to come."""
        for piece in dicts_in(call.get("partialArgs")):
            name = next((n for n in _VALUES if n in piece), None)
            where = _steps(text_or_none(piece.get("jsonPath")) or "")
            if name is not None and where:
                _put(self._args, where, None if name == "nullValue" else piece[name])
        return call.get("willContinue") is True

    def whole(self) -> ToolCall:
        return ToolCall(
            text_or_none(self._call.get("id")) or "",
            self._call["name"],
            msgspec.json.encode(self._args).decode(),
            self._signature,
        )


def is_partial(call: Any) -> bool:
    return call.__class__ is dict and ("partialArgs" in call or "willContinue" in call or "name" not in call)


def _steps(path: str) -> list[str | int]:
    return [int(index) if index else name or quoted for name, index, quoted in _STEPS.findall(path)]


def _put(target: Any, where: list[str | int], value: Any) -> None:
    """Puts `value` at its place, making what is above it; a string goes on where one is there."""
    step, *rest = where
    if isinstance(step, int):
        if target.__class__ is not list or step > _MOST:
            return
        target.extend([None] * (step + 1 - len(target)))
    elif target.__class__ is dict:
        target.setdefault(step, None)
    else:
        return
    here: Any = target[step]
    if not rest:
        target[step] = here + value if here.__class__ is str and value.__class__ is str else value
        return
    if here is None:
        made: Any = [] if isinstance(rest[0], int) else {}
        here = target[step] = made
    _put(here, rest, value)
