"""Granite 3 (Granite 4 writes as Hermes does), and Phi-4-mini, which differs by a mark at the end.

    <|tool_call|>[{"name": "look_up", "arguments": {"word": "tide"}}]<|/tool_call|>
    functools[{"name": "look_up", "arguments": {"word": "tide"}}]                            Phi-4-mini, too

https://huggingface.co/ibm-granite/granite-3.3-8b-instruct, https://huggingface.co/microsoft/Phi-4-mini-instruct
"""

from .json_calls import calls
from .out import Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps

_END = "<|/tool_call|>"


def tool_call(source: Source, out: Out, tools: Tools) -> Steps[None]:
    yield from calls(source, out, tools, ",")
    yield from source.option(_END)


def functools(source: Source, out: Out, tools: Tools) -> Steps[None]:
    if (yield from source.character()) != "[":  # a word, as any other
        raise NotACallError
    yield from calls(source, out, tools)


FAMILY = Family(
    "granite",
    {"<|tool_call|>": tool_call},
    {"<think>": "</think>"},
    dropped=("<response>", "</response>"),
)
PHI = Family("phi", {"<|tool_call|>": tool_call, "functools": functools}, {"<think>": "</think>"}, dropped=(_END,))
