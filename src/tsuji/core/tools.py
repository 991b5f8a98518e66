"""Tools, the choice among them, and the shape asked of an answer."""

from typing import Any, Literal

from .parts import CacheMark, Ext, Noun


class Tool(Noun, frozen=True, tag="function"):
    """A function of the caller's. parameters: its JSON schema; None where none was given."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class ProviderTool(Noun, frozen=True, tag="provider"):
    """A tool that the provider runs (web search, code execution).

    data: the whole entry, verbatim, in its own dialect.
    """

    dialect: str
    kind: str
    data: dict[str, Any]


class ToolChoice(Noun, frozen=True):
    """mode "named": the model must call one of `names`. "required": any tool. ext: forms core has no noun for."""

    mode: Literal["auto", "none", "required", "named"]
    names: tuple[str, ...] = ()
    ext: Ext | None = None


class ResponseFormat(Noun, frozen=True):
    """kind "json": any JSON object. "json_schema": one that `schema` describes."""

    kind: Literal["text", "json", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    ext: Ext | None = None
