"""Parts of a content, to core (https://ai.google.dev/api/caching#Part)."""

from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core.parts import Audio, Document, Image, Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult, Video

from .carried import unpack
from .fields import NAME, Malformed, a_list, a_string, an_object, camel, to_ext

_encode = msgspec.json.Encoder().encode

_OPAQUE = frozenset(["executableCode", "codeExecutionResult", "toolCall", "toolResponse"])
_FILES_API = "https://generativelanguage.googleapis.com/"
_EXTENSIONS: dict[str, type[Image] | type[Audio] | type[Video]] = {
    **dict.fromkeys(["png", "jpg", "jpeg", "webp", "gif", "heic", "heif", "bmp"], Image),
    **dict.fromkeys(["mp3", "wav", "aiff", "aac", "ogg", "flac", "m4a"], Audio),
    **dict.fromkeys(["mp4", "mpeg", "mpg", "mov", "avi", "flv", "webm", "wmv", "3gp"], Video),
}
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


class _Rest:
    """What stands beside the data of a part: its signature, and fields that core has no noun for."""

    __slots__ = ("fields", "path", "signature", "snake", "thought")

    def __init__(self, path: str, snake: list[str], signature: str | None, thought: bool) -> None:
        self.path = path
        self.snake = snake
        self.signature = signature
        self.thought = thought
        self.fields: dict[str, Any] = {}

    def keep(self, within: str, fields: dict[str, Any], known: frozenset[str]) -> None:
        for name, value in fields.items():
            if name not in known:
                self.fields[f"{within}.{name}"] = value


def parse_part(value: Any, path: str) -> Part:
    """One part. What is no known form of one is kept whole, as Opaque. Raises Malformed."""
    raw = an_object(value, path)
    if len(raw) == 1 and raw.get("text").__class__ is str:
        return Text(raw["text"])
    snake: list[str] = []
    fields = camel(raw, snake)
    kinds = [k for k in fields if (k in _READERS or k in _OPAQUE) and fields[k] is not None]
    signature = fields.get("thoughtSignature")
    if signature is not None:
        a_string(signature, path + ".thoughtSignature")
    thought = fields.get("thought")
    if not kinds and signature is not None and len(fields) == 1:
        return Thinking(signature=signature, origin=NAME, ext=to_ext({"~bare": True}, snake))
    kind = kinds[0] if kinds else next(iter(fields), "part")
    if len(kinds) != 1 or kind in _OPAQUE or (thought is True and kind != "text"):
        return Opaque(dialect=NAME, kind=kind, data=raw)
    rest = _Rest(path, snake, signature, thought is True)
    for name, item in fields.items():
        if name != kind and name != "thoughtSignature" and item is not None and (name != "thought" or item is not True):
            rest.fields["~thought" if name == "thought" else name] = item
    return _READERS[kind](fields[kind], rest)


def _text(value: Any, rest: _Rest) -> Part:
    text = a_string(value, rest.path + ".text")
    ext = to_ext(rest.fields, rest.snake)
    if rest.thought:
        carried = unpack(text, rest.signature) if rest.signature is not None else None
        if carried is not None:
            return carried
        return Thinking(text=text, signature=rest.signature, origin=NAME, ext=ext)
    return Text(text, signature=rest.signature, ext=ext)


_BLOB = frozenset(("data", "mimeType", "displayName"))
_FILE = frozenset(("fileUri", "mimeType", "displayName"))


_STANDARD = str.maketrans("-_", "+/")


def _standard(data: str) -> str:
    """The API takes both alphabets of base64, and Google's own client sends the other one; other dialects take one."""
    if "-" in data or "_" in data:
        data = data.translate(_STANDARD)
    return data + "=" * (-len(data) % 4)


def _inline_data(value: Any, rest: _Rest) -> Part:
    path = rest.path + ".inlineData"
    blob = camel(an_object(value, path), rest.snake)
    rest.keep("inlineData", blob, _BLOB)
    sent = a_string(blob.get("data", ""), path + ".data")
    data = _standard(sent)
    if data != sent:
        rest.fields["~data"] = sent
    source = Media(
        data=data,
        media_type=_optional(blob, "mimeType", path),
        name=_optional(blob, "displayName", path),
    )
    return _media(source, "", rest)


