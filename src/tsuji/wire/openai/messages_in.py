"""Messages of a request, from the wire.

Legacy `function_call` and role `function` are read as a tool call and a tool result without an id.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core.parts import Audio, Citation, Media, Message, Part, Refusal, Text, ToolCall, ToolResult

from .fields import NAME, as_list, as_object, as_text, ext, is_list, is_object, names, rest, wrong
from .parts_in import read_parts
from .reasoning import read_thinking


def read_messages(value: Any) -> tuple[Message, ...]:
    messages = as_list(value, "messages")
    if not messages:
        raise wrong("messages", "a list with at least one message")
    return tuple([_read_message(m, f"messages[{i}]") for i, m in enumerate(messages)])


def _read_message(value: Any, where: str) -> Message:
    message = as_object(value, where)
    role = as_text(message.get("role"), where + ".role")
    read = _ROLES.get(role)
    if read is None:
        raise wrong(where + ".role", "one of " + ", ".join(_ROLES))
    return read(message, where)


def _content(message: dict[str, Any], where: str, kept: dict[str, Any]) -> tuple[Part, ...]:
    content: Any = message.get("content")
    if type(content) is str:
        return (Text(content),)
    if content is None:
        return ()
    if not is_list(content):
        raise wrong(where + ".content", "a string or a list of parts")
    kept["~list"] = True
    return read_parts(content, where + ".content")


def _name(message: dict[str, Any], where: str) -> str | None:
    name = message.get("name")
    return None if name is None else as_text(name, where + ".name")


def _plain(message: dict[str, Any], where: str) -> Message:
    role: Any = message["role"]
    content: Any = message.get("content")
    if type(content) is str and len(message) == 2:
        return Message(role, (Text(content),))
    kept = rest(message, ("role", "content", "name"))
    if kept.get("tool_calls") == []:
        kept["~tool_calls"] = kept.pop("tool_calls")
    return Message(role, _content(message, where, kept), _name(message, where), ext(kept))


_ASSISTANT = names(
    "role content name refusal audio tool_calls function_call reasoning reasoning_content reasoning_details "
    "annotations extra_content thought_signature provider_specific_fields"
)
# What providers add to answers and clients send back with them: kept for this dialect, of no meaning to others.
_ECHOED = ("extra_content", "thought_signature", "provider_specific_fields")


def _assistant(message: dict[str, Any], where: str) -> Message:
    content: Any = message.get("content")
    if type(content) is str and len(message) == 2:
        return Message("assistant", (Text(content),))
    kept = rest(message, _ASSISTANT)
    parts: list[Part] = [*read_thinking(message, None, kept)]
    parts += _content(message, where, kept)
    refusal: Any = message.get("refusal")
    if refusal is not None:
        parts.append(Refusal(as_text(refusal, where + ".refusal")))
    audio: Any = message.get("audio")
    if audio is not None:
        parts.append(read_audio(as_object(audio, where + ".audio")))
    for name in _ECHOED:
        if message.get(name) is not None:
            kept["~" + name] = message[name]
    if kept.get("prefix") is False:  # Mistral's client says so of every answer.
        kept["~prefix"] = kept.pop("prefix")
    _add_annotations(message.get("annotations"), parts, kept)
    _add_calls(message, where, parts, kept)
    return Message("assistant", tuple(parts), _name(message, where), ext(kept))


def read_audio(audio: dict[str, Any]) -> Audio:
    """An answer's audio: {id, data, transcript, expires_at}; in a request the id alone."""
    said = {k: v for k in ("data", "id", "transcript") if type(v := audio.get(k)) is str and v}
    expires: Any = audio.get("expires_at")
    return Audio(
        Media(data=said.get("data")),
        id=said.get("id"),
        transcript=said.get("transcript"),
        expires_at=expires if type(expires) is int and expires else None,
        ext=ext(rest(audio, ("data", "id", "transcript", "expires_at"))),
    )


