"""What `tsuji pull` is told, as the files that it means.

hf:OWNER/REPO[@REVISION]:QUANTIZATION     a repository of the hub; without a quantization, Q4_K_M if it has that
ollama:[HOST/][NAMESPACE/]NAME[:TAG]      Ollama's library, or a registry that speaks as it does
and the sources of one file (sources.py), of which a split model's first brings the others.
"""

import msgspec

from tsuji.core.errors import InvalidRequestError

from .presets import Preset
from .sources import Source, parse_source
from .split import shards, stem


class Part(msgspec.Struct, frozen=True):
    """One file. size: bytes, and sha256: where they are known beforehand."""

    file_name: str
    source: Source
    size: int | None = None
    sha256: str | None = None


class Pull(msgspec.Struct, frozen=True):
    """name: of the model in the store. preset: settings that came with it."""

    name: str
    parts: tuple[Part, ...]
    preset: Preset | None = None

    @property
    def size(self) -> int | None:
        """Bytes of all parts, where all are known."""
        sizes = [part.size for part in self.parts]
        return None if None in sizes else sum([size for size in sizes if size is not None])


def look_up(text: str) -> Pull:
    """Asks the hub or the registry what the line means. Raises InvalidRequestError, LocalEngineError."""
    scheme, _, rest = text.partition(":")
    if scheme == "hf" and not rest.endswith(".gguf"):
        from .hub import look_up as hub

        return hub(rest)
    if scheme == "ollama":
        from .registry import look_up as registry

        return registry(rest)
    source = parse_source(text)
    name = source.file_name
    try:
        names = shards(name)
    except ValueError as error:
        raise InvalidRequestError(str(error), param="source") from None
    if len(names) == 1:
        return Pull(stem(name), (Part(name, source),))
    return Pull(stem(name), tuple([Part(one, parse_source(_beside(text, name, one))) for one in names]))


def _beside(text: str, name: str, other: str) -> str:
    """The same line for another file of the same folder."""
    before, found, after = text.rpartition(name)
    if not found:
        raise InvalidRequestError(
            f"{text!r} escapes the file's name, so its other parts cannot be found; pull hf:OWNER/REPO:QUANTIZATION, or"
            " write the name as it is",
            param="source",
        )
    return before + other + after
