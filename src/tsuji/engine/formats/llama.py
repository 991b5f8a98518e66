"""Llama 3.1 to 3.3: bare JSON at the beginning, after the mark for Python, or in function tags.

    {"name": "look_up", "parameters": {"word": "tide"}}
    <function=look_up>{"word": "tide"}</function>

https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/
"""

from .hermes import function
from .json_calls import calls
from .out import Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps


def bare(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """JSON may be an answer, too: it is a call only of a tool that is known."""
    if (yield from source.past_space()) != "{" or not tools.named:
        raise NotACallError
    yield from calls(source, out, tools, ";")


def python_tag(source: Source, out: Out, tools: Tools) -> Steps[None]:
    if (yield from source.past_space()) != "{":
        raise NotACallError
    yield from calls(source, out, tools, ";", "<|python_tag|>")


FAMILY = Family("llama", {"<|python_tag|>": python_tag, "<function=": function}, first=bare)