def _add_annotations(value: Any, parts: list[Part], kept: dict[str, Any]) -> None:
    if value is None:
        return
    at = next((i for i, p in enumerate(parts) if type(p) is Text), None)
    text = parts[at] if at is not None else None
    if not is_list(value) or not value or at is None or type(text) is not Text:
        kept["~annotations"] = value
        return
    cited = [read_citation(a) for a in value if is_object(a)]
    parts[at] = Text(text.text, text.cache, tuple(cited), text.signature, text.ext)


def read_citation(annotation: dict[str, Any]) -> Citation:
    """An annotation: a `url_citation` in core's words, any other verbatim only."""
    found: Any = annotation.get("url_citation")
    if not is_object(found):
        return Citation(ext={NAME: annotation})
    url, title, start, end = (found.get(k) for k in ("url", "title", "start_index", "end_index"))
    return Citation(
        url=url if type(url) is str else None,
        title=title if type(title) is str else None,
        start=start if type(start) is int else None,
        end=end if type(end) is int else None,
        ext={NAME: annotation},
    )


def _add_calls(message: dict[str, Any], where: str, parts: list[Part], kept: dict[str, Any]) -> None:
    calls: Any = message.get("tool_calls")
    if calls is not None:
        where += ".tool_calls"
        if not as_list(calls, where):
            kept["~tool_calls"] = calls
        parts += [_call(as_object(c, f"{where}[{i}]"), f"{where}[{i}]") for i, c in enumerate(calls)]
    legacy: Any = message.get("function_call")
    if legacy is not None:
        where += ".function_call"
        legacy = as_object(legacy, where)
        name, arguments = (as_text(legacy.get(k), f"{where}.{k}") for k in ("name", "arguments"))
        parts.append(ToolCall("", name, arguments, ext={NAME: {"~function_call": True}}))


_CALL = ("id", "type", "function", "index", "custom", "extra_content")


def _call(call: dict[str, Any], where: str) -> ToolCall:
    kind, call_id = call.get("type", "absent"), call.get("id")
    call_id = "" if call_id is None else as_text(call_id, where + ".id")
    custom = kind == "custom"
    inner = "custom" if custom else "function"
    function = as_object(call.get(inner), f"{where}.{inner}")
    name = as_text(function.get("name"), f"{where}.{inner}.name")
    arguments = as_text(function.get("input" if custom else "arguments"), f"{where}.{inner}.arguments")
    if kind == "function" and len(call) == 3 and len(function) == 2:
        return ToolCall(call_id, name, arguments)
    left = {f"{inner}.{k}": v for k, v in rest(function, ("name", "arguments", "input")).items()}
    left.update(rest(call, _CALL))
    if kind != "function":
        left["~type"] = kind
    for spelled in ("index", "extra_content"):
        if call.get(spelled) is not None:
            left["~" + spelled] = call[spelled]
    return ToolCall(call_id, name, arguments, signature=thought_signature(call), ext=ext(left))


def thought_signature(call: dict[str, Any]) -> str | None:
    """Gemini's, as its OpenAI endpoint carries it (https://ai.google.dev/gemini-api/docs/thought-signatures)."""
    extra: Any = call.get("extra_content")
    google: Any = extra.get("google") if is_object(extra) else None
    signature: Any = google.get("thought_signature") if is_object(google) else None
    return signature if type(signature) is str else None


def _tool(message: dict[str, Any], where: str) -> Message:
    kept = rest(message, ("role", "content", "name", "tool_call_id"))
    name = _name(message, where)
    call_id: Any = message.get("tool_call_id")
    if message["role"] == "function":
        kept["~role"] = "function"
        call_id = ""
    elif call_id is None and name is not None:  # Mistral goes by the name where there is no id.
        call_id = ""
    if name is not None:
        kept["~name"] = True
    result = ToolResult(as_text(call_id, where + ".tool_call_id"), _content(message, where, kept), name)
    return Message("tool", (result,), ext=ext(kept))


_ROLES: dict[str, Callable[[dict[str, Any], str], Message]] = {
    "system": _plain,
    "developer": _plain,
    "user": _plain,
    "assistant": _assistant,
    "tool": _tool,
    "function": _tool,
}
