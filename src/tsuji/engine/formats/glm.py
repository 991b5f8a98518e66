"""GLM-4.5 to 4.7, with line breaks between the tags or without, with arguments or without.

    <tool_call>look_up<arg_key>word</arg_key><arg_value>tide</arg_value></tool_call>

The template writes strings as they are and everything else as JSON; GLM-4.7's prompt ends in <think>.
https://huggingface.co/zai-org/GLM-4.7/blob/main/chat_template.jinja
"""

from .out import Arguments, Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps
from .tagged import value

_END = "</tool_call>"


def tool_call(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """After <tool_call>."""
    name, mark = yield from source.collected("<arg_key>", _END)
    name = name.strip()
    if not mark or not tools.has(name) or any(c in name for c in "{}<>\n"):
        raise NotACallError
    out.call(name)
    arguments = Arguments(out)
    whole = True
    while mark == "<arg_key>":
        key, _ = yield from source.collected("</arg_key>")
        key = key.strip()
        arguments.key(key)
        yield from source.option("<arg_value>")
        ended = yield from value(source, arguments, "</arg_value>", _END, text=tools.is_text(name, key))
        whole = bool(ended)
        mark = (yield from source.option("<arg_key>", _END)) if ended == "</arg_value>" else ""
    if whole:
        arguments.close()
    out.end()


FAMILY = Family("glm", {"<tool_call>": tool_call}, {"<think>": "</think>"}, dropped=(_END,))
