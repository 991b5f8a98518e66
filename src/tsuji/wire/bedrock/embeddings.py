"""Embeddings through InvokeModel, in each family's own body, both ways.

| family | texts a call | body | answer |
|---|---|---|---|
| Amazon Titan text | one | `inputText`, v2 also `dimensions`, `normalize` | `embedding`, `inputTextTokenCount` |
| Amazon Titan multimodal | one | `inputText`, `embeddingConfig.outputEmbeddingLength` | the same |
| Cohere Embed v3, v4 | many | `texts`, `input_type`, `output_dimension` (v4) | `embeddings`, a list or by type |
| Amazon Nova | one | `taskType`, `singleEmbeddingParams` | `embeddings`, a list of objects |

The id of a model names its family; a client's body shows its own. A call is one HTTP request, so several texts for a
family that takes one are refused. Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html,
.../model-parameters-titan-embed-text.html, .../model-parameters-titan-embed-mm.html,
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html.
"""

from collections.abc import Callable
from typing import Any, Final

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse
from tsuji.core.usage import Usage
from tsuji.wire.vectors import unpack

from ..anthropic.fields import (
    UNEXPECTED,
    Object,
    Wrong,
    as_int,
    as_list,
    as_number,
    as_object,
    as_string,
    count_or_none,
    each,
    rest,
    text_or_none,
    within,
)
from ..dialect import Call, Losses
from ..passthrough import decode_body, encode, quirky
from .fields import ext_of, own, plain
from .request_out import model_path
from .response_in import decode_answer

_ANSWER: Final = frozenset(("embedding", "embeddings", "inputTextTokenCount", "id"))


def _family(model: str, otherwise: str = "") -> str:
    lower = model.lower()
    for word, name in (("titan-embed-image", "image"), ("titan", "titan"), ("cohere", "cohere"), ("nova", "nova")):
        if word in lower:
            return name
    return otherwise


def parse_embedding_request(body: bytes, model: str | None) -> EmbeddingRequest:
    """Raises InvalidRequestError."""
    given = {k: v for k, v in decode_body(body).items() if v is not None}
    if not model:
        raise InvalidRequestError("'model' must be named in the path: /model/MODEL/invoke", param="model")
    try:
        if "inputText" in given:
            return _parse_titan(given, model)
        if "texts" in given:
            return _parse_cohere(given, model)
        if "singleEmbeddingParams" in given:
            return _parse_nova(given, model)
    except Wrong as wrong:
        raise wrong.as_request_error() from None
    raise InvalidRequestError(
        "through /invoke this gateway embeds texts: the body needs 'inputText' (Titan), 'texts' (Cohere) or "
        "'singleEmbeddingParams' (Nova); for a conversation ask /converse"
    )


def _parse_titan(given: Object, model: str) -> EmbeddingRequest:
    extra = rest(given, frozenset(("inputText", "dimensions", "embeddingConfig", "normalize")))
    config = as_object(given.get("embeddingConfig") or {}, "embeddingConfig")
    extra["~family"] = "image" if "embeddingConfig" in given else "titan"
    extra.update({f"embeddingConfig.{k}": v for k, v in rest(config, frozenset(("outputEmbeddingLength",))).items()})
    if "normalize" in given:
        extra["~normalize" if given["normalize"] is True else "normalize"] = given["normalize"]
    size = given.get("dimensions", config.get("outputEmbeddingLength"))
    return EmbeddingRequest(
        model=model,
        inputs=(as_string(given["inputText"], "inputText"),),
        many=False,
        dimensions=None if size is None else as_int(size, "dimensions"),
        ext=ext_of(extra),
    )


def _parse_cohere(given: Object, model: str) -> EmbeddingRequest:
    extra = rest(given, frozenset(("texts", "input_type", "output_dimension")))
    size, task = given.get("output_dimension"), given.get("input_type")
    inputs = within("texts", lambda v: each(as_list(v), as_string), given["texts"])
    if not inputs:
        raise Wrong("texts", "a list with at least one text")
    return EmbeddingRequest(
        model=model,
        inputs=tuple(inputs),
        dimensions=None if size is None else as_int(size, "output_dimension"),
        task=None if task is None else as_string(task, "input_type"),
        ext=ext_of({**extra, "~family": "cohere"}),
    )


