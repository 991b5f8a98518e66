"""What a message is made of."""

from typing import Any, Literal

import msgspec

Ext = dict[str, dict[str, Any]]
Role = Literal["system", "developer", "user", "assistant", "tool"]


class Noun(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of the canonical values: immutable, compared by value."""


class CacheMark(Noun, frozen=True):
    """The caller asks that the prefix up to here be cached.

    ttl: as the provider names it ("5m", "1h"), None for its default.
    """

    kind: str = "ephemeral"
    ttl: str | None = None


class Media(Noun, frozen=True):
    """Bytes by exactly one of: `data` (base64 text, as on the wire), `url`, `file_id` (uploaded to the provider) or
    `text`.
    """

    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    media_type: str | None = None
    name: str | None = None


class Citation(Noun, frozen=True):
    """Where a span of answer text comes from. start, end: character offsets in the text they are attached to.

    `ext` holds the dialect's own form in full, which is what the same dialect gives back.
    """

    text: str | None = None
    url: str | None = None
    title: str | None = None
    start: int | None = None
    end: int | None = None
    ext: Ext | None = None


class Text(Noun, frozen=True, tag="text"):
    """signature: an opaque token that must come back with this part on the next turn (Gemini's thoughtSignature)."""

    text: str
    cache: CacheMark | None = None
    citations: tuple[Citation, ...] = ()
    signature: str | None = None
    ext: Ext | None = None


class Image(Noun, frozen=True, tag="image"):
    """detail: "low", "high", "auto" where the caller said so."""

    source: Media
    detail: str | None = None
    cache: CacheMark | None = None
    signature: str | None = None
    ext: Ext | None = None


class Document(Noun, frozen=True, tag="document"):
    """A file to read. cite: whether citations were asked for."""

    source: Media
    title: str | None = None
    context: str | None = None
    cite: bool | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class Audio(Noun, frozen=True, tag="audio"):
    """Spoken input, or an answer's audio.

    id: of an earlier audio answer; transcript: its words. format: "wav", "mp3".
    """

    source: Media
    format: str | None = None
    id: str | None = None
    transcript: str | None = None
    expires_at: int | None = None
    ext: Ext | None = None


class Video(Noun, frozen=True, tag="video"):
    source: Media
    ext: Ext | None = None


class Thinking(Noun, frozen=True, tag="thinking"):
    """The model's reasoning.

    text: what may be shown; empty where only an encrypted form was given.
    signature: proves the text to the provider that made it; goes back on the next turn unchanged.
    redacted: reasoning that the provider encrypts; opaque, goes back unchanged.
    id: of the reasoning item, where the dialect numbers them. summary: text is a summary, not the reasoning itself.
    origin: the dialect that made the signature or the redacted data; another dialect cannot use them.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None
    summary: bool = False
    origin: str | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class ToolCall(Noun, frozen=True, tag="tool_call"):
    """The model calls a tool. arguments: JSON text, as the model wrote it (it may be invalid JSON).

    id: "" where the dialect gave none. signature: as in Text.
    """

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None

    @property
    def custom(self) -> bool:
        """Whether the arguments are free text: of a tool that takes no JSON, which its dialect spells so."""
        return self.ext is not None and any(fields.get("~type") == "custom" for fields in self.ext.values())


class ToolResult(Noun, frozen=True, tag="tool_result"):
    """What a tool answered. name: of the tool, where the dialect says it. content: text, images or documents."""

    call_id: str
    content: tuple["Part", ...] = ()
    name: str | None = None
    is_error: bool | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class Refusal(Noun, frozen=True, tag="refusal"):
    """The model declines, in words of its own."""

    text: str
    ext: Ext | None = None


class Opaque(Noun, frozen=True, tag="opaque"):
    """A part only its own dialect understands: a provider's server tool call or its result, a compaction item.

    kind: the dialect's own type name. data: the whole part, verbatim.
    """

    dialect: str
    kind: str
    data: dict[str, Any]


Part = Text | Image | Document | Audio | Video | Thinking | ToolCall | ToolResult | Refusal | Opaque


class Message(Noun, frozen=True):
    """One turn. Tool results may stand in a message of role "tool" or "user", as the source had them.

    continues: it is more of the message before it, in a dialect whose clients keep the pieces of a stream as they came.
    """

    role: Role
    content: tuple[Part, ...] = ()
    name: str | None = None
    ext: Ext | None = None
    continues: bool = False

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join([p.text for p in self.content if type(p) is Text])
