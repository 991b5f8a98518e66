"""Cohere's Command R7B and Command A.

    <|START_THINKING|>I will look.<|END_THINKING|><|START_ACTION|>[
        {"tool_call_id": "0", "tool_name": "look_up", "parameters": {"word": "tide"}}
    ]<|END_ACTION|>

https://huggingface.co/CohereLabs/c4ai-command-r7b-12-2024
"""

from .json_calls import calls
from .out import Out, Tools
from .reader import Family
from .source import Source, Steps


def action(source: Source, out: Out, tools: Tools) -> Steps[None]:
    yield from calls(source, out, tools, ",")
    yield from source.option("<|END_ACTION|>")


FAMILY = Family(
    "command",
    {"<|START_ACTION|>": action},
    {"<|START_THINKING|>": "<|END_THINKING|>"},
    dropped=("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>", "<|END_ACTION|>"),
)
