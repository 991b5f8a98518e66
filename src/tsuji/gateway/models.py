"""What the gateway answers out of itself: its models, and its health."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.core.errors import InvalidRequestError, ModelNotFoundError, NotFoundError, TsujiError
from tsuji.core.response import ModelInfo
from tsuji.wire import dialect
from tsuji.wire.passthrough import decode_fields, model_of

from . import reply
from .admit import check_model
from .endpoints import TABLE, form_of
from .request import Request

if TYPE_CHECKING:
    from tsuji.ledger.grant import Grant

    from .gateway import Gateway

_OWNER = "tsuji"
_OLLAMA = "0.12.11"
"""The version of Ollama whose API is spoken: its clients ask, and hold back what an older one would not know."""
_SIGNS = (
    (b"anthropic-version", "anthropic"),
    (b"x-goog-api-client", "gemini"),
    (b"x-goog-api-key", "gemini"),
    (b"x-client-name", "cohere"),
)
"""Headers that only the clients of one dialect send."""


def available(gateway: "Gateway", grant: "Grant | None" = None) -> list[ModelInfo]:
    """The config's routes, then the models of the local engine. Any other model is asked for as provider:model.

    grant: only those that its key is for.
    """
    found = [ModelInfo(id=name, owned_by=_OWNER) for name in gateway.config.routes]
    try:
        from tsuji.engine.local import engine

        found += [ModelInfo(id=f"local:{model.name}", owned_by="local") for model in engine().models()]
    except (ImportError, TsujiError):
        pass  # this installation has no local engine
    return found if grant is None else [model for model in found if grant.allows_model(model.id)]


def _models(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    return reply.OK + reply.JSON, _render(request, available(gateway, request.grant))


def _known(gateway: "Gateway", name: str, grant: "Grant | None") -> ModelInfo:
    """Raises ModelNotFoundError for a model that cannot be asked for, PermissionDeniedError for one with that key."""
    for model in available(gateway, grant):
        if model.id == name:
            return model
    route = gateway.destinations.route(name)
    if grant is not None:
        check_model(grant, route, gateway.config)
    for target in route.targets:
        gateway.config.provider(target.provider)
    return ModelInfo(id=name, owned_by=name.partition(":")[0])


def _model(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    name = request.model or ""
    model = _known(gateway, name, request.grant)
    whole: dict[str, Any] = msgspec.json.decode(_render(request, [model]))
    rows: list[Any] = whole.get("data") or whole.get("models") or []
    if not rows:
        raise ModelNotFoundError(f"no model {name!r}")
    return reply.OK + reply.JSON, msgspec.json.encode(rows[0])


def _show(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    """As much as Ollama's clients need: that the model is there, and may be asked with tools.

    https://docs.ollama.com/api-reference/show-model-details
    """
    name = model_of(decode_fields(request.body))
    _known(gateway, name, request.grant)
    shown = {
        "details": {"format": "", "family": "", "families": None, "parameter_size": "", "quantization_level": ""},
        "model_info": {"general.architecture": _OWNER, "general.basename": name},
        "capabilities": ["completion", "tools"],
    }
    return reply.OK + reply.JSON, msgspec.json.encode(shown)


def _version(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    return reply.OK + reply.JSON, msgspec.json.encode({"version": _OLLAMA})


def _render(request: Request, found: list[ModelInfo]) -> bytes:
    """In the dialect of the path; /v1/models is Anthropic's, Gemini's and Cohere's too; clients say who they are."""
    name = request.endpoint.dialect if request.endpoint is not None else "openai"
    if name == "openai":
        if b"cohere" in request.headers.get(b"user-agent", b""):  # whose client may send no header of its own
            name = "cohere"
        name = next((other for header, other in _SIGNS if header in request.headers), form_of(name, request.headers))
    render = dialect(name).render_models
    if render is None:
        raise InvalidRequestError(f"the {name} dialect has no list of models", status=501)
    return render(found)


def _health(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    return reply.OK + reply.JSON, b'{"status":"ok"}'


def _ready(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    facts: dict[str, Any] = {"status": "draining" if gateway.stopping else "ready"}
    ledger, refusal = gateway.ledger, None
    if ledger is not None:
        refusal = ledger.refusal()
        facts["ledger"] = {"down": ledger.failure or None, "unwritten_bytes": ledger.spool.held}
        if refusal is not None and not gateway.stopping:
            facts["status"] = "failing"
    unready = gateway.stopping or refusal is not None
    return (reply.status_line(503) if unready else reply.OK) + reply.JSON, msgspec.json.encode(facts)


def _root(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    paths = [f"{e.method.decode()} {e.path.decode()}{_named(e.suffix)}" for e in TABLE]
    return reply.OK + reply.JSON, msgspec.json.encode({"name": "tsuji", "endpoints": paths})


def _metrics(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    raise NotFoundError("this gateway has no metrics; set server.metrics")


def _preflight(gateway: "Gateway", request: Request) -> tuple[bytes, bytes]:
    return reply.OK, b""


def _named(suffix: bytes | None) -> str:
    return "" if suffix is None else "{model}" + suffix.decode()


ANSWERS: dict[str, Callable[["Gateway", Request], tuple[bytes, bytes]]] = {
    "models": _models,
    "model": _model,
    "show": _show,
    "version": _version,
    "health": _health,
    "ready": _ready,
    "metrics": _metrics,
    "root": _root,
    "preflight": _preflight,
}
