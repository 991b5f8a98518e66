"""Mistral's instruct models since 7B v0.3, Ministral, Magistral, Devstral.

    [TOOL_CALLS][{"name": "look_up", "arguments": {"word": "tide"}, "id": "123456789"}]
    [TOOL_CALLS]look_up[ARGS]{"word": "tide"}
    [TOOL_CALLS]look_up[CALL_ID]123456789[ARGS]{"word": "tide"}

https://docs.mistral.ai (tokenization of tool calls, tokenizers v3, v11 and v13)
"""

from .json_calls import calls
from .out import Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps


def tool_calls(source: Source, out: Out, tools: Tools) -> Steps[None]:
    if (yield from source.past_space()) in ("[", "{"):
        yield from calls(source, out, tools, ",")
        return
    name, mark = yield from source.collected("[ARGS]", "[CALL_ID]", "{", "[TOOL_CALLS]")
    name = name.strip()
    if mark not in ("[ARGS]", "[CALL_ID]", "{") or not tools.has(name):
        raise NotACallError
    if mark == "[CALL_ID]":
        yield from source.collected("[ARGS]")
    if mark == "{":
        source.unread(mark)
    out.call(name)
    yield from source.past_space()
    yield from source.value(out.arguments)
    out.end()


FAMILY = Family("mistral", {"[TOOL_CALLS]": tool_calls}, {"[THINK]": "[/THINK]", "<think>": "</think>"})
