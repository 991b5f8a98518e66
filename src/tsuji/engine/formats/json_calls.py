"""Calls that are JSON objects: one, several in a row, or an array of them."""

import json

from .out import Out, Tools
from .source import NotACallError, Source, Steps

_NAMES = ("name", "tool_name")
_ARGUMENTS = ("arguments", "parameters")


def calls(source: Source, out: Out, tools: Tools, *between: str) -> Steps[None]:
    """between: what may stand between two objects outside of an array. Raises NotACallError before the first call."""
    if (yield from source.past_space()) != "[":
        yield from call(source, out, tools)
        while between and (yield from source.option(*between)):
            if (yield from source.past_space()) != "{":
                return
            yield from _another(source, out, tools)
        return
    yield from source.expect("[")
    if (yield from source.option("]")):
        return
    yield from call(source, out, tools)
    while (yield from source.option(",")):
        yield from _another(source, out, tools)
    yield from source.option("]")


def _another(source: Source, out: Out, tools: Tools) -> Steps[None]:
    source.mark()
    try:
        yield from call(source, out, tools)
    except NotACallError:
        out.text(source.taken)


def call(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """{"name": ..., "arguments": ...} in either order, among other members. Raises NotACallError before the call."""
    name = ""
    early: str | None = None  # arguments that came before the name
    written = False
    yield from source.expect("{")
    while True:
        following = yield from source.past_space()
        if following == "}" or (written and following != '"' and following != ","):
            yield from source.option("}")
            break
        if following == ",":
            yield from source.expect(",")
            continue
        try:
            key = yield from source.string()
            yield from source.expect(":")
        except NotACallError:
            if not written:
                raise
            break
        if key in _NAMES and not name:
            name = yield from source.string()
            if not tools.has(name):
                raise NotACallError
        elif key in _ARGUMENTS and name and not written:
            written = True
            out.call(name)
            if not (yield from _arguments(source, out)):
                break
        elif key in _ARGUMENTS and not written:
            early = yield from _buffered(source)
        elif not (yield from source.value(_drop)):
            break
    if not name:
        raise NotACallError
    if not written:
        out.call(name)
        out.arguments(early if early is not None else "{}")
    out.end()


def _arguments(source: Source, out: Out) -> Steps[bool]:
    """Streamed as they come; a string that contains the JSON, as OpenAI's API has it, is decoded once it is whole."""
    if (yield from source.past_space()) != '"':
        return (yield from source.value(out.arguments))
    whole: list[str] = []
    ended = yield from source.value(whole.append)
    out.arguments(_decoded("".join(whole)))
    return ended


def _buffered(source: Source) -> Steps[str]:
    whole: list[str] = []
    yield from source.past_space()
    yield from source.value(whole.append)
    text = "".join(whole)
    return _decoded(text) if text.startswith('"') else text


def _decoded(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text


def _drop(text: str) -> None:
    pass
