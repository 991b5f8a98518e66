"""Why an answer ended, both ways.

OpenAI's own words, and those of providers that speak its dialect: Mistral (`model_length`), Z.ai (`sensitive`,
`network_error`, `model_context_window_exceeded`), DeepSeek (`insufficient_system_resource`), TGI and Together (`eos`),
vLLM and SGLang (`abort`), OpenRouter (`error`).
"""

from tsuji.core.response import StopReason

FINISHED: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_length": "context_window",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool_calls",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
    "error": "error",
    "abort": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}

# The client knows five words. An answer that is not whole must not look finished: "length".
_WORDS: dict[StopReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_window": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",
    "malformed_tool_call": "stop",
    "error": "length",
    "other": "stop",
}
_OFFICIAL = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))


def read_stop(word: str, called: bool) -> StopReason:
    """called: whether there are tool calls: some providers say "stop", or nothing, after them."""
    if called and word in ("stop", "", "eos", "end_turn"):
        return "tool_calls"
    return FINISHED.get(word, "other") if word else "stop"


def write_stop(stop: StopReason | None, raw: str | None) -> str:
    """The provider's own word, where it is one of the client's."""
    return raw if raw in _OFFICIAL else _WORDS[stop or "stop"]
