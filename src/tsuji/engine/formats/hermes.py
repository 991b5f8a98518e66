"""Hermes 2 and later, Qwen 2.5 and 3, Granite 4, and many fine-tunes; Qwen3-Coder and Nemotron's tags in place of JSON.

    <tool_call>{"name": "look_up", "arguments": {"word": "tide"}}</tool_call>
    <tool_call><function=look_up><parameter=word>tide</parameter></function></tool_call>

https://huggingface.co/NousResearch/Hermes-2-Pro-Llama-3-8B, https://huggingface.co/Qwen/Qwen3-Coder-30B-A3B-Instruct
"""

from . import glm
from .json_calls import calls
from .out import Arguments, Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps
from .tagged import value


def tool_call(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """After <tool_call>: JSON, function tags, or GLM's form."""
    following = yield from source.past_space()
    if following in ("{", "["):
        yield from calls(source, out, tools)
    elif (yield from source.option("<function=")):
        yield from function(source, out, tools)
    elif following == "":
        raise NotACallError
    else:
        yield from glm.tool_call(source, out, tools)
        return
    yield from source.option("</tool_call>")


def function(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """After <function=: a name, then parameter tags, or JSON as Llama writes it."""
    name, mark = yield from source.collected(">")
    name = name.strip().strip('"')
    if not mark or not tools.has(name):
        raise NotACallError
    following = yield from source.past_space()
    out.call(name)
    if following == "{":
        yield from source.value(out.arguments)
        out.end()
        yield from source.option("</function>")
        return
    arguments = Arguments(out)
    whole = True
    while (yield from source.option("<parameter=", "</function>")) == "<parameter=":
        key, _ = yield from source.collected(">")
        key = key.strip().strip('"')
        arguments.key(key)
        mark = yield from value(
            source, arguments, "</parameter>", "</function>", text=tools.is_text(name, key), trimmed=True
        )
        whole = bool(mark)
        if mark != "</parameter>":
            break
    if whole:
        arguments.close()
    out.end()


FAMILY = Family(
    "hermes",
    {"<tool_call>": tool_call, "<function=": function},
    {"<think>": "</think>"},
    dropped=("</tool_call>",),
)
