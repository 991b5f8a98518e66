"""From keywords to canonical requests. The dialects' own parsers read them, so that every field means what it does on
the wire and a mistake is named by its path.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.request import EFFORTS, ChatRequest, EmbeddingRequest
from tsuji.wire import dialect

from .options import CHAT, EMBEDDING, MESSAGES, RESPONSES, Dumpable, split
from .record import Result
from .state import restore, take_state
from .structured import Parse, structured

Fields = dict[str, Any]


class Ask(msgspec.Struct):
    """A request to make.

    target: see options.Target. parse: how `message.parsed` is made. show_usage: the caller wants the usage chunk of a
    stream. dialect: whose words the caller uses.
    """

    request: ChatRequest
    target: Fields
    parse: Parse | None = None
    show_usage: bool = False
    dialect: str = "openai"


def ask_chat(model: str, messages: Any, stream: bool | None, options: Fields) -> Ask:
    """Raises InvalidRequestError for wrong values, TypeError for unknown keywords."""
    fields, target = split("completion", options, CHAT)
    body: Fields = {"messages": messages}
    states: dict[int, Fields] = {}
    parse: Parse | None = None
    show_usage = False
    if fields:
        parse = _chat_fields(fields)
        body.update(fields)
    if not _all_plain(messages):
        body["messages"] = _plain_messages(messages, states)
    if stream:
        asked: Fields = dict(fields.get("stream_options", {}))
        show_usage = bool(asked.get("include_usage"))
        body["stream_options"] = {**asked, "include_usage": True}
    request = dialect("openai").parse_request(_encoded(body), model, bool(stream))
    if states:
        turns = list(request.messages)
        for at, state in states.items():
            turns[at] = restore(turns[at], state, f"messages[{at}]")
        request = msgspec.structs.replace(request, messages=tuple(turns))
    return Ask(request, target, parse, show_usage)


def _all_plain(messages: Any) -> bool:
    """Nothing but dicts, none of them from an answer."""
    if type(messages) is not list:
        return False
    for message in cast("list[Any]", messages):
        if type(message) is not dict or "provider_state" in message:
            return False
    return True


def _chat_fields(fields: Fields) -> Parse | None:
    """Makes JSON of the values that are more than that. Gives what `message.parsed` is made with."""
    parse: Parse | None = None
    if "response_format" in fields:
        fields["response_format"], parse = structured(fields["response_format"])
    if "tools" in fields:
        fields["tools"] = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(_listed(fields["tools"], "tools"))]
    if "max_completion_tokens" in fields and fields.get("max_tokens") == fields["max_completion_tokens"]:
        del fields["max_tokens"]
    if "stream_options" in fields and not isinstance(fields["stream_options"], Mapping):
        raise InvalidRequestError("stream_options must be a dict", param="stream_options")
    effort = fields.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise InvalidRequestError(
            f"reasoning_effort must be one of {', '.join(EFFORTS)}, not {effort!r}; what only one provider knows goes "
            f"into extra_body",
            param="reasoning_effort",
        )
    if effort == "auto":
        del fields["reasoning_effort"]
    return parse


def _listed(value: Any, name: str) -> Sequence[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        hint = ' of dicts, such as [{"role": "user", "content": "Hi"}]' if name == "messages" else ""
        raise InvalidRequestError(
            f"{name} must be a list{hint}, not {type(cast('object', value)).__name__}", param=name
        )
    return cast("Sequence[Any]", value)


def _tool(tool: Any, where: str) -> Fields:
    """OpenAI's entry; Anthropic's is translated, a function described."""
    if isinstance(tool, Mapping):
        tool = cast("Mapping[str, Any]", tool)
        if "input_schema" in tool and "function" not in tool:
            function = {"name": tool.get("name"), "parameters": tool["input_schema"]}
            function.update({k: tool[k] for k in ("description", "strict") if k in tool})
            marks = {k: tool[k] for k in ("cache_control",) if k in tool}
            return {"type": "function", "function": function, **marks}
        return dict(tool)
    if callable(tool):
        from .functions import tool_of

        return tool_of(tool, where)
    raise InvalidRequestError(f"{where} must be a dict or a function, not {type(tool).__name__}", param=where)


def _plain_messages(messages: Any, states: dict[int, Fields]) -> list[Any]:
    """All as dicts; `states` takes what messages of results carry beside them."""
    plain: list[Any] = []
    for index, message in enumerate(_listed(messages, "messages")):
        if isinstance(message, Result):
            message = {"provider_state": None, **message.to_dict()}
        else:
            message = _plain(message, f"messages[{index}]", "a dict with role and content, or a message of an answer")
        if "provider_state" in message:
            message, state = take_state(message)
            if state is not None:
                states[index] = state
        plain.append(message)
    return plain


def _plain(value: Any, where: str, what: str) -> Fields:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    if isinstance(value, Dumpable):
        return value.model_dump(exclude_none=True)
    raise InvalidRequestError(f"{where} must be {what}, not {type(value).__name__}", param=where)


def _encoded(body: Fields) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequestError(f"the request is not JSON: {error}") from None


def ask_messages(model: str, messages: Any, max_tokens: Any, stream: bool | None, options: Fields) -> Ask:
    """The same for a call in Anthropic's terms."""
    fields, target = split("messages", options, MESSAGES)
    parse: Parse | None = None
    betas = fields.pop("betas", None)
    if betas:
        target["extra_headers"] = {"anthropic-beta": ",".join(betas), **target.get("extra_headers", {})}
    form = fields.get("output_format")
    if form is not None and not isinstance(form, Mapping):
        asked, parse = structured(form)
        fields["output_format"] = {"type": "json_schema", "schema": asked["json_schema"]["schema"]}
    if "tools" in fields:
        fields["tools"] = [_anthropic_tool(t, f"tools[{i}]") for i, t in enumerate(_listed(fields["tools"], "tools"))]
    if not _all_plain(messages):
        messages = _plain_messages(messages, {})
    body = {"messages": messages, "max_tokens": max_tokens, **fields}
    request = dialect("anthropic").parse_request(_encoded(body), model, bool(stream))
    return Ask(request, target, parse, dialect="anthropic")


