"""What the blocking and the asyncio client share: configuration, defaults, upstreams, and which route a call takes."""

from collections.abc import Mapping
from pathlib import Path
from random import random
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from tsuji.config import Config, load_config
from tsuji.core.errors import InvalidRequestError
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.response import EmbeddingResponse, ModelInfo
from tsuji.routing import ONCE, Health, Route, Target
from tsuji.wire.vectors import unpack

from .choosing import Chooser
from .exchange import Exchange
from .jobs import ChatJob, EmbeddingJob, Job
from .options import checked
from .priors import expect_local
from .results import CreateEmbeddingResponse, Embedding, EmbeddingUsage, Model
from .trace import Trace
from .trial import LOCAL
from .upstreams import Upstreams

if TYPE_CHECKING:
    from tsuji.http.tls import TlsConfig

Answer = TypeVar("Answer")


class Dispatch:
    """defaults: fields of options.Target for every call that does not set them. health: of all that was asked."""

    __slots__ = ("_chooser", "_defaults", "_upstreams", "config", "health")

    def __init__(
        self, config: Config | str | Path | None, defaults: Mapping[str, Any], tls: "TlsConfig | None" = None
    ) -> None:
        if config is None or isinstance(config, str | Path):
            config = load_config(Path(config) if config is not None else None)
        self.config = config
        self._defaults = {name: checked(name, value) for name, value in defaults.items() if value is not None}
        self._upstreams = Upstreams(tls)
        self._chooser = Chooser(config)
        self.health = Health()
        expect_local(self.health, monotonic())

    def exchange(self, job: Job[Answer], model: Any, target: dict[str, Any]) -> Exchange[Answer]:
        """Raises ModelNotFoundError, InvalidRequestError, and what routing.choose does."""
        settings = {**self._defaults, **target} if self._defaults else target
        if not isinstance(model, str):
            raise InvalidRequestError(
                f"model must be a string such as 'openai:gpt-5-mini', not {model!r}", param="model"
            )
        if "provider" in settings:
            model = f"{_plain(settings['provider'])}:{model}"
        route, assignment, asked = self.config.route(model), None, _request_of(job)
        if route.experiment is not None:
            from .enrol import enrol

            route, assignment = enrol(route, route.experiment, asked if isinstance(asked, ChatRequest) else None)
        task = settings.get("task") or ""
        choice = self._chooser.choose(route, asked, self.health, monotonic(), random, task)
        made = Exchange(self.config, self._upstreams, job, route, settings, self.health, choice)
        if route.learned is not None:
            made.trace.teaches(self._chooser.drift)
        made.trace.assignment = assignment if assignment is not None and assignment.counted else None
        return made

    def listing(self, job: Job[Answer], provider: Any, target: dict[str, Any]) -> Exchange[Answer]:
        """For a question to a provider and not to one of its models."""
        name = _plain(provider)
        timeouts = self.config.route(f"{name}:*").timeouts
        route = Route(name, (Target(name, ""),), timeouts=timeouts, retry=ONCE)
        return Exchange(self.config, self._upstreams, job, route, {**self._defaults, **target}, self.health)


def _request_of(job: Any) -> ChatRequest | EmbeddingRequest | None:
    return job.request if isinstance(job, ChatJob | EmbeddingJob) else None


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
