"""The text that open models write for thinking, answers and tool calls, read as it arrives. Pure.

One file a family, each a table of the marks that it begins calls and thoughts with; one loop for all of them, which
gives the same pieces however the stream was split. Refuses to guess: what turns out to be no call comes out as text.

llama.cpp's server reads these formats itself where a model's chat template knows tools: it finds the format by
rendering the template twice and comparing ("differential autoparser"), and has parsers of its own for gpt-oss, Kimi,
MiniMax M3, DeepSeek V3.2, Qwen3-Coder, Ministral 3, Gemma 4 and others. Its word is taken there. These readers are
for the rest: templates that know no tools (many GGUF files carry an older one), text that a model goes on with from
the middle of another's answer, and servers that hand a model's text on as it is.
"""
