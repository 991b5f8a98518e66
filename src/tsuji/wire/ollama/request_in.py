"""A chat request, to core (https://docs.ollama.com/api/chat), and what /api/generate has in common with it.

`stream` is true where it is not said. How a model is loaded and kept (`keep_alive`, `num_ctx`, `num_gpu` ...), and what
is to be done with a prompt that is too long (`truncate`, `shift`), are hints: other dialects leave them out. So is a
negative `num_predict`, which sets no limit. An option that shapes the answer and that core has no noun for
(`repeat_penalty`, `mirostat` ...) is named "options.NAME", and other dialects refuse it, unless the provider accepts
NAME.
"""

from collections.abc import Callable
from typing import Any, Final

from tsuji.core.errors import InvalidRequestError
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ResponseFormat, Tool
from tsuji.wire.passthrough import decode_body

from .fields import (
    UNEXPECTED,
    Object,
    Wrong,
    a_boolean,
    a_list,
    a_name,
    a_number,
    a_string,
    an_integer,
    an_object,
    rest,
    to_ext,
)
from .messages_in import parse_messages
from .thinking import parse_think

OPTION: Final = "options."
"""How an option is named at the top level: in `ext`, in refusals."""

_NUMBERS: Final[dict[str, tuple[str, Callable[[Any, str], float]]]] = {
    "num_predict": ("max_tokens", an_integer),
    "temperature": ("temperature", a_number),
    "top_p": ("top_p", a_number),
    "top_k": ("top_k", an_integer),
    "min_p": ("min_p", a_number),
    "seed": ("seed", an_integer),
    "presence_penalty": ("presence_penalty", a_number),
    "frequency_penalty": ("frequency_penalty", a_number),
}
OPTION_NAMES: Final = tuple([(core, wire) for wire, (core, _) in _NUMBERS.items()])
_LOADING: Final = frozenset(
    (
        "numa",
        "num_ctx",
        "num_batch",
        "num_gpu",
        "main_gpu",
        "low_vram",
        "f16_kv",
        "logits_all",
        "vocab_only",
        "use_mmap",
        "use_mlock",
        "embedding_only",
        "num_thread",
        "num_keep",
    )
)
NAMES: Final = {core: OPTION + wire for core, wire in OPTION_NAMES} | {
    "max_completion_tokens": OPTION + "num_predict",
    "stop": OPTION + "stop",
    "response_format": "format",
    "reasoning": "think",
    "reasoning_effort": "think",
}
"""See Dialect.names."""
HINTS: Final = ("keep_alive", "truncate", "shift")


class Draft:
    """A request under construction: fields of core, and those that core has no noun for."""

    __slots__ = ("extra", "fields")

    def __init__(self) -> None:
        self.fields: Object = {}
        self.extra: Object = {}


Readers = dict[str, Callable[[Draft, Any, str], None]]


def parse_request(body: bytes, model: str | None, stream: bool | None) -> ChatRequest:
    """Raises InvalidRequestError; its `param` is a path such as "messages[0].images[1]"."""
    draft = read(decode_body(body), CHAT)
    return finish(draft, model, stream)


def read(given: Object, readers: Readers) -> Draft:
    """The fields of a body, each by its reader; others are kept. Raises InvalidRequestError."""
    draft = Draft()
    try:
        for name, value in given.items():
            if value is not None:
                reader = readers.get(name)
                if reader is None:
                    draft.extra[name] = value
                else:
                    reader(draft, value, name)
    except Wrong as wrong:
        raise wrong.request_error() from None
    except UNEXPECTED as error:
        raise InvalidRequestError(f"the request is malformed: {error}") from None
    return draft


def finish(draft: Draft, model: str | None, stream: bool | None) -> ChatRequest:
    fields = draft.fields
    if model is not None:
        fields["model"] = model
    if not fields.get("model"):
        raise InvalidRequestError("'model' must be a non-empty string", param="model")
    if stream is not None:
        fields["stream"] = stream
    elif "stream" not in fields:
        fields["stream"] = True
        draft.extra["~stream"] = False
    return ChatRequest(ext=to_ext(draft.extra), **fields)


def _into(field: str, check: Callable[[Any, str], Any]) -> Callable[[Draft, Any, str], None]:
    def reader(draft: Draft, value: Any, path: str) -> None:
        draft.fields[field] = check(value, path)

    return reader


def _hint(draft: Draft, value: Any, path: str) -> None:
    draft.extra["~" + path] = value


def _tools(value: Any, path: str) -> tuple[Tool, ...]:
    return tuple([_tool(item, f"{path}[{i}]") for i, item in enumerate(a_list(value, path))])


_TOOL: Final = frozenset(("type", "function"))
_FUNCTION: Final = frozenset(("name", "description", "parameters"))


def _tool(value: Any, path: str) -> Tool:
    tool = an_object(value, path)
    function = an_object(tool.get("function"), path + ".function")
    description, parameters = function.get("description"), function.get("parameters")
    extra = rest(tool, _TOOL)
    extra |= {"function." + name: item for name, item in rest(function, _FUNCTION).items()}
    if tool.get("type") != "function":
        extra["~type"] = tool.get("type")
    return Tool(
        a_name(function.get("name"), path + ".function.name"),
        None if description is None else a_string(description, path + ".function.description"),
        None if parameters is None else an_object(parameters, path + ".function.parameters"),
        ext=to_ext(extra),
    )


def _format(draft: Draft, value: Any, path: str) -> None:
    if value.__class__ is dict:
        draft.fields["response_format"] = ResponseFormat("json_schema", schema=value)
    elif value == "json":
        draft.fields["response_format"] = ResponseFormat("json")
    elif value == "":
        draft.extra["~format"] = value
    else:
        raise Wrong(path, "'json' or a JSON schema")


def _options(draft: Draft, value: Any, path: str) -> None:
    hints: Object = {}
    draft.extra["~options"] = hints
    for name, item in an_object(value, path).items():
        if item is None:
            continue
        number = _NUMBERS.get(name)
        if number is not None:
            field, check = number
            found = check(item, OPTION + name)
            if field == "max_tokens" and found < 0:
                hints[name] = found
            else:
                draft.fields[field] = found
        elif name == "stop":
            _stop(draft, item, hints)
        elif name in _LOADING:
            hints[name] = item
        else:
            draft.extra[OPTION + name] = item


def _stop(draft: Draft, value: Any, hints: Object) -> None:
    path = OPTION + "stop"
    if value.__class__ is str:
        draft.extra["~stop"] = True
        draft.fields["stop"] = (value,)
    elif a_list(value, path):
        draft.fields["stop"] = tuple([a_string(item, f"{path}[{i}]") for i, item in enumerate(value)])
    else:
        hints["stop"] = value


COMMON: Final[Readers] = {
    "model": _into("model", a_name),
    "stream": _into("stream", a_boolean),
    "format": _format,
    "options": _options,
    "think": _into("reasoning", parse_think),
    "logprobs": _into("logprobs", a_boolean),
    "top_logprobs": _into("top_logprobs", an_integer),
    **dict.fromkeys(HINTS, _hint),
}
CHAT: Final[Readers] = {**COMMON, "messages": _into("messages", parse_messages), "tools": _into("tools", _tools)}
FIELDS: Final = frozenset(CHAT)
