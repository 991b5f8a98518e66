"""What can be asked of a provider: a chat, embeddings, its list of models. Pure: wire bytes and back."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from tsuji.core.errors import UnsupportedParameterError
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.response import ChatResponse, EmbeddingResponse, ModelInfo
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_NAMES, Call, Losses

from .upstream import Upstream

Answer = TypeVar("Answer", covariant=True)


class Job(Protocol[Answer]):
    """operation: as Provider.endpoints names it. stream: the answer is to come as one. prefer: the dialect to ask in,
    where the provider speaks it. names: of fields, as Losses has them.
    """

    operation: str
    stream: bool
    prefer: str
    names: Mapping[str, str]

    def render(self, upstream: Upstream, model: str, losses: Losses) -> Call: ...

    def parse(self, upstream: Upstream, body: bytes) -> Answer: ...


class ChatJob:
    operation = "chat"

    def __init__(self, request: ChatRequest, asked_in: str = "openai") -> None:
        """asked_in: the dialect whose words the caller uses."""
        self.request = request
        self.stream = request.stream
        self.prefer = asked_in
        self.names = dialect(asked_in).names

    def render(self, upstream: Upstream, model: str, losses: Losses) -> Call:
        request = msgspec.structs.replace(self.request, model=model)
        return upstream.dialect.render_request(request, upstream.provider.quirks, losses)

    def parse(self, upstream: Upstream, body: bytes) -> ChatResponse:
        return upstream.dialect.parse_response(body, upstream.provider.quirks)


class EmbeddingJob:
    operation = "embeddings"
    stream = False
    prefer = ""
    names = NO_NAMES

    def __init__(self, request: EmbeddingRequest) -> None:
        self.request = request

    def render(self, upstream: Upstream, model: str, losses: Losses) -> Call:
        render = _there(upstream, upstream.dialect.render_embedding_request, "embeddings")
        return render(msgspec.structs.replace(self.request, model=model), upstream.provider.quirks, losses)

    def parse(self, upstream: Upstream, body: bytes) -> EmbeddingResponse:
        return _there(upstream, upstream.dialect.parse_embedding_response, "embeddings")(body)


class ModelsJob:
    operation = "models"
    stream = False
    prefer = ""
    names = NO_NAMES

    def render(self, upstream: Upstream, model: str, losses: Losses) -> Call:
        return Call(_there(upstream, upstream.dialect.models_path, "a list of models"), b"", method="GET")

    def parse(self, upstream: Upstream, body: bytes) -> list[ModelInfo]:
        return _there(upstream, upstream.dialect.parse_models, "a list of models")(body)


def _there(upstream: Upstream, part: Any, what: str) -> Any:
    if part is None:
        raise UnsupportedParameterError(f"the {upstream.dialect.name} dialect has no {what}", param="model")
    return part
