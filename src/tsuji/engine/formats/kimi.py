"""Kimi K2.

    <|tool_calls_section_begin|><|tool_call_begin|>functions.look_up:0<|tool_call_argument_begin|>{"word": "tide"}
    <|tool_call_end|><|tool_calls_section_end|>

https://huggingface.co/moonshotai/Kimi-K2-Instruct/blob/main/docs/tool_call_guidance.md
"""

from .out import Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps

_BEGIN, _ARGUMENTS, _END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"


def tool_call(source: Source, out: Out, tools: Tools) -> Steps[None]:
    said, mark = yield from source.collected(_ARGUMENTS, _END)
    name = said.strip().removeprefix("functions.")
    before, colon, number = name.rpartition(":")
    name = before if colon and number.isdigit() else name
    if mark != _ARGUMENTS or not tools.has(name):
        raise NotACallError
    yield from source.past_space()
    out.call(name)
    yield from source.value(out.arguments)
    out.end()
    yield from source.option(_END)


FAMILY = Family(
    "kimi",
    {_BEGIN: tool_call},
    {"<think>": "</think>", "◁think▷": "◁/think▷"},
    dropped=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", _END),
)
