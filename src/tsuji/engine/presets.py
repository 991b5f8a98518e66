"""Preset files: a name for a model with settings, in TOML. What a Modelfile says, and variants beside it. Pure.

    base = "qwen3:8b"                   # another name, or the path of a GGUF file
    system = "Answer in one sentence."
    licence = "Apache-2.0"
    template = "..."                    # Jinja, in place of the file's own
    adapters = [{ file = "/models/terse-lora.gguf", scale = 0.8 }]
    messages = [{ role = "user", content = "Hi" }, { role = "assistant", content = "Hello." }]
    thinking = "none"                   # or an effort: "low", "medium", "high" ...

    [parameters]
    temperature = 0.6
    context = 8192                      # tokens of one answer with its prompt

    [variants.brief]                    # NAME:brief
    parameters = { max_tokens = 64 }

What the caller says wins over a variant, a variant over its preset, a preset over its base.
"""

import json
import math
import tomllib
from typing import Any, Literal, cast

import msgspec

from tsuji.core.errors import LocalEngineError
from tsuji.core.parts import Message, Text
from tsuji.core.request import ChatRequest, Effort

Value = str | int | float | bool | list[str]

_REQUEST = {
    "temperature": float, "top_p": float, "top_k": int, "min_p": float, "seed": int, "max_tokens": int,
    "frequency_penalty": float, "presence_penalty": float, "stop": list,
}  # fmt: skip
_SAMPLER = {
    "repeat_penalty": float, "repeat_last_n": int, "typical_p": float, "mirostat": int, "mirostat_tau": float,
    "mirostat_eta": float,
}  # fmt: skip
PARAMETERS: dict[str, type] = {**_REQUEST, **_SAMPLER, "context": int}
"""The parameters there are: fields of a request, llama.cpp's own sampling fields, and what a model is loaded with."""

EFFORT_VARIANTS: dict[str, Effort] = {
    "nothink": "none", "think": "auto", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high",
}  # fmt: skip
"""Suffixes that every model has: NAME:nothink answers without thinking, NAME:high thinks hard."""


class Adapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A LoRA adapter in GGUF. scale: how strongly it is applied."""

    file: str
    scale: float = 1.0


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message that stands before the caller's."""

    role: Literal["system", "user", "assistant"]
    content: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may differ between two names of one file. None and empty: as the base has it.

    thinking: "none" turns it off, "auto" on, others say how much; a template that does not know it ignores it.
    """

    system: str | None = None
    thinking: Effort | None = None
    messages: tuple[Said, ...] = ()
    parameters: dict[str, Value] = {}


class Preset(Settings, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A preset file. base: the name it rests on, "" where it is the settings of a file itself."""

    base: str = ""
    template: str | None = None
    adapters: tuple[Adapter, ...] = ()
    licence: str | None = None
    variants: dict[str, Settings] = {}

    @property
    def context(self) -> int | None:
        return cast("int | None", self.parameters.get("context"))


def read_preset(text: str, where: str) -> Preset:
    """A preset from the text of its file. Raises LocalEngineError that names `where` and what is wrong there."""
    try:
        preset = msgspec.convert(tomllib.loads(text), Preset)
        for settings in (preset, *preset.variants.values()):
            check_parameters(settings.parameters)
        if not preset.base:
            raise ValueError("`base` is missing: the name or the path of the model that it rests on")
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise LocalEngineError(f"{where} is no preset: {error}") from None
    return preset


def check_parameters(parameters: dict[str, Value]) -> None:
    """Raises ValueError that names the first one that is unknown, of another type, or out of its range."""
    for name, value in parameters.items():
        kind = PARAMETERS.get(name)
        if kind is None:
            raise ValueError(f"no parameter {name!r}; there are {', '.join(PARAMETERS)}")
        fits = (
            isinstance(value, list)
            if kind is list
            else isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if kind is float
            else isinstance(value, int) and not isinstance(value, bool)
        )
        if not fits:
            word = {list: "a list of strings", float: "a number", int: "a whole number"}[kind]
            raise ValueError(f"parameters.{name} is {value!r} and must be {word}")
    context = parameters.get("context")
    if isinstance(context, int) and context < 1:
        raise ValueError(f"parameters.context is {context} and must be at least 1 token")


