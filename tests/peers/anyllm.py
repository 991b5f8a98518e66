"""any-llm as a client: a provider of its own with its base URL at the gateway."""

from functools import partial

from any_llm import completion

from .openai_shaped import OpenAIShaped

RAISES = {
    400: "InvalidRequestError",
    401: "AuthenticationError",
    404: "ModelNotFoundError",
    429: "RateLimitError",
    500: "ProviderError",
}


def openai(url: str) -> OpenAIShaped:
    return OpenAIShaped(partial(completion, provider="openai", api_key="unused", api_base=f"{url}/v1", client_args={'max_retries': 0}), raises=RAISES)


def anthropic(url: str) -> OpenAIShaped:
    return OpenAIShaped(partial(completion, provider="anthropic", api_key="unused", api_base=url, client_args={'max_retries': 0}), raises=RAISES)