def _file_data(value: Any, rest: _Rest) -> Part:
    path = rest.path + ".fileData"
    file = camel(an_object(value, path), rest.snake)
    rest.keep("fileData", file, _FILE)
    uri = a_string(file.get("fileUri"), path + ".fileUri")
    public = uri.startswith(("https://", "http://")) and not uri.startswith(_FILES_API)
    source = Media(
        url=uri if public else None,
        file_id=None if public else uri,
        media_type=_optional(file, "mimeType", path),
        name=_optional(file, "displayName", path),
    )
    return _media(source, uri, rest)


def _optional(fields: dict[str, Any], name: str, path: str) -> str | None:
    value = fields.get(name)
    return None if value is None else a_string(value, f"{path}.{name}")


def _media(source: Media, uri: str, rest: _Rest) -> Part:
    kind = (source.media_type or "").partition("/")[0]
    if not kind:
        found = _EXTENSIONS.get(uri.rpartition(".")[2].lower())
        video = "youtube.com/" in uri or "youtu.be/" in uri
        kind = "video" if video or found is Video else "image" if found is Image else "audio" if found is Audio else ""
    if kind == "image":
        return Image(source, signature=rest.signature, ext=to_ext(rest.fields, rest.snake))
    if rest.signature is not None:
        rest.fields["~thoughtSignature"] = rest.signature
    ext = to_ext(rest.fields, rest.snake)
    if kind == "audio":
        return Audio(source, format=_AUDIO_FORMATS.get(source.media_type or ""), ext=ext)
    if kind == "video":
        return Video(source, ext=ext)
    return Document(source, ext=ext)


_CALL = frozenset(("id", "name", "args"))


def _function_call(value: Any, rest: _Rest) -> Part:
    path = rest.path + ".functionCall"
    call = camel(an_object(value, path), rest.snake)
    rest.keep("functionCall", call, _CALL)
    args = call.get("args")
    if args is None:
        rest.fields["~bare"] = True
    return ToolCall(
        _optional(call, "id", path) or "",
        a_string(call.get("name"), path + ".name"),
        _encode(an_object(args, path + ".args")).decode() if args is not None else "{}",
        rest.signature,
        ext=to_ext(rest.fields, rest.snake) if rest.fields or rest.snake else None,
    )


_RESPONSE = frozenset(("id", "name", "response", "parts"))


def _function_response(value: Any, rest: _Rest) -> Part:
    """`output` and `error` are the keys that the API itself knows; any other object is the result as a whole."""
    path = rest.path + ".functionResponse"
    given = camel(an_object(value, path), rest.snake)
    rest.keep("functionResponse", given, _RESPONSE)
    if rest.signature is not None:
        rest.fields["~thoughtSignature"] = rest.signature
    response = given.get("response")
    result: Any = {} if response is None else an_object(response, path + ".response")
    wrap = next(iter(result)) if len(result) == 1 else ""
    if wrap == "output" or wrap == "error":
        result = result[wrap]
        rest.fields["~wrap"] = wrap
    content: list[Part] = []
    if result.__class__ is str:
        content.append(Text(result))
    else:
        content.append(Text(_encode(result).decode()))
        rest.fields["~json"] = True
    for i, part in enumerate(a_list(given.get("parts") or [], path + ".parts")):
        content.append(parse_part(part, f"{path}.parts[{i}]"))
    return ToolResult(
        _optional(given, "id", path) or "",
        tuple(content),
        a_string(given.get("name"), path + ".name"),
        True if wrap == "error" else None,
        ext=to_ext(rest.fields, rest.snake),
    )


_READERS: dict[str, Callable[[Any, _Rest], Part]] = {
    "text": _text,
    "inlineData": _inline_data,
    "fileData": _file_data,
    "functionCall": _function_call,
    "functionResponse": _function_response,
}


def parse_parts(value: Any, path: str) -> list[Part]:
    """All parts of a content. Raises Malformed."""
    if value is None:
        return []
    try:
        return [parse_part(part, f"{path}[{i}]") for i, part in enumerate(a_list(value, path))]
    except RecursionError:
        raise Malformed(path, "nested less deeply") from None