def write_preset(preset: Preset) -> str:
    """The text of a preset file; `read_preset` reads the same preset from it."""
    lines: list[str] = []
    for name in ("base", "system", "licence", "template", "thinking"):
        value = getattr(preset, name)
        if value:
            lines.append(f"{name} = {_toml(value)}")
    if preset.adapters:
        lines.append(f"adapters = {_toml([msgspec.structs.asdict(adapter) for adapter in preset.adapters])}")
    if preset.messages:
        lines.append(f"messages = {_toml([msgspec.structs.asdict(said) for said in preset.messages])}")
    if preset.parameters:
        lines += ["", "[parameters]", *[f"{name} = {_toml(value)}" for name, value in preset.parameters.items()]]
    for name, variant in preset.variants.items():
        given = cast(dict[str, Any], msgspec.to_builtins(variant))
        lines += ["", f"[variants.{_toml(name)}]", *[f"{key} = {_toml(value)}" for key, value in given.items()]]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join([f"{k} = {_toml(v)}" for k, v in cast(dict[str, Any], value).items()]) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join([_toml(item) for item in cast(list[Any], value)]) + "]"
    if isinstance(value, str):  # JSON's strings are TOML's, but for DEL, which TOML wants escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "true" if value is True else "false" if value is False else repr(value)


def over(base: Preset | None, preset: Preset) -> Preset:
    """`preset` resting on the settings of its base."""
    if base is None:
        return preset
    return Preset(
        base=preset.base,
        system=base.system if preset.system is None else preset.system,
        thinking=preset.thinking or base.thinking,
        messages=preset.messages or base.messages,
        parameters={**base.parameters, **preset.parameters},
        template=preset.template or base.template,
        adapters=base.adapters + preset.adapters,
        licence=preset.licence or base.licence,
        variants={**base.variants, **preset.variants},
    )


def variant(preset: Preset | None, suffix: str) -> Preset | None:
    """The preset of NAME:suffix; None where there is no such variant."""
    preset = preset or Preset()
    named = preset.variants.get(suffix)
    if named is None and suffix in EFFORT_VARIANTS:
        named = Settings(thinking=EFFORT_VARIANTS[suffix])
    if named is None:
        return None
    return over(preset, Preset(**msgspec.structs.asdict(named)))


def with_preset(request: ChatRequest, preset: Preset) -> ChatRequest:
    """The request with the preset's word wherever the caller said nothing.

    The system text stands only where the caller has none; the preset's messages stand between system and the caller's.
    """
    changes: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in preset.parameters.items():
        if name in _REQUEST and getattr(request, name) in (None, ()):
            changes[name] = tuple(value) if isinstance(value, list) else value
        elif name in _SAMPLER:
            extra[name] = value
    effort = preset.thinking if request.reasoning is None else None
    if effort is not None:
        extra["chat_template_kwargs"] = thinking_arguments(effort)
    ext = request.ext or {}
    if extra:
        changes["ext"] = {**ext, "openai": {**extra, **ext.get("openai", {})}}
    system, rest = _parted(request.messages)
    if not system and preset.system:
        system = (Message("system", (Text(preset.system),)),)
    said = tuple([Message(said.role, (Text(said.content),)) for said in preset.messages])
    return msgspec.structs.replace(request, messages=(*system, *said, *rest), **changes)


def thinking_arguments(effort: Effort) -> dict[str, Any]:
    """What chat templates call it: `enable_thinking` (Qwen3, GLM-4.5 and later), `thinking` (DeepSeek V3.1, Granite),
    `reasoning_effort` (gpt-oss).
    """
    on = effort != "none"
    said: dict[str, Any] = {"enable_thinking": on, "thinking": on}
    return said if effort in ("none", "auto") else {**said, "reasoning_effort": effort}


def _parted(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The system messages that the conversation begins with, and the rest."""
    at = 0
    while at < len(messages) and messages[at].role in ("system", "developer"):
        at += 1
    return messages[:at], messages[at:]
