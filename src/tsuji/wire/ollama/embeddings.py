"""/api/embed, and /api/embeddings, which came before it and takes one `prompt`: both ways.

https://docs.ollama.com/api/embed. `truncate`, `keep_alive` and `options`, which are about how the model is run, are
hints: other dialects leave them out.
"""

from typing import Any, Final

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.passthrough import decode_body, encode, quirky
from tsuji.wire.tasks import leave_out
from tsuji.wire.vectors import unpack

from .fields import UNEXPECTED, Object, Wrong, a_list, a_name, a_string, an_integer, own, plain, rest, text_of, to_ext
from .request_in import FIELDS
from .response_in import decode_answer, parse_usage
from .response_out import encode_answer

PATH: Final = "/api/embed"
_LEGACY_PATH: Final = "/api/embeddings"
_HINTS: Final = ("truncate", "keep_alive", "options")
EMBEDDING_FIELDS: Final = frozenset(("model", "input", "prompt", "dimensions", *_HINTS))
_ELSEWHERE: Final = FIELDS - EMBEDDING_FIELDS
_ANSWER: Final = frozenset(("model", "embeddings", "embedding", "prompt_eval_count"))


def parse_embedding_request(body: bytes, model: str | None) -> EmbeddingRequest:
    """Raises InvalidRequestError."""
    given = decode_body(body)
    try:
        extra = rest(given, EMBEDDING_FIELDS)
        extra |= {"~" + name: given[name] for name in _HINTS if given.get(name) is not None}
        legacy = "input" not in given and "prompt" in given
        if legacy:
            extra["~prompt"] = True
        value = given.get("prompt" if legacy else "input")
        many = value.__class__ is list and not legacy
        inputs = [a_string(item, f"input[{i}]") for i, item in enumerate(a_list(value, "input"))] if many else None
        if inputs is None:
            inputs = [a_string(value, "prompt" if legacy else "input")]
        if not inputs:
            raise Wrong("input", "a text or a list with at least one")
        dimensions = given.get("dimensions")
        return EmbeddingRequest(
            model=model or a_name(given.get("model"), "model"),
            inputs=tuple(inputs),
            many=many,
            dimensions=None if dimensions is None else an_integer(dimensions, "dimensions"),
            ext=to_ext(extra),
        )
    except Wrong as wrong:
        raise wrong.request_error() from None


def render_embedding_request(request: EmbeddingRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for token lists, and for what the dialect cannot say unless losses.drop."""
    for index, text in enumerate(request.inputs):
        if not isinstance(text, str):
            raise UnsupportedParameterError(
                f"the ollama dialect embeds texts, not token lists; send input[{index}] as text",
                param=f"input[{index}]",
            )
    extra = losses.ext(request.ext)
    if not request.inputs:
        raise InvalidRequestError("'input' must hold at least one text", param="input")
    if request.task is not None:
        leave_out(request.task, losses)
    if request.title is not None:
        losses.refuse("title", "it is no field of it")
    if request.user is not None:
        losses.note("user")
    mine = own(request.ext)
    legacy = "~prompt" in mine
    body: Object = {"model": request.model}
    body["prompt" if legacy else "input"] = list(request.inputs) if request.many else request.inputs[0]
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    body.update({name: mine["~" + name] for name in _HINTS if "~" + name in mine})
    body.update(extra)
    return Call(_LEGACY_PATH if legacy else PATH, encode(quirky(body, quirks, losses, _ELSEWHERE)))


def parse_embedding_response(body: bytes) -> EmbeddingResponse:
    """Raises UpstreamProtocolError, or the error that the body holds."""
    answer = decode_answer(body)
    try:
        listed = [answer["embedding"]] if "embedding" in answer else a_list(answer.get("embeddings"), "embeddings")
        return EmbeddingResponse(
            model=text_of(answer.get("model")),
            vectors=tuple([_vector(each) for each in listed]),
            usage=parse_usage(answer),
            ext=to_ext(rest(answer, _ANSWER)),
        )
    except Wrong as wrong:
        raise UpstreamProtocolError(f"in the provider's answer {wrong.path!r} must be {wrong.expected}") from None
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's answer is malformed: {error}") from None


def _vector(value: Any) -> tuple[float, ...]:
    return tuple([float(number) for number in a_list(value, "embeddings[]")])


def render_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Raises UpstreamProtocolError for a base64 vector that is none."""
    vectors = [unpack(v) for v in response.vectors]
    if "~prompt" in own(request.ext):
        return encode_answer({"embedding": vectors[0] if vectors else []})
    out: Object = {"model": response.model or request.model, "embeddings": vectors, **plain(response.ext)}
    if response.usage is not None and response.usage.input_tokens is not None:
        out["prompt_eval_count"] = response.usage.input_tokens
    return encode_answer(out)
