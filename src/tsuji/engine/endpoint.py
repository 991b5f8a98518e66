"""What the engine hands out: where a running model listens, and what is known of it."""

import msgspec

from .presets import Preset


class LoadedModel(msgspec.Struct, frozen=True):
    """A running model.

    context: tokens that one answer may use, prompt included. template: its chat template (Jinja). tools_supported:
    whether the template knows tools. embeddings: it makes vectors, and does not chat. pid: of its process. preset:
    what holds where a request says nothing.
    """

    architecture: str
    context: int
    template: str | None
    tools_supported: bool
    embeddings: bool
    pid: int
    preset: Preset | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """An OpenAI-compatible server for one model, on loopback.

    base_url ends in "/v1". headers: to be sent with every request; the key in them is made anew for each process.
    model: the name to send.
    """

    base_url: str
    headers: dict[str, str]
    model: str
    info: LoadedModel


class LocalModel(msgspec.Struct, frozen=True):
    """A model that `local:NAME` can mean.

    aliases: further names. file: where it is, or will be. size: bytes, of the file or of what it will be. present: it
    is here and needs no download. pid: of its process, None if it does not run. origin: "built in", "store", "preset",
    "path", or the program whose it is.
    """

    name: str
    aliases: tuple[str, ...]
    file: str
    size: int
    present: bool
    pid: int | None
    description: str = ""
    origin: str = "store"
