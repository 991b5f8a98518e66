"""A generateContent request, to core (https://ai.google.dev/api/generate-content#request-body)."""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Message, Role, ToolResult
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ResponseFormat
from tsuji.wire.passthrough import decode_body

from .fields import (
    GENERATION,
    Malformed,
    a_boolean,
    a_list,
    a_number,
    a_string,
    an_integer,
    an_object,
    camel,
    strings,
    to_ext,
)
from .parts_in import parse_parts
from .results import with_ids
from .schema import json_schema
from .thinking import parse_thinking
from .tiers import TIERS
from .tools import parse_choice, parse_tools

_ROLES: Final[dict[str, Role]] = {"user": "user", "model": "assistant", "function": "tool"}
_FORMATS = frozenset(("responseMimeType", "responseSchema", "responseJsonSchema"))


class _Draft:
    """A request under construction: fields of core, fields that core has no noun for, and the conversation."""

    __slots__ = ("contents", "extra", "fields", "snake", "system")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.extra: dict[str, Any] = {"~native": True}
        self.snake: list[str] = []
        self.system: list[Message] = []
        self.contents: list[Message] | None = None


def parse_request(body: bytes, model: str | None, stream: bool | None) -> ChatRequest:
    """Raises InvalidRequestError; its `param` is a path such as "contents[0].parts[1].inlineData"."""
    given = decode_body(body)
    draft = _Draft()
    try:
        for name, value in camel(given, draft.snake).items():
            if value is not None:
                if not value and name in _MAY_BE_EMPTY:
                    draft.extra.setdefault("~empty", {})[name] = value
                read = _TOP.get(name)
                if read is None:
                    draft.extra[name] = value
                else:
                    read(draft, value, name)
        if draft.contents is None:
            raise Malformed("contents", "a list of contents")
    except Malformed as error:
        raise error.request_error() from None
    except RecursionError:
        raise InvalidRequestError("the request is nested too deeply") from None
    name = model or draft.fields.pop("model", "")
    draft.fields.pop("model", None)
    if not name:
        raise InvalidRequestError("the path must name the model: models/{model}:generateContent", param="model")
    return ChatRequest(
        model=name.removeprefix("models/"),
        messages=tuple(draft.system + draft.contents),
        stream=bool(stream),
        ext=to_ext(draft.extra, draft.snake),
        **draft.fields,
    )


def _model(draft: _Draft, value: Any, path: str) -> None:
    draft.fields["model"] = a_string(value, path)


def _contents(draft: _Draft, value: Any, path: str) -> None:
    draft.contents = []
    for i, content in enumerate(a_list(value, path)):
        at = f"{path}[{i}]"
        fields = an_object(content, at)
        raw = fields.get("role")
        role = _ROLES.get(a_string(raw, at + ".role")) if raw is not None else "user"
        extra = {} if raw == "user" or raw == "model" else {"~role": raw}
        if role is None:
            raise Malformed(at + ".role", "'user' or 'model'")
        message = _message(role, fields, at, extra)
        if role == "assistant" and i and draft.contents[-1].role == role:
            message = replace(message, continues=True)
        draft.contents.append(message)
    if any(type(part) is ToolResult and not part.call_id for message in draft.contents for part in message.content):
        draft.contents = with_ids(draft.contents)


def _message(role: Role, fields: dict[str, Any], at: str, extra: dict[str, Any]) -> Message:
    for name, item in fields.items():
        if name != "role" and name != "parts" and item is not None:
            extra[name] = item
    if fields.get("parts") is None:
        extra["~parts"] = None
    return Message(role, tuple(parse_parts(fields.get("parts"), at + ".parts")), ext=to_ext(extra))


def _system(draft: _Draft, value: Any, path: str) -> None:
    fields = an_object(value, path)
    extra = {"~role": fields["role"]} if fields.get("role") is not None else {}
    draft.system.append(_message("system", fields, path, extra))


def _tools(draft: _Draft, value: Any, path: str) -> None:
    tools, sizes = parse_tools(value, path, draft.snake)
    draft.fields["tools"] = tuple(tools)
    if sizes is not None:
        draft.extra["~tools"] = sizes


