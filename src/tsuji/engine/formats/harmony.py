"""gpt-oss: channels. "analysis" is thinking, "final" the answer, "commentary" calls and what is said before them.

    <|channel|>analysis<|message|>Look.<|end|><|start|>assistant<|channel|>commentary to=functions.look_up
    <|constrain|>json<|message|>{"word": "tide"}<|call|>

The recipient may also stand beside the role: <|start|>assistant to=functions.look_up<|channel|>commentary.
https://github.com/openai/harmony/blob/main/docs/format.md
"""

import re

from .out import Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps

_MESSAGE = "<|message|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>")
_RECIPIENT = re.compile(r"\bto=(?:functions\.)?([^\s<]+)")


def message(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """After <|channel|> or <|start|>: a head, and what it says."""
    head, mark = yield from source.collected(_MESSAGE, "<|end|>", "<|return|>")
    if mark != _MESSAGE:
        raise NotACallError
    recipient = _RECIPIENT.search(head)
    channel = head.rpartition("<|channel|>")[2].split()[:1]
    if recipient is not None and tools.has(recipient.group(1)):
        out.call(recipient.group(1))
        yield from source.past_space()
        yield from source.value(out.arguments)
        out.end()
        mark = yield from source.until(_drop, *_ENDS)
    else:
        mark = yield from source.until(out.thinking if channel == ["analysis"] else out.text, *_ENDS)
        out.part()
    if mark in ("<|start|>", "<|channel|>"):  # the end of the one before was forgotten
        source.unread(mark)


def _drop(text: str) -> None:
    pass


FAMILY = Family(
    "harmony", {"<|channel|>": message, "<|start|>": message}, dropped=("<|end|>", "<|call|>", "<|return|>")
)
