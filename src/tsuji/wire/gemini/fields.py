"""Names and checks that all parsers here share.

Google's JSON takes every field in camelCase and in snake_case (https://protobuf.dev/programming-guides/json/). Parsers
read camelCase; which fields came in snake_case is remembered beside the noun under "~snake" and given back.
"""

from typing import Any

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Ext

NAME = "gemini"

GENERATION = "generationConfig."
"""How a field of `generationConfig` is named at the top level: in `ext`, in quirks, in refusals."""

_CAMEL = [
    "systemInstruction",
    "generationConfig",
    "safetySettings",
    "toolConfig",
    "cachedContent",
    "serviceTier",
    "modelArmorConfig",
    "maxOutputTokens",
    "stopSequences",
    "topP",
    "topK",
    "candidateCount",
    "presencePenalty",
    "frequencyPenalty",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "responseLogprobs",
    "thinkingConfig",
    "speechConfig",
    "mediaResolution",
    "imageConfig",
    "thinkingBudget",
    "thinkingLevel",
    "includeThoughts",
    "functionDeclarations",
    "parametersJsonSchema",
    "functionCallingConfig",
    "allowedFunctionNames",
    "includeServerSideToolInvocations",
    "retrievalConfig",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "fileSearch",
    "computerUse",
    "googleMaps",
    "enterpriseWebSearch",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "videoMetadata",
    "partMetadata",
    "mimeType",
    "fileUri",
    "displayName",
    "willContinue",
    "taskType",
    "outputDimensionality",
]


def _snake(name: str) -> str:
    return "".join([f"_{c.lower()}" if c.isupper() else c for c in name])


_FROM_SNAKE = {_snake(name): name for name in _CAMEL}
_SNAKE_NAMES = frozenset(_FROM_SNAKE)
_NESTED = frozenset(
    [
        "generationConfig",
        "toolConfig",
        "tools",
        "functionDeclarations",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
    ]
)


class Malformed(Exception):
    """A value is not what it should be. Parsers turn it into the error that blames the right side."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(path, expected)
        self.path = path
        self.expected = expected

    def request_error(self) -> InvalidRequestError:
        return InvalidRequestError(f"{self.path!r} must be {self.expected}", param=self.path)


def camel(fields: dict[str, Any], snake: list[str]) -> dict[str, Any]:
    """`fields` with camelCase names; adds to `snake` the names that were not. Copies only where there are any."""
    if _SNAKE_NAMES.isdisjoint(fields):
        return fields
    out: dict[str, Any] = {}
    for key, value in fields.items():
        name = _FROM_SNAKE.get(key, key)
        if name in out:
            raise Malformed(name, "given once, in camelCase or in snake_case")
        if name is not key and name not in snake:
            snake.append(name)
        out[name] = value
    return out


def camel_name(name: str) -> str:
    return _FROM_SNAKE.get(name, name)


def respell(fields: dict[str, Any], snake: list[str]) -> dict[str, Any]:
    """The reverse of `camel`, also one level down where the format nests its own fields."""
    out: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _NESTED:
            if value.__class__ is dict:
                value = respell(value, snake)
            elif value.__class__ is list:
                value = [respell(item, snake) if item.__class__ is dict else item for item in value]
        out[_snake(name) if name in snake else name] = value
    return out


def an_object(value: Any, path: str) -> dict[str, Any]:
    if value.__class__ is not dict:
        raise Malformed(path, "an object")
    return value


def a_list(value: Any, path: str) -> list[Any]:
    """A list. Google's own parser, and its examples, take a lone object for a list of one."""
    if value.__class__ is dict:
        return [value]
    if value.__class__ is not list:
        raise Malformed(path, "a list")
    return value


def a_string(value: Any, path: str) -> str:
    if value.__class__ is not str:
        raise Malformed(path, "a string")
    return value


def a_boolean(value: Any, path: str) -> bool:
    if value.__class__ is not bool:
        raise Malformed(path, "true or false")
    return value


def a_number(value: Any, path: str) -> float:
    if value.__class__ is not int and value.__class__ is not float:
        raise Malformed(path, "a number")
    return value


def an_integer(value: Any, path: str) -> int:
    """A whole number; 40.0 is one."""
    if value.__class__ is float and value.is_integer():
        return int(value)
    if value.__class__ is not int:
        raise Malformed(path, "a whole number")
    return value


def strings(value: Any, path: str) -> tuple[str, ...]:
    if value.__class__ is str:
        return (value,)
    return tuple([a_string(item, f"{path}[{i}]") for i, item in enumerate(a_list(value, path))])


def text_or_none(value: Any) -> str | None:
    """For what providers may get wrong without harm."""
    return value if value.__class__ is str else None


def int_or_none(value: Any) -> int | None:
    return value if value.__class__ is int else None


def dict_or_empty(value: Any) -> dict[str, Any]:
    return value if value.__class__ is dict else {}


def dicts_in(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if item.__class__ is dict] if value.__class__ is list else []


def own(ext: Ext | None) -> dict[str, Any]:
    """The fields of this dialect in `ext`, remembered spellings included."""
    return ext.get(NAME, {}) if ext else {}


def to_ext(fields: dict[str, Any], snake: list[str] | None = None) -> Ext | None:
    """`fields` as the ext of a noun; None where there is nothing to keep."""
    if snake:
        fields["~snake"] = snake
    return {NAME: fields} if fields else None


def place(fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """Puts the fields of an ext into a rendered object: "inlineData.x" becomes x of its inlineData, "~x" is skipped."""
    for name, value in extra.items():
        if name[0:1] == "~":
            continue
        head, dot, tail = name.partition(".")
        if dot and head in _NESTED:
            within = fields.setdefault(head, {})
            if within.__class__ is dict:
                within[tail] = value
        elif value.__class__ is dict and fields.get(name).__class__ is dict:
            fields[name] = {**fields[name], **value}
        else:
            fields[name] = value