def _tool_config(draft: _Draft, value: Any, path: str) -> None:
    for name, item in camel(an_object(value, path), draft.snake).items():
        if name == "functionCallingConfig" and item is not None:
            draft.fields["tool_choice"] = parse_choice(item, f"{path}.{name}")
        elif item is not None:
            draft.extra[f"toolConfig.{name}"] = item


def _tier(draft: _Draft, value: Any, path: str) -> None:
    tier = a_string(value, path)
    draft.extra["~serviceTier"] = tier
    draft.fields["service_tier"] = TIERS.get(tier, tier)


def _store(draft: _Draft, value: Any, path: str) -> None:
    draft.fields["store"] = a_boolean(value, path)


def _generation(draft: _Draft, value: Any, path: str) -> None:
    config = camel(an_object(value, path), draft.snake)
    for name, item in config.items():
        if item is None or name in _FORMATS:
            continue
        scalar = _SCALARS.get(name)
        if scalar is not None:
            field, read = scalar
            draft.fields[field] = read(item, GENERATION + name)
        elif name == "responseModalities":
            modalities = strings(item, GENERATION + name)
            draft.fields["modalities"] = tuple([m.lower() for m in modalities])
            if [m.upper() for m in modalities] != item:
                draft.extra["~modalities"] = item
        else:
            draft.extra[GENERATION + name] = item
    if not _FORMATS.isdisjoint(config):
        _format(draft, config)


def _format(draft: _Draft, config: dict[str, Any]) -> None:
    """How the answer is shaped. Media types other than JSON and plain text stay in ext, with their schema."""
    given = {k: config[k] for k in _FORMATS if config.get(k) is not None}
    kind = given.get("responseMimeType")
    if kind not in (None, "application/json", "text/plain"):
        draft.extra.update({GENERATION + k: v for k, v in given.items()})
        return
    schema = given.get("responseJsonSchema")
    if schema is not None:
        an_object(schema, GENERATION + "responseJsonSchema")
    elif "responseSchema" in given:
        schema = json_schema(given["responseSchema"], GENERATION + "responseSchema")
    if given:
        draft.fields["response_format"] = ResponseFormat(
            kind="json_schema" if schema is not None else "json" if kind == "application/json" else "text",
            schema=schema,
            ext=to_ext({"~config": given}),
        )


_MAY_BE_EMPTY: Final = frozenset(("generationConfig", "toolConfig", "tools"))
"""Remembered where they are: the official client always sends a generationConfig."""

_Read = Callable[[_Draft, Any, str], None]
_TOP: Final[dict[str, _Read]] = {
    "model": _model,
    "contents": _contents,
    "systemInstruction": _system,
    "tools": _tools,
    "toolConfig": _tool_config,
    "generationConfig": _generation,
    "serviceTier": _tier,
    "store": _store,
}

_SCALARS: Final[dict[str, tuple[str, Callable[[Any, str], Any]]]] = {
    "maxOutputTokens": ("max_tokens", an_integer),
    "temperature": ("temperature", a_number),
    "topP": ("top_p", a_number),
    "topK": ("top_k", an_integer),
    "stopSequences": ("stop", strings),
    "seed": ("seed", an_integer),
    "presencePenalty": ("presence_penalty", a_number),
    "frequencyPenalty": ("frequency_penalty", a_number),
    "candidateCount": ("n", an_integer),
    "responseLogprobs": ("logprobs", a_boolean),
    "logprobs": ("top_logprobs", an_integer),
    "thinkingConfig": ("reasoning", parse_thinking),
}
FIELDS = frozenset(
    [
        *_TOP,
        "safetySettings",
        "requests",
        "cachedContent",
        "labels",
        "modelArmorConfig",
        *[GENERATION + name for name in (*_SCALARS, *_FORMATS)],
        *[GENERATION + name for name in ("responseModalities", "speechConfig", "mediaResolution", "imageConfig")],
    ]
)
"""The top-level fields, and those of `generationConfig` under its name: what quirks may name."""
NAMES: Final = {core: GENERATION + wire for wire, (core, _) in _SCALARS.items()} | {
    "max_completion_tokens": GENERATION + "maxOutputTokens",
    "response_format": GENERATION + "responseMimeType",
    "reasoning_effort": GENERATION + "thinkingConfig",
    "modalities": GENERATION + "responseModalities",
    "tool_choice": "toolConfig.functionCallingConfig",
    "service_tier": "serviceTier",
}
"""See Dialect.names."""
