"""What the blocking and the asyncio client share: configuration, defaults, upstreams, and which route a call takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tsuji.config import Config, load_config
from tsuji.core.errors import InvalidRequestError
from tsuji.core.response import EmbeddingResponse, ModelInfo
from tsuji.routing import Route, Target
from tsuji.wire.vectors import unpack

from .exchange import LOCAL, Exchange
from .jobs import Job
from .options import checked
from .results import CreateEmbeddingResponse, Embedding, EmbeddingUsage, Model
from .trace import Trace
from .upstreams import Upstreams

if TYPE_CHECKING:
    from tsuji.http.tls import TlsConfig

Answer = TypeVar("Answer")


class Dispatch:
    """defaults: fields of options.Target for every call that does not set them."""

    __slots__ = ("_defaults", "_upstreams", "config")

    def __init__(
        self, config: Config | str | Path | None, defaults: Mapping[str, Any], tls: "TlsConfig | None" = None
    ) -> None:
        if config is None or isinstance(config, str | Path):
            config = load_config(Path(config) if config is not None else None)
        self.config = config
        self._defaults = {name: checked(name, value) for name, value in defaults.items() if value is not None}
        self._upstreams = Upstreams(tls)

    def exchange(self, job: Job[Answer], model: Any, target: dict[str, Any]) -> Exchange[Answer]:
        """Raises ModelNotFoundError, InvalidRequestError."""
        settings = {**self._defaults, **target} if self._defaults else target
        if not isinstance(model, str):
            raise InvalidRequestError(
                f"model must be a string such as 'openai:gpt-5-mini', not {model!r}", param="model"
            )
        if "provider" in settings:
            model = f"{_plain(settings['provider'])}:{model}"
        route, assignment = self.config.route(model), None
        if route.experiment is not None:
            from .trial import enrol

            route, assignment = enrol(route, route.experiment, job)
        made = Exchange(self.config, self._upstreams, job, route, settings)
        made.trace.assignment = assignment
        return made

    def listing(self, job: Job[Answer], provider: Any, target: dict[str, Any]) -> Exchange[Answer]:
        """For a question to a provider and not to one of its models."""
        name = _plain(provider)
        timeouts = self.config.route(f"{name}:*").timeouts
        route = Route(name, (Target(name, ""),), timeouts=timeouts)
        return Exchange(self.config, self._upstreams, job, route, {**self._defaults, **target})


def _plain(provider: Any) -> str:
    """any-llm's providers are an enum."""
    return str(getattr(provider, "value", provider))


def is_local(provider: Any) -> bool:
    return _plain(provider) == LOCAL


def embeddings(response: EmbeddingResponse, trace: Trace, *, packed: bool) -> CreateEmbeddingResponse:
    """packed: vectors that came as base64 stay so."""
    data: list[Embedding] = []
    for index, vector in enumerate(response.vectors):
        packed_vector = vector if packed and isinstance(vector, str) else None
        data.append(Embedding(index=index, embedding=packed_vector or list(unpack(vector))))
    result = CreateEmbeddingResponse(model=response.model, data=data)
    if response.usage is not None:
        tokens = response.usage.input_tokens
        result.usage = EmbeddingUsage(prompt_tokens=tokens, total_tokens=response.usage.total_tokens)
    result.trace(trace)
    return result


def models(rows: list[ModelInfo]) -> list[Model]:
    """As OpenAI lists them, with what else is known."""
    return [
        Model(
            id=row.id,
            created=row.created,
            owned_by=row.owned_by,
            display_name=row.display_name,
            context=row.context,
            max_output=row.max_output,
        )
        for row in rows
    ]


def local_models() -> list[Model]:
    """Those that the local engine knows, running or not."""
    from tsuji.engine.local import engine

    return [Model(id=row.name, owned_by=LOCAL, display_name=row.description or None) for row in engine().models()]