def _parse_nova(given: Object, model: str) -> EmbeddingRequest:
    """Other tasks than that of a single embedding write to S3, and are no operation of ours."""
    asked = as_object(given["singleEmbeddingParams"], "singleEmbeddingParams")
    if given.get("taskType") not in (None, "SINGLE_EMBEDDING"):
        raise Wrong("taskType", "'SINGLE_EMBEDDING'")
    text = as_object(asked.get("text"), "singleEmbeddingParams.text")
    extra = rest(given, frozenset(("taskType", "singleEmbeddingParams")))
    known = frozenset(("embeddingPurpose", "embeddingDimension", "text"))
    extra.update({f"singleEmbeddingParams.{k}": v for k, v in rest(asked, known).items()})
    extra.update({f"text.{k}": v for k, v in rest(text, frozenset(("value", "truncationMode"))).items()})
    extra["~family"] = "nova"
    for name, where in (("taskType", given), ("truncationMode", text)):
        if name in where:
            extra["~" + name] = where[name]
    size, purpose = asked.get("embeddingDimension"), asked.get("embeddingPurpose")
    return EmbeddingRequest(
        model=model,
        inputs=(as_string(text.get("value"), "singleEmbeddingParams.text.value"),),
        many=False,
        dimensions=None if size is None else as_int(size, "singleEmbeddingParams.embeddingDimension"),
        task=None if purpose is None else as_string(purpose, "singleEmbeddingParams.embeddingPurpose"),
        ext=ext_of(extra),
    )


