"""JSON objects whose keys read as attributes, so that what an answer says goes into the next request as it is."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from .structured import Parse, parse
from .trace import Trace

decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode


class Block(dict[str, Any]):
    """A JSON object: `block["type"]` and `block.type` are the same."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(self)}") from None

    def model_dump(
        self, *, mode: str = "python", exclude_none: bool = False, exclude_unset: bool = False
    ) -> dict[str, Any]:
        """Plain dicts and lists."""
        return cast("dict[str, Any]", _unwrapped(self, exclude_none))

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump()

    def model_dump_json(self, *, indent: int | None = None, exclude_none: bool = False) -> str:
        text = msgspec.json.encode(self.model_dump(exclude_none=exclude_none))
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()


class Answer(Block):
    """A whole answer: what happened to its call, and how its text becomes an instance, stand beside the document.

    A pickled or copied one is its document alone: a trace knows the configuration and its keys.
    """

    @property
    def tsuji(self) -> Trace:
        """Which target answered, after which attempts, at what cost."""
        if "_trace" not in vars(self):
            raise AttributeError("an answer inside an event, or one that was pickled or copied, has no trace")
        return vars(self)["_trace"]

    def describe(self, how: Parse | None, trace: Trace | None = None) -> None:
        """how: what makes an instance of the text, where one was asked for."""
        vars(self)["_how"] = how
        if trace is not None:
            vars(self)["_trace"] = trace

    def _instance(self, text: str, stop: str | None) -> Any:
        how: Parse | None = vars(self).get("_how")
        return parse(text, how, stop) if how is not None and text else None

    def __getstate__(self) -> None:
        return None


def wrapped(value: Any, kind: type[Block] = Block) -> Any:
    """Decoded JSON, with a `kind` for every object."""
    if type(value) is dict:
        return kind({k: wrapped(v, kind) for k, v in cast("dict[str, Any]", value).items()})
    return [wrapped(item, kind) for item in cast("list[Any]", value)] if type(value) is list else value


def _unwrapped(value: Any, without_none: bool) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {k: _unwrapped(v, without_none) for k, v in items if not (without_none and v is None)}
    return [_unwrapped(item, without_none) for item in cast("list[Any]", value)] if isinstance(value, list) else value
