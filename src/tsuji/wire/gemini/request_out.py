"""A request from core, as a generateContent call (https://ai.google.dev/api/generate-content#request-body).

What comes from another dialect is fitted to this one's rules:

| core | wire |
|---|---|
| system and developer messages at the start | `systemInstruction` |
| the same, later in the conversation | a user content in its place: there is no other role |
| neighbouring contents of one role | one content (all results of one turn must stand together) |
| tool result | functionResponse by the function's name, `{"output": text}` or `{"error": text}` |
| a call that Gemini did not make, for Gemini 3 | the signature that Google documents for it |
| `response_format` | responseMimeType and responseJsonSchema; its name is not said, `strict` always holds |
| `parallel_tool_calls` true, `stream_options` | nothing: always so |
| cache marks, `prompt_cache_key`, `user` | nothing, the latter two noted: caching is automatic |
"""

from typing import Any, Final

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Message, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ResponseFormat
from tsuji.wire.dialect import Call, Losses
from tsuji.wire.passthrough import encode, quirky

from .fields import GENERATION, own, place, respell
from .parts_out import SKIP_VALIDATION, PartWriter, Wire
from .thinking import render_thinking, version
from .tiers import TIER_NAMES
from .tools import render_choice, render_tools

_SCALARS: Final = (
    ("max_tokens", "maxOutputTokens"),
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("n", "candidateCount"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
)
_UNSAID: Final = ("min_p", "logit_bias", "metadata", "verbosity")
_HINTS: Final = ("user", "prompt_cache_key")
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~@/")


def model_path(model: str) -> str:
    """Where a model lives below the base URL. Raises InvalidRequestError for a name that would leave the path."""
    name = model if "/" in model else "models/" + model
    if ".." in name or name.startswith("/"):
        raise InvalidRequestError(f"{model!r} is not a model's name", param="model")
    if not _SAFE.issuperset(name):
        name = "".join([c if c in _SAFE else "".join([f"%{b:02X}" for b in c.encode(errors="replace")]) for c in name])
    return "/v1beta/" + name


def chat_path(model: str, stream: bool) -> str:
    return model_path(model) + (":streamGenerateContent?alt=sse" if stream else ":generateContent")


def render_request(request: ChatRequest, quirks: Quirks, losses: Losses) -> Call:
    """Raises UnsupportedParameterError unless losses.drop; InvalidRequestError for results of unknown calls."""
    mine = own(request.ext)
    native = "~native" in mine
    system, contents = _Conversation(request, losses, native).render()
    body: Wire = {"contents": contents}
    if system is not None:
        body["systemInstruction"] = system
    if request.tools or "~tools" in mine:
        tools = render_tools(request, losses)
        if tools:
            body["tools"] = tools
    if request.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": render_choice(request.tool_choice, losses)}
    config = _generation(request, losses)
    if config:
        body["generationConfig"] = config
    _top(request, body, losses)
    if request.ext:
        body = {**mine.get("~empty", {}), **body}
        place(body, dict(losses.ext(request.ext)))
        if "~snake" in mine:
            body = respell(body, mine["~snake"])
    return Call(chat_path(request.model, request.stream), encode(_with_quirks(body, quirks, losses)))


def _top(request: ChatRequest, body: Wire, losses: Losses) -> None:
    for field in _UNSAID:
        if getattr(request, field) is not None:
            losses.refuse(field)
    for field in _HINTS:
        if getattr(request, field) is not None:
            losses.note(field)
    if request.parallel_tools is False:
        losses.refuse("parallel_tool_calls", "calls cannot be held to one at a time")
    if request.store is not None:
        body["store"] = request.store
    tier = request.service_tier
    spelled = own(request.ext).get("~serviceTier")
    if spelled is not None:
        body["serviceTier"] = spelled
    elif tier in TIER_NAMES:
        body["serviceTier"] = TIER_NAMES[tier]
    elif tier is not None and tier != "auto":
        losses.refuse("service_tier", f"there is no {tier!r}; there are standard, flex and priority")


def _generation(request: ChatRequest, losses: Losses) -> Wire:
    out: Wire = {}
    for field, name in _SCALARS:
        value = getattr(request, field)
        if value is not None:
            out[name] = value
    if request.stop:
        out["stopSequences"] = list(request.stop)
    if request.modalities:
        out["responseModalities"] = own(request.ext).get("~modalities") or [m.upper() for m in request.modalities]
    if request.response_format is not None:
        out.update(_format(request.response_format, losses))
    if request.reasoning is not None:
        losses.ext(request.reasoning.ext, "reasoning.")
        thinking = render_thinking(request.reasoning, request.model)
        if thinking is not None:
            out["thinkingConfig"] = thinking
    return out


def _format(shape: ResponseFormat, losses: Losses) -> Wire:
    extra = losses.ext(shape.ext, "response_format.")
    spelled = losses.spelling(shape.ext, "config")
    if spelled is not None:
        return spelled
    if shape.kind == "text":
        return {**extra}
    out: Wire = {"responseMimeType": "application/json"}
    if shape.schema is not None:
        schema = shape.schema
        if shape.description and "description" not in schema:
            schema = {**schema, "description": shape.description}
        out["responseJsonSchema"] = schema
    return {**out, **extra}


def _with_quirks(body: Wire, quirks: Quirks, losses: Losses) -> Wire:
    """Quirks name fields of generationConfig by its name and a dot: they are lifted to the top for a moment."""
    if not quirks.on_fields:
        return body
    key = "generation_config" if "generation_config" in body else "generationConfig"
    config = body.pop(key, {})
    flat = quirky({**body, **{GENERATION + k: v for k, v in config.items()}}, quirks, losses)
    out = {k: v for k, v in flat.items() if not k.startswith(GENERATION)}
    config = {k.removeprefix(GENERATION): v for k, v in flat.items() if k.startswith(GENERATION)}
    if config:
        out[key] = {**out.get(key, {}), **config}
    return out


class _Conversation:
    """Messages to contents. What came in this dialect keeps its boundaries."""

    __slots__ = ("contents", "losses", "native", "request", "sign", "system", "writer")

    def __init__(self, request: ChatRequest, losses: Losses, native: bool) -> None:
        self.request = request
        self.losses = losses
        self.native = native
        generation = version(request.model)
        modern = generation is not None and generation >= (3, 0)
        self.sign = modern and not native
        self.writer = PartWriter(losses, native, modern)
        self.system: Wire | None = None
        self.contents: list[Wire] = []

    def render(self) -> tuple[Wire | None, list[Wire]]:
        messages = self.request.messages
        lead = 0
        while lead < len(messages) and messages[lead].role in ("system", "developer"):
            lead += 1
        if lead == len(messages) and not self.native:
            lead = max(lead - 1, 0)  # contents may not be empty: the last instruction is the question
        for index, message in enumerate(messages):
            content = self.content(message, index)
            if index < lead:
                self.hoist(content)
            else:
                self.append(content)
        if not self.contents and self.system is not None and not self.native:  # what was asked is empty
            self.append(self.system)
            self.system = None
        return self.system, self.contents

    def content(self, message: Message, index: int) -> Wire:
        writer = self.writer
        writer.at = f"messages[{index}]."
        parts = writer.write(message.content)
        mine = own(message.ext)
        if self.sign and message.role == "assistant":
            _sign(message, parts)
        content: Wire = {} if "~parts" in mine and not parts else {"parts": parts}
        role = mine["~role"] if "~role" in mine else _ROLES.get(message.role)
        if role is not None:
            content["role"] = role
        if message.name is not None:
            self.losses.refuse(f"messages[{index}].name")
        if message.ext:
            content.update(self.losses.ext(message.ext, f"messages[{index}]."))
        return content

    def hoist(self, content: Wire) -> None:
        if self.system is None:
            self.system = content if content.get("parts") or self.native else None
        else:
            self.system.setdefault("parts", []).extend(content.get("parts", ()))

    def append(self, content: Wire) -> None:
        if self.native:
            self.contents.append(content)
            return
        content.setdefault("role", "user")
        if not content.get("parts"):
            return
        if self.contents and self.contents[-1]["role"] == content["role"]:
            self.contents[-1]["parts"] += content["parts"]
        else:
            self.contents.append(content)


_ROLES: Final = {"user": "user", "tool": "user", "assistant": "model"}


def _sign(message: Message, parts: list[Any]) -> None:
    """Gemini 3 checks the signature of the first call of a turn."""
    if any(type(p) is ToolCall and p.signature is not None for p in message.content):
        return
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", SKIP_VALIDATION)
            return
