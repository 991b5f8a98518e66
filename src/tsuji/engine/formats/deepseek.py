"""DeepSeek V3, R1 and V3.1 with marks of their own; V3.2 with tags.

    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up
    ```json
    {"word": "tide"}
    ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>                                                       V3, R1
    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look_up<｜tool▁sep｜>{"word": "tide"}<｜tool▁call▁end｜>...     V3.1
    <｜DSML｜function_calls><｜DSML｜invoke name="look_up"><｜DSML｜parameter name="word" string="true">tide...   V3.2

https://huggingface.co/deepseek-ai/DeepSeek-V3.1, https://huggingface.co/deepseek-ai/DeepSeek-V3.2 (encoding_dsv32.py)
"""

from .out import Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps
from .tagged import invocations

_BEGIN, _SEPARATOR, _END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
_TAG = "｜DSML｜"


def tool_call(source: Source, out: Out, tools: Tools) -> Steps[None]:
    """After the mark that begins one call."""
    name, mark = yield from source.collected(_SEPARATOR, _END)
    name = name.strip()
    if name == "function" and mark == _SEPARATOR:
        name, line = yield from source.collected("\n")
        name, mark = name.strip(), mark if line else ""
    if mark != _SEPARATOR or not tools.has(name):
        raise NotACallError
    yield from source.option("```json", "```")
    if (yield from source.past_space()) != "{":
        raise NotACallError
    out.call(name)
    yield from source.value(out.arguments)
    out.end()
    yield from source.option("```")
    yield from source.option(_END)


FAMILY = Family(
    "deepseek",
    {
        _BEGIN: tool_call,
        f"<{_TAG}function_calls>": invocations(f"</{_TAG}function_calls>", _TAG),
    },
    {"<think>": "</think>"},
    dropped=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", _END, "<｜end▁of▁sentence｜>"),
)
