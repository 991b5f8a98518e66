"""Parts from core to the wire, of requests and of responses.

What the dialect has no form for is refused by name, except for hints, which are noted in `losses.dropped` and raise
nothing: thinking that another dialect made (its proof is of no use here), an image's `detail`, citations in history.
"""

from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import (
    Audio,
    Document,
    Ext,
    Image,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from tsuji.wire.dialect import Losses

from .carried import pack
from .fields import NAME, own, place, respell

Wire = dict[str, Any]

_MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "html": "text/html",
    "csv": "text/csv",
    "md": "text/markdown",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
}
"""File name extensions: the API wants to know what a URL holds."""

_DEFAULT_MEDIA: dict[type, str] = {Image: "image/jpeg", Audio: "audio/wav", Video: "video/mp4"}

SKIP_VALIDATION = "skip_thought_signature_validator"
"""Stands in for the signature of a call that Gemini did not make
(https://ai.google.dev/gemini-api/docs/thought-signatures#faqs)."""


def foreign_thought(part: Thinking, said: str | None = None) -> list[Wire]:
    """Thinking of another dialect in an answer. said: its text, where that went out before."""
    thought: Wire = {"text": part.text, "thought": True}
    token = pack(part, said)
    if token is not None:
        thought["thoughtSignature"] = token
    return [thought] if part.text or token else []


def decode_arguments(text: str) -> Wire:
    """Arguments as the object that the API wants; what is no JSON object goes under "arguments", as it is."""
    if not text or text.isspace():
        return {}
    found = _decoded(text)
    return found if found.__class__ is dict else {"arguments": found}


