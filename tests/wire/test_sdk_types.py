"""Whatever the official SDKs' own types can say: it comes back as it was, and every other dialect answers it, with a
body that its own SDK takes or with an error of ours. Values are drawn by sdk_values.py; a seed is a test case.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from anthropic.types.beta import BetaMessage
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types as genai
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

from tests.wire.sdk_values import Values
from tsuji.core.assemble import replay
from tsuji.core.errors import InvalidRequestError, TsujiError, UpstreamProtocolError
from tsuji.core.request import ChatRequest
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

SEEDS = 150
Json = dict[str, Any]


def openai_request(values: Values) -> Json:
    return {**values.of(CompletionCreateParamsNonStreaming), "model": "m"}


def responses_request(values: Values) -> Json:
    return {**values.of(ResponseCreateParamsNonStreaming), "model": "m"}


def anthropic_request(values: Values) -> Json:
    body = {**values.of(MessageCreateParamsNonStreaming), "model": "claude-sonnet-4-5"}
    body.pop("betas", None)  # a header
    for message in body["messages"]:
        if isinstance(
            message.get("content"), list
        ):  # results stand first, an assistant shows no images: the API's rules
            spoken = [b for b in message["content"] if (message["role"], b["type"]) != ("assistant", "image")]
            message["content"] = sorted(spoken, key=lambda block: block["type"] != "tool_result")
    for tool in body.get("tools", []):
        if "input_schema" in tool:
            tool["input_schema"]["type"] = "object"
    return body


def one_kind(part: Json, dice: Any) -> Json:
    """Gemini's part has a field for each kind, and one of them is set."""
    beside = ("thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata")
    kinds = sorted(part.keys() - set(beside))
    kept = {k: part[k] for k in [*beside, dice.choice(kinds)] if k in part} if kinds else {**part, "text": "words"}
    for name in ("functionCall", "functionResponse"):
        if name in kept:
            kept[name]["name"] = "tool"
    if "functionResponse" in kept:
        kept["functionResponse"].setdefault("response", {"result": 1})
        kept["functionResponse"].pop("parts", None)
    if "fileData" in kept:
        kept["fileData"]["fileUri"] = "gs://bucket/file"
    if "inlineData" in kept:
        kept["inlineData"] = {"data": "aGVsbG8=", "mimeType": "image/png"}
    return kept


def gemini_request(values: Values) -> Json:
    dice = values.dice
    contents = [values.of(genai.Content, 2) for _ in range(dice.randint(1, 3))]
    body: Json = {"contents": contents}
    for content in contents:
        content["role"] = dice.choice(("user", "model"))
        content["parts"] = [one_kind(part, dice) for part in content.get("parts", [{}])]
    config = values.of(genai.GenerationConfig, 2)
    config.pop("responseSchema", None)
    if "topK" in config:
        config["topK"] = 40
    if "responseJsonSchema" in config:
        config["responseJsonSchema"] = {"type": "object"}
    body["generationConfig"] = config
    body["safetySettings"] = [values.of(genai.SafetySetting, 2)]
    tool = values.of(genai.Tool, 2)
    for function in tool.get("functionDeclarations", []):
        function["name"] = "tool"
        function.pop("parametersJsonSchema", None)
    return body | {"tools": [tool]}


def openai_answer(values: Values) -> Json:
    body = {**values.of(ChatCompletion), "model": "m"}
    for index, choice in enumerate(body["choices"]):
        choice["index"] = index
    return body


def responses_answer(values: Values) -> Json:
    body = {**values.of(Response), "model": "m", "object": "response", "status": "completed", "created_at": 1}
    for name in ("error", "incomplete_details"):
        body.pop(name, None)
    return body


def anthropic_answer(values: Values) -> Json:
    body = {**values.of(BetaMessage), "model": "m"}
    body["usage"].pop("cache_creation", None)  # parts of a count that is drawn apart
    return body


def gemini_answer(values: Values) -> Json:
    candidates = [values.of(genai.Candidate, 1)]
    for index, candidate in enumerate(candidates):
        parts = candidate.get("content", {}).get("parts", [{}])
        content = {"role": "model", "parts": [one_kind(part, values.dice) for part in parts]}
        candidate |= {"index": index, "finishReason": "STOP", "content": content}
        candidate.pop("logprobsResult", None)  # its lists go together
        candidates[index] = candidate
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    return {"candidates": candidates, "usageMetadata": usage, "responseId": "r", "modelVersion": "m"}


class Sdk(NamedTuple):
    request: Callable[[Values], Json]
    answer: Callable[[Values], Json]
    answers: TypeAdapter[Any]


