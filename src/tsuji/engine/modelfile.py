"""Modelfiles, read into presets. Pure.

https://docs.ollama.com/modelfile: one instruction a line, upper or lower case, in any order; a text may go over several
lines between three quotation marks. What means nothing here is said, not dropped in silence.
"""

import re
from typing import Any

import msgspec

from tsuji.core.errors import LocalEngineError

from .presets import PARAMETERS, Adapter, Preset, Said, Value, check_parameters

_OWN_NAMES = {"num_ctx": "context", "num_predict": "max_tokens"}
_INSTRUCTIONS = ("FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE")
_UNUSED = ("REQUIRES", "CAPABILITY", "PARSER", "RENDERER")


class Imported(msgspec.Struct, frozen=True):
    """unused: a sentence for each line that has no meaning here."""

    preset: Preset
    unused: tuple[str, ...]


def read_modelfile(text: str) -> Imported:
    """Raises LocalEngineError with the line that is wrong. Paths stay as they were written."""
    found: dict[str, Any] = {"parameters": {}}
    adapters: list[Adapter] = []
    said: list[Said] = []
    licences: list[str] = []
    unused: list[str] = []
    for number, instruction, argument in _instructions(text):
        if instruction == "PARAMETER":
            _parameter(number, argument, found["parameters"], unused)
        elif instruction == "MESSAGE":
            said.append(_message(number, argument))
        elif instruction == "ADAPTER":
            adapters.append(Adapter(argument))
        elif instruction == "LICENSE":
            licences.append(argument)
        elif instruction == "SYSTEM":
            found["system"] = argument
        elif instruction == "TEMPLATE":
            _template(argument, found, unused)
        elif instruction == "FROM":
            if "base" in found:
                raise _wrong(number, "a second FROM: of a split model, name the first file")
            found["base"] = argument
        else:
            unused.append(f"{instruction} is not used here")
    if not found.get("base"):
        raise LocalEngineError("the Modelfile has no FROM: the model that it rests on")
    try:
        check_parameters(found["parameters"])
    except ValueError as error:
        raise LocalEngineError(f"the Modelfile: {error}") from None
    licence = "\n\n".join(licences) or None
    preset = Preset(**found, adapters=tuple(adapters), messages=tuple(said), licence=licence)
    return Imported(preset, tuple(unused))


def parameters_of(given: dict[str, Any]) -> dict[str, Value]:
    """Parameters as Ollama's models carry them in JSON, under the names they have here; what has none is left out."""
    out: dict[str, Value] = {}
    for name, value in given.items():
        own = _OWN_NAMES.get(name, name)
        kind = PARAMETERS.get(own)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        one = {own: value}
        try:
            check_parameters(one)
        except ValueError:
            continue
        if own == "max_tokens" and value < 1:
            continue  # -1 and -2: no limit
        out |= one
    return out


def _instructions(text: str) -> list[tuple[int, str, str]]:
    """Line number, instruction in capitals, argument."""
    out: list[tuple[int, str, str]] = []
    lines = text.lstrip("\ufeff").splitlines()
    at = 0
    while at < len(lines):
        line, number = lines[at].strip(), at + 1
        at += 1
        if not line or line.startswith("#"):
            continue
        word, _, argument = line.partition(" ") if " " in line else line.partition("\t")
        instruction, argument = word.upper(), argument.strip()
        if instruction not in _INSTRUCTIONS + _UNUSED:
            raise _wrong(number, f"{word!r} is no instruction; there are {', '.join(_INSTRUCTIONS)}")
        if '"""' in argument and argument.count('"""') == 1:
            while at < len(lines) and '"""' not in lines[at]:
                argument += "\n" + lines[at]
                at += 1
            if at == len(lines):
                raise _wrong(number, 'the text has no end: three quotation marks are missing (""")')
            argument += "\n" + lines[at].rstrip()
            at += 1
        if not argument:
            raise _wrong(number, f"{instruction} says nothing")
        out.append((number, instruction, argument if instruction in ("MESSAGE", "PARAMETER") else _unquoted(argument)))
    return out


def _unquoted(text: str) -> str:
    for mark in ('"""', '"'):
        if text.startswith(mark) and text.endswith(mark) and len(text) >= 2 * len(mark):
            inner = text[len(mark) : -len(mark)]
            return inner.removeprefix("\n").removesuffix("\n") if mark == '"""' else inner
    return text


def _parameter(number: int, argument: str, parameters: dict[str, Value], unused: list[str]) -> None:
    given, _, text = argument.partition(" ")
    name, text = _OWN_NAMES.get(given.lower(), given.lower()), _unquoted(text.strip())
    kind = PARAMETERS.get(name)
    if kind is None:
        unused.append(f"PARAMETER {given} is not used here")
        return
    if kind is list:
        stops = parameters.setdefault(name, [])
        assert isinstance(stops, list)
        stops.append(text)
        return
    try:
        value = kind(text)
    except ValueError:
        raise _wrong(number, f"PARAMETER {given} is {text!r} and must be a number") from None
    if name == "max_tokens" and value < 1:
        return  # -1 and -2: no limit, which is what nothing says
    parameters[name] = value


def _message(number: int, argument: str) -> Said:
    role, _, content = argument.partition(" ")
    try:
        return msgspec.convert({"role": role.lower(), "content": _unquoted(content.strip())}, Said)
    except msgspec.ValidationError:
        raise _wrong(number, f"MESSAGE {role!r}: a message is of system, user or assistant") from None


def _template(text: str, found: dict[str, Any], unused: list[str]) -> None:
    """Ollama's templates are Go's: `{{ .Prompt }}`, `{{- range .Messages }}`. llama.cpp renders Jinja."""
    if re.search(r"\{\{-?\s*(if |range |end|else|\$|\.[A-Z])", text):
        unused.append("TEMPLATE is in Go's language; the model's own template (Jinja, in its GGUF file) is used")
    else:
        found["template"] = text


def _wrong(number: int, what: str) -> LocalEngineError:
    return LocalEngineError(f"the Modelfile, line {number}: {what}")