def _decoded(text: str) -> Any:
    """What JSON text means; the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text


class PartWriter:
    """Renders parts one by one. Set `at` to where the message stands before its parts are written.

    losses: None for a response, which refuses nothing. native: the parts came in this dialect, so nothing is added to
    them. modern: the model takes media inside function responses (Gemini 3 and later). names: of the functions called
    so far, by call id.
    """

    __slots__ = ("at", "index", "losses", "modern", "names", "native")

    def __init__(self, losses: Losses | None, native: bool = False, modern: bool = True) -> None:
        self.losses = losses
        self.native = native
        self.modern = modern
        self.names: dict[str, str] = {}
        self.at = ""
        self.index = 0

    def write(self, parts: tuple[Part, ...]) -> list[Wire]:
        out: list[Wire] = []
        for index, part in enumerate(parts):
            self.index = index
            out += _WRITERS[type(part)](self, part)
        return out

    def where(self) -> str:
        return f"{self.at}content[{self.index}]"

    def refuse(self, what: str, why: str = "") -> list[Wire]:
        if self.losses is not None:
            self.losses.refuse(f"{self.where()} ({what})", why)
        return []

    def note(self, what: str) -> None:
        if self.losses is not None:
            self.losses.note(f"{self.where()} ({what})")

    def finish(self, fields: Wire, ext: Ext | None, signature: str | None = None) -> Wire:
        """Adds to a part what stands beside its data."""
        if signature is not None:
            fields["thoughtSignature"] = signature
        if not ext:
            return fields
        if self.losses is not None:
            self.losses.ext(ext, self.where() + ".")
        mine = ext.get(NAME)
        if mine:
            place(fields, mine)
            for name in ("thought", "thoughtSignature"):
                if "~" + name in mine:
                    fields[name] = mine["~" + name]
            if "~snake" in mine:
                return respell(fields, mine["~snake"])
        return fields

    def text(self, part: Text) -> list[Wire]:
        if part.citations and self.losses is not None:
            self.note("citations")
        if part.signature is None and part.ext is None:
            # An empty text is an error to the API; other dialects' histories have some.
            return [{"text": part.text}] if part.text or self.native or self.losses is None else []
        return [self.finish({"text": part.text}, part.ext, part.signature)]

    def thinking(self, part: Thinking) -> list[Wire]:
        if part.origin != NAME:
            if self.losses is not None:
                self.note("thinking")
                return []
            return foreign_thought(part)
        fields: Wire = {} if "~bare" in own(part.ext) else {"text": part.text, "thought": True}
        return [self.finish(fields, part.ext, part.signature)]

    def image(self, part: Image) -> list[Wire]:
        if part.detail not in (None, "auto"):
            self.note("image detail")
        return self.media(part.source, part, part.signature)

    def document(self, part: Document) -> list[Wire]:
        if part.cite and self.losses is not None:
            self.losses.refuse(self.where() + ".citations", "documents cannot ask for citations")
        lead = "\n".join([said for said in (part.title, part.context) if said])
        before: list[Wire] = [{"text": lead}] if lead else []
        return before + self.media(part.source, part)

    def audio(self, part: Audio) -> list[Wire]:
        if part.source == Media():
            return [{"text": part.transcript}] if part.transcript else self.refuse("audio id", "send the audio itself")
        return self.media(part.source, part)

    def video(self, part: Video) -> list[Wire]:
        return self.media(part.source, part)

    def media(self, source: Media, part: Image | Document | Audio | Video, signature: str | None = None) -> list[Wire]:
        media_type = source.media_type or (None if self.native else _guess(source, part))
        if source.text is not None:
            data = b2a_base64(source.text.encode(errors="replace"), newline=False).decode()
            key, fields = "inlineData", {"mimeType": media_type or "text/plain", "data": data}
        elif source.data is not None:
            key, fields = "inlineData", {"data": own(part.ext).get("~data", source.data)}
            if media_type or not self.native:
                fields["mimeType"] = media_type or _DEFAULT_MEDIA.get(type(part), "application/octet-stream")
        else:
            uri = source.url or source.file_id or ""
            if "://" not in uri:
                return self.refuse("file id", "files of another provider are unknown here; send the data or a URL")
            key, fields = "fileData", {"fileUri": uri}
            if media_type:
                fields["mimeType"] = media_type
        if source.name and (self.native or self.losses is None):
            fields["displayName"] = source.name
        return [self.finish({key: fields}, part.ext, signature)]

    def call(self, part: ToolCall) -> list[Wire]:
        self.names[part.id] = part.name
        call: Wire = {"name": part.name}
        if part.id:
            call["id"] = part.id
        if "~bare" not in own(part.ext):
            call["args"] = decode_arguments(part.arguments)
        return [self.finish({"functionCall": call}, part.ext, part.signature)]

    def result(self, part: ToolResult) -> list[Wire]:
        name = part.name or self.names.get(part.call_id)
        if name is None:
            raise InvalidRequestError(
                f"{self.where()} answers the tool call {part.call_id!r}, which no earlier message makes; "
                "the gemini dialect needs the function's name: send the assistant message with that call, or the name",
                param=self.where(),
            )
        texts = [p for p in part.content if type(p) is Text]
        rest = tuple([p for p in part.content if type(p) is not Text])
        answer: Wire = {"name": name, "response": self.response(part, "".join([p.text for p in texts]))}
        if part.call_id and "~by_name" not in own(part.ext):
            answer["id"] = part.call_id
        index = self.index
        media = self.write(rest) if rest else []
        self.index = index
        beside: list[Wire] = []
        if media and (self.modern or self.native):
            answer["parts"] = media
        else:
            beside = media
        return [self.finish({"functionResponse": answer}, part.ext), *beside]

    def response(self, part: ToolResult, text: str) -> Wire:
        said = own(part.ext)
        wrap = said.get("~wrap")
        value: Any = text
        if "~json" in said:
            value = _decoded(text)
            if wrap is None and value.__class__ is dict:
                return value
        return {wrap or ("error" if part.is_error else "output"): value}

    def refusal(self, part: Refusal) -> list[Wire]:
        return [self.finish({"text": part.text}, part.ext)]

    def opaque(self, part: Opaque) -> list[Wire]:
        if part.dialect == NAME:
            return [part.data]
        return self.refuse(part.kind, f"it is a part of the {part.dialect} dialect")


def _guess(source: Media, part: Image | Document | Audio | Video) -> str | None:
    """The media type, from the format, the file's name or the URL's extension."""
    if type(part) is Audio and part.format:
        return _MEDIA_TYPES.get(part.format, f"audio/{part.format}")
    name = source.name or (source.url or "").partition("?")[0]
    return _MEDIA_TYPES.get(name.rpartition(".")[2].lower()) if name else None


_WRITERS: dict[type[Part], Callable[[PartWriter, Any], list[Wire]]] = {
    Text: PartWriter.text,
    Thinking: PartWriter.thinking,
    Image: PartWriter.image,
    Document: PartWriter.document,
    Audio: PartWriter.audio,
    Video: PartWriter.video,
    ToolCall: PartWriter.call,
    ToolResult: PartWriter.result,
    Refusal: PartWriter.refusal,
    Opaque: PartWriter.opaque,
}
