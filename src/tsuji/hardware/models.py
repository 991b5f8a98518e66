"""The catalogue's models, and which of them a name means: a file's, a repository's, or what people write in tables.

A name is taken apart into words and figures; a model is meant where all of its own words are in the name, and of
several the one with most. What else the name says, a quantization or a version, does not matter.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError

from .model import Model

ROWS = Path(catalog.__file__).parent / "models"
_SEPARATED = re.compile(r"(?<=[a-z])(?<!\bv)(?=\d)|(?<=\d)(?=[a-z])")
_WORD = re.compile(r"v\d+(?:\.\d+)?|\d+(?:\.\d+)?|[a-z]+\+?")
_QUANT = re.compile(r"[ .]((ud )?(i?q\d|tq\d|mxfp4|nvfp4|fp8|fp4|bf16|f16|f32|int8|int4|awq|gptq)\b.*)$")
_LEFT_OUT = frozenset(["b", "m"])
"""Units: "7B" is known by its 7. What is left is compared."""


@cache
def models() -> tuple[Model, ...]:
    """All of them, by file and in the files' order. Raises ConfigError for a row that is not one."""
    return tuple(row for path in sorted(ROWS.glob("*.toml")) for row in _read(path))


@cache
def model(name: str, layers: int | None = None) -> Model | None:
    """Who is meant: "Meta-Llama-3-8B", "unsloth_DeepSeek R1 BF16", "Qwen3-32B-Q8_0.gguf", "gpt-oss:120b".

    layers: that it has, where that is known, which decides between sizes; 1 more or less may be a prediction layer.
    None: nobody in the catalogue.
    """
    asked = _words(name)
    best, most = None, (0.0, 0.0)
    for row, own in _index():
        missing = own - asked
        if layers is not None and abs(row.layers - layers) > 1:
            continue
        if missing and not (layers is not None and _only_sizes(missing) and own & asked):
            continue
        rank = (float(len(own & asked)), -len(missing) - len(asked - own) / 100)
        if rank > most:
            best, most = row, rank
    return best


def nearest(name: str, most: int = 3) -> list[str]:
    """Names that share most words with it, for an error that helps."""
    asked = _words(name)
    scored = [(len(asked & own) - len(asked ^ own) / 8, row.name) for row, own in _index()]
    return list(dict.fromkeys(found for score, found in sorted(scored, reverse=True) if score > 0))[:most]


def _only_sizes(words: frozenset[str]) -> bool:
    return all(word[0].isdigit() for word in words)


@cache
def _index() -> tuple[tuple[Model, frozenset[str]], ...]:
    """Names before aliases: of equals, the first is meant."""
    named = [(row, row.name) for row in models()] + [(row, alias) for row in models() for alias in row.aliases]
    return tuple((row, _words(name)) for row, name in named)


def _words(name: str) -> frozenset[str]:
    text = _QUANT.sub("", re.sub(r"[_:/\-]+", " ", name.lower()))
    return frozenset(_WORD.findall(_SEPARATED.sub(" ", text))) - _LEFT_OUT


def _read(path: Path) -> list[Model]:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")).get("model", []), list[Model])
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"models of the catalogue, {path.name}: {error}") from None
