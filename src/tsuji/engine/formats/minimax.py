"""MiniMax M2.

    <minimax:tool_call><invoke name="look_up"><parameter name="word">tide</parameter></invoke></minimax:tool_call>

https://huggingface.co/MiniMaxAI/MiniMax-M2/blob/main/docs/tool_calling_guide.md
"""

from .reader import Family
from .tagged import invocations

_END = "</minimax:tool_call>"
FAMILY = Family("minimax", {"<minimax:tool_call>": invocations(_END)}, {"<think>": "</think>"}, dropped=(_END,))
