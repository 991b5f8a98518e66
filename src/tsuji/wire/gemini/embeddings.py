"""embedContent and batchEmbedContents, both ways (https://ai.google.dev/api/embeddings).

A single text is asked with embedContent, several with batchEmbedContents. Every request of a batch states its own
task, title and dimensions; core has one for all, so a batch whose requests differ is refused. A text that came in
several parts is embedded as one.
"""

from typing import Any, Final

import msgspec

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import Text
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.passthrough import decode_body, encode, quirky
from tsuji.wire.tasks import word_for
from tsuji.wire.vectors import unpack

from .fields import NAME, Malformed, a_list, a_number, a_string, an_integer, an_object, camel, own, place, to_ext
from .parts_in import parse_parts
from .request_in import FIELDS
from .request_out import model_path
from .response_in import decode_json, protocol_error
from .usage import parse_usage

Wire = dict[str, Any]
EMBEDDING_FIELDS: Final = frozenset(("model", "content", "taskType", "title", "outputDimensionality"))
_ELSEWHERE: Final = FIELDS - EMBEDDING_FIELDS
_TASK_WORDS: Final = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "similarity": "SEMANTIC_SIMILARITY",
}


def parse_embedding_request(body: bytes, model: str | None) -> EmbeddingRequest:
    """Raises InvalidRequestError."""
    given = decode_body(body)
    try:
        many = "requests" in given
        listed = a_list(given["requests"], "requests") if many else [given]
        where = [f"requests[{i}]" if many else "" for i in range(len(listed))]
        requests = [camel(an_object(each, at or "body"), []) for each, at in zip(listed, where, strict=True)]
        if not requests:
            raise Malformed("requests", "a list of requests, not an empty one")
        first = requests[0]
        for request, at in zip(requests, where, strict=True):
            _same(first, request, at)
        at = where[0] + "." if many else ""
        name = model or a_string(first.get("model"), at + "model")
        dimensions = first.get("outputDimensionality")
        extra = {k: v for k, v in first.items() if k not in EMBEDDING_FIELDS and v is not None}
        if many:
            extra.update({k: v for k, v in given.items() if k != "requests" and k != "model" and v is not None})
        return EmbeddingRequest(
            model=name.removeprefix("models/"),
            inputs=tuple([_text(r, a + ".content" if a else "content") for r, a in zip(requests, where, strict=True)]),
            many=many,
            dimensions=None if dimensions is None else an_integer(dimensions, at + "outputDimensionality"),
            task=_optional(first, "taskType", at),
            title=_optional(first, "title", at),
            ext=to_ext(extra),
        )
    except Malformed as error:
        raise error.request_error() from None


def _same(first: Wire, request: Wire, at: str) -> None:
    for name in (first.keys() | request.keys()) - {"content"}:
        if first.get(name) != request.get(name):
            raise Malformed(f"{at}.{name}", "the same for all requests of a batch")


def _text(request: Wire, path: str) -> str:
    content = an_object(request.get("content"), path)
    parts = parse_parts(content.get("parts"), path + ".parts")
    texts: list[str] = []
    for i, part in enumerate(parts):
        if type(part) is not Text:
            raise Malformed(f"{path}.parts[{i}]", "text")
        texts.append(part.text)
    if not texts:
        raise Malformed(path + ".parts", "a list of text parts")
    return "".join(texts)


def _optional(fields: Wire, name: str, at: str) -> str | None:
    value = fields.get(name)
    return None if value is None else a_string(value, at + name)


def render_embedding_request(request: EmbeddingRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for token lists, and for what the dialect cannot say unless losses.drop."""
    path = model_path(request.model)
    if request.user is not None:
        losses.note("user")
    common: Wire = {}
    task = None if request.task is None else word_for(request.task, _TASK_WORDS, losses)
    if task is not None:
        common["taskType"] = task
    if request.title is not None:
        common["title"] = request.title
    if request.dimensions is not None:
        common["outputDimensionality"] = request.dimensions
    place(common, dict(losses.ext(request.ext)))
    common = quirky(common, quirks, losses, _ELSEWHERE)
    model = path.removeprefix("/v1beta/")
    bodies: list[Wire] = []
    for index, text in enumerate(request.inputs):
        if not isinstance(text, str):
            raise UnsupportedParameterError(
                f"the {NAME} dialect embeds texts, not token lists; send input[{index}] as text",
                param=f"input[{index}]",
            )
        bodies.append({"content": {"parts": [{"text": text}]}, **common})
    if not bodies:
        raise InvalidRequestError("'input' must hold at least one text", param="input")
    alone = "requests" in quirks.drop
    if alone and len(bodies) > 1:
        raise UnsupportedParameterError("this provider embeds one text at a time; send each by itself", param="input")
    if not alone and (request.many or len(bodies) > 1):
        return Call(path + ":batchEmbedContents", encode({"requests": [{"model": model, **each} for each in bodies]}))
    return Call(path + ":embedContent", encode(bodies[0]))


def parse_embedding_response(body: bytes) -> EmbeddingResponse:
    """Raises UpstreamProtocolError, or the error that the body holds. The answer does not say its model: ""."""
    answer = decode_json(body)
    try:
        if "embedding" in answer:
            listed = [answer["embedding"]]
        elif "embeddings" in answer:
            listed = a_list(answer["embeddings"], "embeddings")
        else:
            raise Malformed("embeddings", "there")
        extra = {k: v for k, v in answer.items() if k not in ("embedding", "embeddings", "usageMetadata")}
        return EmbeddingResponse(
            model="",
            vectors=tuple([_vector(each, f"embeddings[{i}]") for i, each in enumerate(listed)]),
            usage=parse_usage(answer.get("usageMetadata")),
            ext=to_ext(extra),
        )
    except Malformed as error:
        raise protocol_error(error, answer) from None


def _vector(value: Any, path: str) -> tuple[float, ...]:
    values = a_list(an_object(value, path).get("values"), path + ".values")
    if set(map(type, values)) <= {float}:
        return tuple(values)
    return tuple([float(a_number(v, f"{path}.values[{i}]")) for i, v in enumerate(values)])


def render_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    vectors = [{"values": unpack(v)} for v in response.vectors]
    out: Wire = {"embeddings": vectors} if request.many or len(vectors) != 1 else {"embedding": vectors[0]}
    if response.usage is not None and response.usage.input_tokens is not None:
        out["usageMetadata"] = {"promptTokenCount": response.usage.input_tokens, **own(response.usage.ext)}
        if response.usage.total is not None:
            out["usageMetadata"]["totalTokenCount"] = response.usage.total
    place(out, own(response.ext))
    return msgspec.json.encode(out)
