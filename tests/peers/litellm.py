"""LiteLLM as a client, in the dialect that the model's prefix names."""

from typing import Any

from litellm import completion

from .openai_shaped import OpenAIShaped

RAISES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "InternalServerError",
}


def _made(prefix: str, api_base: str, **more: Any) -> OpenAIShaped:
    def complete(model: str, **asked: Any) -> Any:
        return completion(model=f"{prefix}/{model}", api_base=api_base, api_key="unused", max_retries=0, **asked)

    return OpenAIShaped(complete, raises=RAISES, **more)


BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "allowed_openai_params": ["thinking"]}
"""Allowed, because LiteLLM does not know what our models can do."""


def openai(url: str) -> OpenAIShaped:
    return _made("openai", f"{url}/v1", keeps_signatures=True)


def anthropic(url: str) -> OpenAIShaped:
    forced = {"structured/ollama": "LiteLLM demands a call of a tool instead, which Ollama cannot be asked for"}
    return _made("anthropic", url, thinking=BUDGET, absent=forced, keeps_signatures=True)


def gemini(url: str) -> OpenAIShaped:
    return _made("gemini", f"{url}/v1beta", thinking=BUDGET, keeps_signatures=True)


def ollama(url: str) -> OpenAIShaped:
    return _made("ollama_chat", url)
