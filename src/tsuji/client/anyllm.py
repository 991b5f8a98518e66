"""any-llm's class: one provider and its key, held together."""

from collections.abc import Sequence
from typing import Any, Self

from . import api as public
from .results import Model

_api: Any = public  # its overloads ask for each keyword by its type


class AnyLLM:
    """`AnyLLM.create("mistral", api_key="...").completion(model="mistral-small-latest", messages=[...])`: the public
    functions with `provider`, `api_key` and `api_base` filled in. All models are that provider's.

    client_args: see `tsuji.client.options.CallOptions`; an argument that no client of ours has is refused by name, when
    the first request is made.
    """

    def __init__(self, provider: str, api_key: str | None, api_base: str | None, client_args: dict[str, Any]) -> None:
        self._filled: dict[str, Any] = {"provider": provider, "api_key": api_key, "api_base": api_base}
        self._client_args: dict[str, Any] = {"client_args": client_args} if client_args else {}

    @classmethod
    def create(cls, provider: str, api_key: str | None = None, api_base: str | None = None, **client_args: Any) -> Self:
        """provider: its id, or another name of it. Raises ModelNotFoundError for one that is not known."""
        from tsuji import load_config

        return cls(load_config().provider(str(provider)).id, api_key, api_base, client_args)

    def completion(self, model: str, messages: Sequence[Any], **options: Any) -> Any:
        return _api.completion(model, messages, **self._filled, **self._client_args, **options)

    async def acompletion(self, model: str, messages: Sequence[Any], **options: Any) -> Any:
        return await _api.acompletion(model, messages, **self._filled, **self._client_args, **options)

    def messages(self, model: str, messages: Sequence[Any], **options: Any) -> Any:
        return _api.messages(model, messages, **self._filled, **self._client_args, **options)

    async def amessages(self, model: str, messages: Sequence[Any], **options: Any) -> Any:
        return await _api.amessages(model, messages, **self._filled, **self._client_args, **options)

    def responses(self, model: str, input_data: Any, **options: Any) -> Any:
        return _api.responses(model, input_data, **self._filled, **self._client_args, **options)

    async def aresponses(self, model: str, input_data: Any, **options: Any) -> Any:
        return await _api.aresponses(model, input_data, **self._filled, **self._client_args, **options)

    async def aembedding(self, model: str, inputs: Any, **options: Any) -> Any:
        return await _api.aembedding(model, inputs, **self._filled, **self._client_args, **options)

    def list_models(self) -> list[Model]:
        return _api.list_models(**self._filled, **self._client_args)

    async def alist_models(self) -> list[Model]:
        return await _api.alist_models(**self._filled, **self._client_args)
