"""LiteLLM as a client, in the dialect that the model's prefix names."""

from typing import Any

import litellm

from .openai_shaped import HELLO, OpenAIShaped

RAISES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "InternalServerError",
}


CAN = ("supports_function_calling", "supports_reasoning", "supports_response_schema", "supports_vision")
"""What LiteLLM has to be told of models that it does not know."""


class LiteLLM(OpenAIShaped):
    def __init__(self, prefix: str, api_base: str, **more: Any) -> None:
        def complete(model: str, **asked: Any) -> Any:
            name = f"{prefix}/{model}"
            if name not in litellm.model_cost:
                litellm.register_model({name: {"litellm_provider": prefix, "mode": "chat", **dict.fromkeys(CAN, True)}})
            return litellm.completion(model=name, api_base=api_base, api_key="unused", max_retries=0, **asked)

        super().__init__(complete, raises=RAISES, **more)

    def _streamed(self, ask: dict[str, Any]) -> dict[str, Any]:
        """As LiteLLM puts its chunks together."""
        built = litellm.stream_chunk_builder(list(self.complete(messages=HELLO, stream=True, **ask)))
        return built.choices[0].message.model_dump(exclude_none=True)


def openai(url: str) -> OpenAIShaped:
    return LiteLLM(
        "openai", f"{url}/v1", loses={"stream": "LiteLLM drops reasoning_details and extra_content in streams"}
    )


def anthropic(url: str) -> OpenAIShaped:
    forced = {"structured/ollama": "LiteLLM demands a call of a tool instead, which Ollama cannot be asked for"}
    return LiteLLM("anthropic", url, absent=forced)


def gemini(url: str) -> OpenAIShaped:
    why = "LiteLLM gives back the signatures of calls, not those of thoughts"
    return LiteLLM("gemini", f"{url}/v1beta", loses={"anthropic": why, "responses": why, "bedrock": why})


def ollama(url: str) -> OpenAIShaped:
    merged = {"tools/stream": "LiteLLM makes one of all calls in a stream of Ollama's"}
    return LiteLLM("ollama_chat", url, absent=merged, loses={"*": "Ollama has no word for a signature"})
