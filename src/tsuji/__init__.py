"""Tsuji: every language model behind one string, the hosted ones and the one on your own machine.

    from tsuji import completion
    completion("local:default", messages=[{"role": "user", "content": "hi"}]).choices[0].message.content

The package owns the public names below and loads what is behind them on first use; importing it loads nothing else.
"""

TYPE_CHECKING = False  # typing's own costs as much to import as everything else here; checkers take this for it

if TYPE_CHECKING:
    from .client.aio import AsyncClient, AsyncStream
    from .client.aio_router import AsyncRouter
    from .client.anyllm import AnyLLM
    from .client.api import (
        acompletion,
        aembedding,
        alist_models,
        amessages,
        aresponses,
        completion,
        embedding,
        list_models,
        messages,
        responses,
    )
    from .client.results import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
    from .client.router import Router
    from .client.sync import Client, Stream
    from .config import Config, load_config
    from .core.errors import (
        AuthenticationError,
        ConfigError,
        ContentFilterError,
        ContextLengthExceededError,
        InsufficientFundsError,
        InternalError,
        InvalidRequestError,
        LocalEngineError,
        MissingApiKeyError,
        ModelNotFoundError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        RequestTooLargeError,
        StreamInterruptedError,
        TsujiError,
        UnsupportedParameterError,
        UpstreamConnectionError,
        UpstreamError,
        UpstreamProtocolError,
        UpstreamTimeoutError,
        UpstreamUnavailableError,
    )
    from .core.timeouts import Timeouts

__version__ = "0.1.0"

__all__ = [
    "completion", "acompletion", "messages", "amessages", "responses", "aresponses", "embedding", "aembedding",
    "list_models", "alist_models",
    "AnyLLM", "Client", "AsyncClient", "Router", "AsyncRouter", "Stream", "AsyncStream",
    "ChatCompletion", "ChatCompletionChunk", "ChatCompletionMessage",
    "Config", "load_config", "Timeouts",
    "AuthenticationError", "ConfigError", "ContentFilterError", "ContextLengthExceededError", "InsufficientFundsError",
    "InternalError", "InvalidRequestError", "LocalEngineError", "MissingApiKeyError", "ModelNotFoundError",
    "NotFoundError", "PermissionDeniedError", "RateLimitError", "RequestTooLargeError", "StreamInterruptedError",
    "TsujiError", "UnsupportedParameterError", "UpstreamConnectionError", "UpstreamError", "UpstreamProtocolError",
    "UpstreamTimeoutError", "UpstreamUnavailableError",
]  # fmt: skip

_HOMES = {
    "client.sync": ("Client", "Stream"),
    "client.anyllm": ("AnyLLM",),
    "client.aio": ("AsyncClient", "AsyncStream"),
    "client.router": ("Router",),
    "client.aio_router": ("AsyncRouter",),
    "client.results": ("ChatCompletion", "ChatCompletionChunk", "ChatCompletionMessage"),
    "config": ("Config", "load_config"),
    "core.timeouts": ("Timeouts",),
    "client.api": (
        "completion",
        "acompletion",
        "messages",
        "amessages",
        "responses",
        "aresponses",
        "embedding",
        "aembedding",
        "list_models",
        "alist_models",
    ),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = next((home for home, names in _HOMES.items() if name in names), "core.errors")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
