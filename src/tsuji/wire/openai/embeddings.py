"""Embeddings, both ways. Source: https://platform.openai.com/docs/api-reference/embeddings

`input_type` (Voyage, NVIDIA: https://docs.voyageai.com/reference/embeddings-api) is what core calls a task: by a word
of the provider's where its quirks have `tasks`, else as it is. Vectors travel as floats or as base64 of little-endian
float32, whichever the client asked for; "float", which holds anyway, is said only where the client said it.
"""

from typing import Any

from tsuji.core.errors import InvalidRequestError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse
from tsuji.core.usage import Usage
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.passthrough import decode_body, encode, quirky
from tsuji.wire.tasks import leave_out, word_for
from tsuji.wire.vectors import pack, unpack

from .errors import body_error, decode_answer
from .fields import CHAT_ONLY, NAME, as_integer, as_list, as_text, ext, is_list, is_object, own, rest, wrong
from .guard import guarded_render, guarded_request, guarded_response
from .response_in import text_or
from .usage import read_usage, write_usage

Vector = tuple[float, ...] | str

EMBEDDINGS_PATH = "/embeddings"
_REQUEST = ("model", "input", "dimensions", "encoding_format", "input_type", "user")


@guarded_request
def parse_embedding_request(body: bytes, model: str | None = None) -> EmbeddingRequest:
    """Raises InvalidRequestError."""
    return read_embedding_request(decode_body(body), model)


def read_embedding_request(fields: dict[str, Any], model: str | None = None) -> EmbeddingRequest:
    """As parse_embedding_request, of a body that is decoded already."""
    inputs, many = _inputs(fields.get("input"))
    dimensions, encoding, task, user = (fields.get(n) for n in ("dimensions", "encoding_format", "input_type", "user"))
    name = model if model is not None else as_text(fields.get("model"), "model")
    if not name:
        raise wrong("model", "a non-empty string")
    if encoding is not None and encoding not in ("float", "base64"):
        raise wrong("encoding_format", "float or base64")
    kept = rest(fields, _REQUEST)
    if task is not None:
        kept["~task"] = True
    if encoding is not None:
        kept["~encoding"] = True
    return EmbeddingRequest(
        name,
        inputs,
        many,
        None if dimensions is None else as_integer(dimensions, "dimensions"),
        encoding,
        None if task is None else as_text(task, "input_type"),
        user=None if user is None else as_text(user, "user"),
        ext=ext(kept),
    )


def _inputs(value: Any) -> tuple[tuple[str | tuple[int, ...], ...], bool]:
    if type(value) is str:
        return (value,), False
    inputs = as_list(value, "input")
    if not inputs:
        raise wrong("input", "a string or a list with at least one entry")
    if type(inputs[0]) is int:
        return (_tokens(inputs, "input"),), False
    found = [v if type(v) is str else _tokens(as_list(v, f"input[{i}]"), f"input[{i}]") for i, v in enumerate(inputs)]
    return tuple(found), True


def _tokens(value: list[Any], where: str) -> tuple[int, ...]:
    return tuple([as_integer(token, f"{where}[{i}]") for i, token in enumerate(value)])


@guarded_render
def render_embedding_request(request: EmbeddingRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for what cannot be said here, unless losses.drop."""
    extra = losses.ext(request.ext)
    if not request.inputs:
        raise InvalidRequestError("'input' must hold at least one text", param="input")
    body: dict[str, Any] = {"model": request.model, "input": request.inputs if request.many else request.inputs[0]}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.encoding == "base64" or "~encoding" in own(request.ext):
        body["encoding_format"] = request.encoding
    if request.user is not None:
        body["user"] = request.user
    task = _task(request, quirks, losses)
    if task is not None:
        body["input_type"] = task
    if request.title is not None:
        losses.refuse("title", "it is no field of it")
    body.update(extra)
    return Call(EMBEDDINGS_PATH, encode(quirky(body, quirks, losses, CHAT_ONLY)))


def _task(request: EmbeddingRequest, quirks: Quirks, losses: Losses) -> str | None:
    if request.task is None:
        return None
    if quirks.tasks:
        return word_for(request.task, quirks.tasks, losses)
    if "~task" in own(request.ext) or "input_type" in quirks.accepts:
        return request.task
    leave_out(request.task, losses)
    return None


_RESPONSE = frozenset(("object", "data", "model", "usage", "id"))


@guarded_response
def parse_embedding_response(body: bytes) -> EmbeddingResponse:
    """Raises UpstreamProtocolError, or the provider's own error where that came with HTTP 200."""
    answer = decode_answer(body)
    data: Any = answer.get("data")
    if not is_list(data):
        raise body_error(answer) or UpstreamProtocolError("the provider's answer has no embeddings", body=answer)
    rows = sorted([row for row in data if is_object(row)], key=_row_index)
    if len(rows) != len(data):
        raise UpstreamProtocolError("the provider's embeddings are no objects", body=answer)
    usage: Any = answer.get("usage")
    name: Any = answer.get("id")
    return EmbeddingResponse(
        text_or(answer.get("model"), ""),
        tuple([_vector(row.get("embedding")) for row in rows]),
        _usage(usage) if is_object(usage) else None,
        name if type(name) is str else None,
        ext(rest(answer, _RESPONSE)),
    )


def _row_index(row: dict[str, Any]) -> int:
    index = row.get("index")
    return index if type(index) is int else 0


def _usage(usage: dict[str, Any]) -> Usage:
    """All of it is input, also where the provider (Voyage) gives the total alone."""
    found = read_usage(usage)
    if found.input_tokens is not None:
        return found
    return Usage(found.total, found.output_tokens, total=found.total, ext=found.ext)


def _vector(value: Any) -> Vector:
    if type(value) is str:
        return value
    if not is_list(value):
        raise UpstreamProtocolError("an embedding of the provider's is neither a list of numbers nor base64")
    return tuple([float(number) for number in value])


def render_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Vectors as the client asked for them. Raises UpstreamProtocolError if a base64 vector is none."""
    return encode(write_embedding_response(response, request))


def write_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> dict[str, Any]:
    """The body of the answer, before it is JSON."""
    write = pack if request.encoding == "base64" else unpack
    rows = [{"object": "embedding", "index": i, "embedding": write(v)} for i, v in enumerate(response.vectors)]
    out: dict[str, Any] = {"object": "list", "data": rows, "model": response.model}
    if response.id is not None:
        out["id"] = response.id
    usage = write_usage(response.usage) if response.usage is not None else {"prompt_tokens": 0, "total_tokens": 0}
    usage.pop("completion_tokens", None)
    out["usage"] = usage
    for name, value in (response.ext or {}).get(NAME, {}).items():
        if not name.startswith("~"):
            out[name] = value
    return out
