"""What can be asked for: one table from method and path to an operation and the dialect it is asked in.

Paths are matched byte by byte, never normalised: a path that some proxy would rewrite ("//", "%2e", case) is another
path here, and is not found. Only a model's name in a path is percent-decoded.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from tsuji.core.errors import InvalidRequestError, NotFoundError, TsujiError


class Endpoint(msgspec.Struct, frozen=True):
    """operation: "chat", "embeddings", "count_tokens", "models", "model", "show", "version", "health", "ready",
    "metrics", "feedback", "root".

    path: exact; or what stands before and after a model's name, where `suffix` is given.
    stream: what the path says of it, None where the body does. streams: what holds where the body does not say either.
    open: no key is asked for.
    """

    method: bytes
    path: bytes
    operation: str
    dialect: str
    suffix: bytes | None = None
    stream: bool | None = None
    streams: bool = False
    open: bool = False


_GEMINI = (b"/v1beta/models/", b"/v1alpha/models/", b"/v1/models/")

TABLE = (
    Endpoint(b"POST", b"/v1/chat/completions", "chat", "openai"),
    Endpoint(b"POST", b"/v1/embeddings", "embeddings", "openai"),
    Endpoint(b"POST", b"/v1/responses", "chat", "responses"),
    Endpoint(b"POST", b"/v1/responses/input_tokens", "count_tokens", "responses"),
    Endpoint(b"POST", b"/v1/feedback", "feedback", "openai"),
    Endpoint(b"GET", b"/v1/models", "models", "openai"),
    Endpoint(b"POST", b"/v1/messages", "chat", "anthropic"),
    Endpoint(b"POST", b"/v1/messages/count_tokens", "count_tokens", "anthropic"),
    Endpoint(b"GET", b"/v1beta/models", "models", "gemini"),
    Endpoint(b"GET", b"/v1alpha/models", "models", "gemini"),
    *[Endpoint(b"POST", at, "chat", "gemini", b":generateContent", stream=False) for at in _GEMINI],
    *[Endpoint(b"POST", at, "chat", "gemini", b":streamGenerateContent", stream=True) for at in _GEMINI],
    *[Endpoint(b"POST", at, "embeddings", "gemini", b":embedContent") for at in _GEMINI],
    *[Endpoint(b"POST", at, "embeddings", "gemini", b":batchEmbedContents") for at in _GEMINI],
    *[Endpoint(b"POST", at, "count_tokens", "gemini", b":countTokens") for at in _GEMINI],
    Endpoint(b"GET", b"/v1beta/models/", "model", "gemini", b""),
    Endpoint(b"GET", b"/v1alpha/models/", "model", "gemini", b""),
    Endpoint(b"GET", b"/v1/models/", "model", "openai", b""),
    Endpoint(b"POST", b"/api/chat", "chat", "ollama", streams=True),
    Endpoint(b"POST", b"/api/generate", "chat", "ollama.generate", streams=True),
    Endpoint(b"POST", b"/api/embed", "embeddings", "ollama"),
    Endpoint(b"POST", b"/api/embeddings", "embeddings", "ollama"),
    Endpoint(b"GET", b"/api/tags", "models", "ollama"),
    Endpoint(b"POST", b"/api/show", "show", "ollama"),
    Endpoint(b"GET", b"/api/version", "version", "ollama"),
    Endpoint(b"POST", b"/v2/chat", "chat", "cohere"),
    Endpoint(b"POST", b"/v2/embed", "embeddings", "cohere"),
    Endpoint(b"POST", b"/model/", "chat", "bedrock", b"/converse", stream=False),
    Endpoint(b"POST", b"/model/", "chat", "bedrock", b"/converse-stream", stream=True),
    Endpoint(b"POST", b"/model/", "embeddings", "bedrock", b"/invoke"),
    Endpoint(b"GET", b"/healthz", "health", "openai", open=True),
    Endpoint(b"GET", b"/readyz", "ready", "openai", open=True),
    Endpoint(b"GET", b"/metrics", "metrics", "openai"),
    Endpoint(b"GET", b"/", "root", "openai"),
)

PREFLIGHT = Endpoint(b"OPTIONS", b"", "preflight", "openai", open=True)

GUARDED = frozenset(["chat", "embeddings"])
"""Operations that guardrails look at."""
JUDGING = Endpoint(b"POST", b"", "chat", "openai", stream=False)
"""Where a guardrail's own question goes: what is asked there is not guarded."""

_EXACT = {(e.method, e.path): e for e in TABLE if e.suffix is None}
_NAMED = tuple([e for e in TABLE if e.suffix is not None])


class WrongMethodError(InvalidRequestError):
    """The path exists, for other methods. allow: which, as the Allow header lists them."""

    kind = "method_not_allowed"
    default_status = 405

    def __init__(self, message: str, allow: bytes) -> None:
        super().__init__(message)
        self.allow = allow


def find(method: bytes, path: bytes) -> tuple[Endpoint, str | None]:
    """The endpoint, and the model that the path names.

    HEAD is answered where GET is. Raises NotFoundError or WrongMethodError.
    """
    found = _EXACT.get((method, path))
    if found is not None:
        return found, None
    if method == b"HEAD":
        method = b"GET"
        found = _EXACT.get((method, path))
        if found is not None:
            return found, None
    for endpoint in _NAMED:
        if endpoint.method == method and _names(endpoint, path):
            return endpoint, _model(endpoint, path)
    raise _nothing(method, path)


def form_of(dialect: str, headers: Mapping[bytes, bytes]) -> str:
    """The dialect, in the form that this client speaks: Mistral's own says who it is."""
    mistral = dialect == "openai" and headers.get(b"user-agent", b"").startswith(b"mistral-client-")
    return "openai.mistral" if mistral else dialect


def dialect_of(path: bytes) -> str:
    """Whose error shape a client on this path understands."""
    if path.startswith(b"/v1/messages"):
        return "anthropic"
    if path.startswith((b"/v1beta/", b"/v1alpha/")) or (path.startswith(b"/v1/models/") and path.endswith(b"Content")):
        return "gemini"
    if path.startswith(b"/api/"):
        return "ollama"
    if path.startswith(b"/v2/"):
        return "cohere"
    return "bedrock" if path.startswith(b"/model/") else "openai"


def _names(endpoint: Endpoint, path: bytes) -> bool:
    suffix = endpoint.suffix or b""
    return path.startswith(endpoint.path) and path.endswith(suffix) and len(path) > len(endpoint.path) + len(suffix)


def _model(endpoint: Endpoint, path: bytes) -> str:
    name = path[len(endpoint.path) : len(path) - len(endpoint.suffix or b"")]
    return unquote(name.decode("ascii", "replace"), errors="replace").removeprefix("models/")


def _nothing(method: bytes, path: bytes) -> TsujiError:
    allowed = {e.method for e in TABLE if (e.path == path if e.suffix is None else _names(e, path))}
    shown = path.decode("ascii", "replace")
    if allowed:
        allow = b", ".join(sorted(allowed | ({b"HEAD"} if b"GET" in allowed else set())))
        verb = method.decode("ascii", "replace")
        return WrongMethodError(f"{shown} does not answer {verb}, only {allow.decode()}", allow)
    near = [e.path.decode() for e in TABLE if e.suffix is None and len(path) > 3 and e.path.endswith(path)]
    hint = f"; did you mean {near[0]}?" if near else "; GET / lists what there is"
    return NotFoundError(f"no such path: {shown}{hint}")