SDKS = {
    "openai": Sdk(openai_request, openai_answer, TypeAdapter(ChatCompletion)),
    "responses": Sdk(responses_request, responses_answer, TypeAdapter(Response)),
    "anthropic": Sdk(anthropic_request, anthropic_answer, TypeAdapter(BetaMessage)),
    "gemini": Sdk(gemini_request, gemini_answer, TypeAdapter(genai.GenerateContentResponse)),
}
PATH_MODEL = {"gemini": "m"}
each = pytest.mark.parametrize("name", SDKS)

TOO_LITTLE = re.compile(
    r"must be (a file|an image|an object) with|must be a list with at least|'tools\[\d+\].*' must be an object"
)
"""Refusals of what an SDK's type allows though its API cannot: a file that is none, a conversation of nothing."""
NORMALISED = re.compile(
    r"\.(file_data|file_url|file_id|filename|image_url): (lost|added)"  # a file named in two ways is sent in one
    r"|message(s\[\])?\.content: added"  # where nothing is said, "" says so
    r"|\.output\[\]\.(id|status): added"  # the client's types require them
)


def draw(name: str, seed: int) -> Values:
    return Values(seed, alias=name == "gemini")


def bare(value: Any) -> Any:
    """Without null and empty objects, which say nothing."""
    if isinstance(value, dict):
        return {k: v for k, item in value.items() if item is not None and (v := bare(item)) != {}}
    return [bare(item) for item in value] if isinstance(value, list) else value


def differences(was: Any, now: Any, path: str = "") -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        out = [f"{path}.{k}: lost" for k in was.keys() - now.keys()] + [f"{path}.{k}: added" for k in now.keys() - was]
        return out + [line for k in was.keys() & now.keys() for line in differences(was[k], now[k], f"{path}.{k}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [line for a, b in zip(was, now, strict=True) for line in differences(a, b, path + "[]")]
    return [] if was == now else [f"{path}: {str(was)[:80]} -> {str(now)[:80]}"]


def parsed(name: str, body: Json) -> ChatRequest | None:
    """None where the body says too little to be a request."""
    try:
        return dialect(name).parse_request(json.dumps(body).encode(), PATH_MODEL.get(name), False)
    except InvalidRequestError as error:
        assert TOO_LITTLE.search(error.message), error.message
        return None


@each
def test_requests_come_back(name: str) -> None:
    told: dict[str, int] = {}
    kept = 0
    for seed in range(SEEDS):
        body = SDKS[name].request(draw(name, seed))
        request = parsed(name, body)
        if request is None:
            continue
        try:
            call = dialect(name).render_request(request, NO_QUIRKS, Losses(name))
        except TsujiError as error:
            told.setdefault(f"{type(error).__name__}: {error.message}", seed)
            continue
        kept += 1
        for line in differences(bare(body), bare(json.loads(call.body))):
            if not NORMALISED.search(line):
                told.setdefault(line, seed)
    assert told == {}
    assert kept > SEEDS // 2


@each
def test_answers_come_back(name: str) -> None:
    told: dict[str, int] = {}
    for seed in range(SEEDS):
        body = SDKS[name].answer(draw(name, seed))
        answer = dialect(name).parse_response(json.dumps(body).encode(), NO_QUIRKS)
        for line in differences(bare(body), bare(json.loads(dialect(name).render_response(answer)))):
            if not NORMALISED.search(line):
                told.setdefault(line, seed)
    assert told == {}


@each
def test_every_other_dialect_answers_requests(name: str) -> None:
    """A request that was refused by name is sent without the field where that is allowed."""
    for seed in range(SEEDS):
        request = parsed(name, SDKS[name].request(draw(name, seed)))
        for target in SDKS if request else ():
            for drop in (False, True):
                try:
                    call = dialect(target).render_request(request, NO_QUIRKS, Losses(target, drop))
                except TsujiError as error:
                    assert error.fault == "caller", error
                    continue
                json.loads(call.body)


@each
def test_every_other_sdk_takes_the_answers(name: str) -> None:
    told: dict[str, int] = {}
    for seed in range(SEEDS):
        body = SDKS[name].answer(draw(name, seed))
        try:
            answer = dialect(name).parse_response(json.dumps(body).encode(), NO_QUIRKS)
        except UpstreamProtocolError as error:
            told.setdefault(error.message, seed)
            continue
        for target, sdk in SDKS.items():
            try:
                sdk.answers.validate_json(dialect(target).render_response(answer))
            except ValidationError as error:
                told.setdefault(f"{target}: {error.errors()[0]['loc']} {error.errors()[0]['msg']}", seed)
            asked = ChatRequest(model="m", stream=True)
            assert dialect(target).stream_renderer(asked).render(list(replay(answer)))
    assert told == {}