def _anthropic_tool(tool: Any, where: str) -> Fields:
    if isinstance(tool, Mapping):
        return dict(cast("Mapping[str, Any]", tool))
    function = _tool(tool, where)["function"]
    entry = {"name": function["name"], "input_schema": function["parameters"]}
    return {**entry, "description": function["description"]} if "description" in function else entry


def ask_responses(model: str, input: Any, stream: bool | None, options: Fields) -> Ask:
    """The same for a call in the terms of OpenAI's Responses API."""
    fields, target = split("responses", options, RESPONSES)
    input = _input(fields, input)
    if input is not None:
        fields["input"] = input
    parse = _text(fields)
    if "tools" in fields:
        fields["tools"] = [_responses_tool(t, f"tools[{i}]") for i, t in enumerate(_listed(fields["tools"], "tools"))]
    choice: Any = fields.get("tool_choice")
    if isinstance(choice, Mapping) and isinstance(cast("Fields", choice).get("function"), Mapping):
        fields["tool_choice"] = {"type": "function", **choice["function"]}  # chat completions have it deeper
    if "reasoning" in fields:
        fields["reasoning"] = _plain(fields["reasoning"], "reasoning", "a dict such as {'effort': 'low'}")
    request = dialect("responses").parse_request(_encoded(fields), model, bool(stream))
    return Ask(request, target, parse, dialect="responses")


_ELSEWHERE = ("previous_response_id", "conversation", "prompt")
"""Where the input can be instead, or the beginning of it."""


def _input(fields: Fields, given: Any) -> Any:
    """A text, or items as dicts."""
    other = fields.pop("input_data", None)
    if given is not None and other is not None:
        raise InvalidRequestError("input and input_data are two names of one thing; give one", param="input")
    given = other if given is None else given
    if isinstance(given, str) or (given is None and any(name in fields for name in _ELSEWHERE)):
        return given
    if given is None or isinstance(given, bytes | Mapping) or not isinstance(given, Sequence):
        raise InvalidRequestError(
            f"input must be a text or a list of items, not {type(cast('object', given)).__name__}", param="input"
        )
    what = "a dict, or an item of an answer"
    return [_plain(item, f"input[{i}]", what) for i, item in enumerate(cast("Sequence[Any]", given))]


def _text(fields: Fields) -> Parse | None:
    """Sets `text` from all that says how the answer's text is to look. Gives what `output_parsed` is made with."""
    text = _plain(fields["text"], "text", "a dict such as {'verbosity': 'low'}") if "text" in fields else {}
    if "verbosity" in fields:
        text["verbosity"] = fields.pop("verbosity")
    given = {name: fields.pop(name) for name in ("text_format", "response_format") if name in fields}
    own = text.get("format")
    if len(given) + (own is not None) > 1:
        raise InvalidRequestError("text.format, text_format and response_format are one thing; give one", param="text")
    parse: Parse | None = None
    for form in given.values():
        asked, parse = structured(_chat_format(form))
        text["format"] = {"type": asked["type"], **asked.get("json_schema", {})}
    if isinstance(own, Mapping) and cast("Fields", own).get("type") in ("json_schema", "json_object"):
        _, parse = structured(_chat_format(own))
    if text:
        fields["text"] = text
    return parse


def _chat_format(form: Any) -> Any:
    """A format of this API, whose schema stands at its top, as chat completions have it; others as they are."""
    if not isinstance(form, Mapping):
        return form
    form = cast("Mapping[str, Any]", form)
    if form.get("type") != "json_schema" or "json_schema" in form:
        return form
    return {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}


def _responses_tool(tool: Any, where: str) -> Fields:
    """As this API has it. What was written for another is not strict where it does not say so: here it would be."""
    if isinstance(tool, Mapping) and not cast("Fields", tool).keys() & {"function", "input_schema"}:
        return dict(cast("Fields", tool))
    made = _tool(tool, where)
    function = made.get("function")
    if not isinstance(function, Mapping):
        return made
    return {"strict": False, **{k: v for k, v in made.items() if k != "function"}, **function}


class EmbeddingAsk(msgspec.Struct):
    request: EmbeddingRequest
    target: Fields


def ask_embedding(model: str, inputs: Any, options: Fields) -> EmbeddingAsk:
    """inputs: a text, a list of token ids, or a list of either."""
    fields, target = split("embedding", options, EMBEDDING)
    encoding = fields.pop("encoding_format", None)
    many = not isinstance(inputs, str) and not _are_tokens(inputs)
    listed = _listed(inputs if many else [inputs], "inputs")
    if not listed:
        raise InvalidRequestError("inputs must not be empty", param="inputs")
    texts: list[str | tuple[int, ...]] = []
    for index, item in enumerate(listed):
        if isinstance(item, str):
            texts.append(item)
        elif _are_tokens(item):
            texts.append(tuple(item))
        else:
            raise InvalidRequestError(f"inputs[{index}] must be a text or a list of token ids", param="inputs")
    request = EmbeddingRequest(model=model, inputs=tuple(texts), many=many, encoding=encoding, **fields)
    return EmbeddingAsk(request, target)


def _are_tokens(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    items = cast("Sequence[Any]", value)
    return bool(items) and all(map(_is_integer, items))


def _is_integer(value: Any) -> bool:
    return type(value) is int
