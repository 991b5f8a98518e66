"""/v2/embed, both ways (https://docs.cohere.com/reference/embed).

Vectors come by type: `float` and `base64` are core's; int8, uint8, binary and ubinary are carried for a client of this
dialect and refused by name elsewhere, and so are images. Texts that came as `inputs` of one text each are texts.
What is to be done with a text that is too long (`truncate`) is a hint: other dialects leave it out.

`input_type` is required by the API for its models of today. It is core's task, by any provider's word; where the caller
gives none, none is made up here: what the catalogue's row has as a default is sent.
"""

from typing import Any

from tsuji.core.errors import UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.openai.fields import as_integer, as_list, as_object, as_text, is_list, is_object, rest, wrong
from tsuji.wire.openai.guard import guarded_render, guarded_request, guarded_response
from tsuji.wire.passthrough import decode_body, encode, quirky
from tsuji.wire.tasks import word_for
from tsuji.wire.vectors import pack, unpack

from .errors import decode_answer
from .fields import CHAT_ONLY, Fields, count_of, ext, objects_in, own, plain, text_of
from .usage import read_meta

EMBED_PATH = "/v2/embed"
TASK_WORDS = {
    "query": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
}
_REQUEST = ("model", "texts", "inputs", "input_type", "output_dimension", "embedding_types", "truncate")
_OURS = frozenset(("float", "base64"))


@guarded_request
def parse_embedding_request(body: bytes, model: str | None = None) -> EmbeddingRequest:
    """Raises InvalidRequestError."""
    fields = decode_body(body)
    kept = rest(fields, _REQUEST)
    inputs = _inputs(fields, kept)
    if fields.get("truncate") is not None:
        kept["~truncate"] = fields["truncate"]
    types = fields.get("embedding_types")
    encoding: str | None = None
    if types is None:
        kept["~embedding_types"] = None
    else:
        words = [as_text(word, f"embedding_types[{i}]") for i, word in enumerate(as_list(types, "embedding_types"))]
        kept["~embedding_types" if _OURS.issuperset(words) else "embedding_types"] = words
        encoding = "base64" if words == ["base64"] else "float" if words == ["float"] else None
    dimensions, task = fields.get("output_dimension"), fields.get("input_type")
    name = model if model is not None else as_text(fields.get("model"), "model")
    if not name:
        raise wrong("model", "a non-empty string")
    return EmbeddingRequest(
        name,
        inputs,
        True,
        None if dimensions is None else as_integer(dimensions, "output_dimension"),
        encoding,
        None if task is None else as_text(task, "input_type"),
        ext=ext(kept),
    )


def _inputs(fields: Fields, kept: Fields) -> tuple[str, ...]:
    """The texts. What holds images stays a field of this dialect."""
    mixed: Any = fields.get("inputs")
    if mixed is not None:
        texts = [_only_text(item, f"inputs[{i}]") for i, item in enumerate(as_list(mixed, "inputs"))]
        found = tuple([text for text in texts if text is not None])
        if found and len(found) == len(texts) and fields.get("texts") is None and "images" not in kept:
            kept["~inputs"] = mixed
            return found
        kept["inputs"] = mixed
    texts = as_list(fields.get("texts") or [], "texts")
    if not texts and not kept.keys() & {"inputs", "images"}:
        raise wrong("texts", "a list with at least one text")
    return tuple([as_text(text, f"texts[{i}]") for i, text in enumerate(texts)])


def _only_text(value: Any, where: str) -> str | None:
    content = as_list(as_object(value, where).get("content"), where + ".content")
    blocks = objects_in(content)
    if len(blocks) == len(content) == 1 and blocks[0].get("type") == "text":
        return as_text(blocks[0].get("text"), where + ".content[0].text")
    return None


@guarded_render
def render_embedding_request(request: EmbeddingRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for token lists, and for what the dialect cannot say unless losses.drop."""
    for index, text in enumerate(request.inputs):
        if not isinstance(text, str):
            raise UnsupportedParameterError(
                f"the cohere dialect embeds texts, not token lists; send input[{index}] as text",
                param=f"input[{index}]",
            )
    kept = own(request.ext)
    body: Fields = {"model": request.model}
    if "~inputs" in kept:
        body["inputs"] = kept["~inputs"]
    elif request.inputs:
        body["texts"] = request.inputs
    if request.task is not None:
        task = word_for(request.task, TASK_WORDS, losses)
        if task is not None:
            body["input_type"] = task
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    types = kept.get("~embedding_types", [request.encoding or "float"])
    if types is not None:
        body["embedding_types"] = types
    if "~truncate" in kept:
        body["truncate"] = kept["~truncate"]
    if request.title is not None:
        losses.refuse("title", "it is no field of it")
    if request.user is not None:
        losses.note("user")
    body.update(losses.ext(request.ext))
    return Call(EMBED_PATH, encode(quirky(body, quirks, losses, CHAT_ONLY)))


_ANSWER = ("id", "embeddings", "texts", "meta", "response_type")


@guarded_response
def parse_embedding_response(body: bytes) -> EmbeddingResponse:
    """Raises UpstreamProtocolError, or the error that the body holds. The answer does not say its model: ""."""
    answer = decode_answer(body)
    by_type: Any = answer.get("embeddings")
    kept = rest(answer, _ANSWER)
    if is_list(by_type):
        kept["~response_type"] = "embeddings_floats"
        by_type = {"float": by_type}
    if not is_object(by_type) or not by_type:
        raise UpstreamProtocolError("the provider's answer has no embeddings", body=answer)
    first: str = next((name for name in ("float", "base64") if by_type.get(name) is not None), next(iter(by_type)))
    listed: Any = by_type[first]
    if not is_list(listed):
        raise UpstreamProtocolError("the provider's embeddings are no list", body=answer)
    if by_type.keys() != {"float"}:
        kept["~embeddings"] = by_type
    meta: Any = answer.get("meta")
    return EmbeddingResponse(
        "",
        tuple([vector if type(vector) is str else tuple(map(float, vector)) for vector in listed]),
        read_meta(meta) if is_object(meta) else None,
        text_of(answer.get("id")) or None,
        ext(kept),
    )


def render_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Vectors of the types that the client asked for. Raises UpstreamProtocolError if a base64 vector is none."""
    kept = own(response.ext)
    types: list[str] = own(request.ext).get("~embedding_types") or ["float"]
    made: Fields = {
        name: [pack(vector) if name == "base64" else unpack(vector) for vector in response.vectors] for name in types
    }
    used = None if response.usage is None else count_of(response.usage.input_tokens)
    out: Fields = {
        "id": response.id or "",
        "embeddings": kept.get("~embeddings", made),
        "texts": request.inputs,
        "meta": {"api_version": {"version": "2"}, **({} if used is None else {"billed_units": {"input_tokens": used}})},
        "response_type": "embeddings_by_type",
    }
    if response.usage is not None and own(response.usage.ext):
        out["meta"] = own(response.usage.ext)
    return encode({**out, **plain(response.ext)})