def render_embedding_request(request: EmbeddingRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError for token lists, for several texts where a call takes one, and for what the
    family cannot say unless losses.drop.
    """
    family = _family(request.model, own(request.ext).get("~family", ""))
    render = _RENDER.get(family)
    if render is None:
        raise InvalidRequestError(
            f"it is not known how {request.model!r} embeds; Bedrock's embedding models here are Amazon Titan and Nova, "
            "and Cohere Embed",
            param="model",
        )
    for index, text in enumerate(request.inputs):
        if not isinstance(text, str):
            raise UnsupportedParameterError(
                f"the bedrock dialect embeds texts, not token lists; send input[{index}] as text",
                param=f"input[{index}]",
            )
    if not request.inputs:
        raise InvalidRequestError("'input' must hold at least one text", param="input")
    if family != "cohere" and len(request.inputs) > 1:
        raise UnsupportedParameterError(
            f"{request.model!r} embeds one text a call, and the request has {len(request.inputs)}; send them one by "
            "one, or use a Cohere model",
            param="input",
        )
    if request.title is not None:
        losses.refuse("title", "it is no field of it")
    if request.user is not None:
        losses.note("user")
    body: Object = {}
    render(request, body, losses)
    for name, value in losses.ext(request.ext).items():
        _place(body, name, value)
    return Call(model_path(request.model) + "/invoke", encode(quirky(body, quirks, losses)))


def _place(body: Object, name: str, value: Any) -> None:
    outer, dot, inner = name.partition(".")
    if outer == "text":
        body["singleEmbeddingParams"]["text"][inner] = value
    elif dot:
        body.setdefault(outer, {})[inner] = value
    else:
        body[name] = value


def _render_titan(request: EmbeddingRequest, body: Object, losses: Losses) -> None:
    body["inputText"] = request.inputs[0]
    if request.task is not None:
        losses.refuse("task", "Titan embeds for all purposes alike")
    if request.dimensions is None:
        pass
    elif _family(request.model, own(request.ext).get("~family", "")) == "image":
        body["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
    elif "-v1" in request.model or "g1-text" in request.model:
        losses.refuse("dimensions", "Titan's text embeddings v1 have one size")
    else:
        body["dimensions"] = request.dimensions
    if "~normalize" in own(request.ext):
        body["normalize"] = True


def _render_cohere(request: EmbeddingRequest, body: Object, losses: Losses) -> None:
    """`input_type` is required; texts to be searched are what is embedded most."""
    body["texts"] = list(request.inputs)
    said = "~family" not in own(request.ext) or request.task is not None
    if said:
        body["input_type"] = request.task or "search_document"
    if request.dimensions is not None:
        if "-v3" in request.model:
            losses.refuse("dimensions", "Cohere's Embed v3 has one size")
        else:
            body["output_dimension"] = request.dimensions


def _render_nova(request: EmbeddingRequest, body: Object, losses: Losses) -> None:
    said = own(request.ext)
    if "~taskType" in said or "~family" not in said:
        body["taskType"] = "SINGLE_EMBEDDING"
    asked: Object = {}
    if request.task is not None or "~family" not in said:
        asked["embeddingPurpose"] = request.task or "GENERIC_INDEX"
    if request.dimensions is not None:
        asked["embeddingDimension"] = request.dimensions
    text: Object = {"value": request.inputs[0]}
    if "~truncationMode" in said or "~family" not in said:
        text["truncationMode"] = said.get("~truncationMode", "NONE")
    body["singleEmbeddingParams"] = {**asked, "text": text}


_RENDER: Final[dict[str, Callable[[EmbeddingRequest, Object, Losses], None]]] = {
    "titan": _render_titan,
    "image": _render_titan,
    "cohere": _render_cohere,
    "nova": _render_nova,
}


def parse_embedding_response(body: bytes) -> EmbeddingResponse:
    """Of any family, by its shape. Raises UpstreamProtocolError, or the error that the body holds."""
    answer = decode_answer(body)
    extra = rest(answer, _ANSWER)
    try:
        found: Any = answer.get("embeddings", answer.get("embedding"))
        if "embedding" in answer and "embeddings" not in answer:
            vectors = [_vector(found)]
        elif type(found) is dict:
            extra["~by"] = True
            vectors = [_vector(v) for v in as_list(as_object(found).get("float"), "embeddings.float")]
        else:
            listed = as_list(found, "embeddings")
            vectors = [_vector(as_object(v).get("embedding") if type(v) is dict else v) for v in listed]
    except Wrong as wrong:
        raise UpstreamProtocolError(
            f"in the provider's answer '{wrong.path or 'embedding'}' must be {wrong.expected}", body=answer
        ) from None
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's answer is malformed: {error}") from None
    tokens = count_or_none(answer.get("inputTextTokenCount"))
    return EmbeddingResponse(
        model="",
        vectors=tuple(vectors),
        usage=None if tokens is None else Usage(input_tokens=tokens),
        id=text_or_none(answer.get("id")),
        ext=ext_of(extra),
    )


def _vector(value: Any) -> tuple[float, ...]:
    numbers = as_list(value, "embedding")
    if set(map(type, numbers)) <= {float}:
        return tuple(numbers)
    return tuple([float(as_number(number, "embedding[]")) for number in numbers])


def render_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """In the form of the family whose body the client sent.

    Raises UpstreamProtocolError for a base64 vector that is none.
    """
    vectors = [unpack(v) for v in response.vectors]
    family = own(request.ext).get("~family", "titan")
    usage = response.usage
    extra = plain(response.ext)
    if family == "cohere":
        by_type = "~by" in own(response.ext) or "embedding_types" in own(request.ext)
        shape = "embeddings_by_type" if by_type else "embeddings_floats"
        found: Any = {"float": vectors} if by_type else vectors
        texts = list(request.inputs)
        return encode({"embeddings": found, "id": response.id or "", "response_type": shape, "texts": texts, **extra})
    if family == "nova":
        return encode({"embeddings": [{"embeddingType": "TEXT", "embedding": v} for v in vectors], **extra})
    tokens = usage.input_tokens if usage is not None and usage.input_tokens is not None else 0
    return encode({"embedding": vectors[0] if vectors else [], "inputTextTokenCount": tokens, **extra})
