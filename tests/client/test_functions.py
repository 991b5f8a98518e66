"""Tools: plain functions with hints and docstrings, and dicts in either form."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tsuji import InvalidRequestError
from tsuji.client.docstrings import described
from tsuji.client.functions import tool_of


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Where:
    city: str
    country: str = "Japan"


class When(BaseModel):
    day: int = Field(description="of the month")


def google(city: str, unit: Unit = Unit.C, days: int | None = None, tags: list[str] | None = None) -> str:
    """Tell the weather.

    For any city on earth.

    Args:
        city (str): which city; its name
            in English
        unit: of the temperature
        days: how many
    Returns:
        a sentence
    """
    return f"{city}{unit}{days}{tags}"


def numpy(city: str, kind: Literal["now", "later"], n: float = 1.5) -> str:
    """Tell the weather.

    Parameters
    ----------
    city : str
        which city; its name
        in English
    kind, n
        the rest

    Returns
    -------
    str
        a sentence
    """
    return f"{city}{kind}{n}"


def sphinx(city, where: Where, when: When, more: dict[str, int]):
    """Tell the weather.

    :param city: which city; its name
        in English
    :param Where where: the place
    :type when: When
    :returns: a sentence
    """
    return city, where, when, more


def annotated(a: Annotated[int, "how many"], b: Annotated[str, Field(description="which")] = "x"):
    return a, b


def test_google_style():
    tool = tool_of(google)
    function = tool["function"]
    assert (tool["type"], function["name"]) == ("function", "google")
    assert function["description"] == "Tell the weather.\n\nFor any city on earth."
    parameters = function["parameters"]
    Draft202012Validator.check_schema(parameters)
    assert parameters["required"] == ["city"]
    assert parameters["properties"]["city"] == {"type": "string", "description": "which city; its name in English"}
    assert parameters["properties"]["unit"]["default"] == "celsius"
    assert parameters["properties"]["unit"]["description"] == "of the temperature"
    assert {"type": "null"} in parameters["properties"]["days"]["anyOf"]
    assert parameters["additionalProperties"] is False
    validator = Draft202012Validator(parameters)
    validator.validate({"city": "Nara", "unit": "fahrenheit", "tags": ["a"], "days": None})
    assert not validator.is_valid({"city": "Nara", "unit": "kelvin"})
    assert not validator.is_valid({"unit": "celsius"})


def test_numpy_style():
    parameters = tool_of(numpy)["function"]["parameters"]
    assert parameters["properties"]["city"]["description"] == "which city; its name in English"
    assert sorted(parameters["properties"]["kind"]["enum"]) == ["later", "now"]
    assert parameters["properties"]["kind"]["description"] == "the rest"
    assert parameters["properties"]["n"] == {"type": "number", "description": "the rest", "default": 1.5}


def test_sphinx_style_and_nested_types():
    parameters = tool_of(sphinx)["function"]["parameters"]
    assert parameters["properties"]["city"] == {"description": "which city; its name in English"}
    assert parameters["properties"]["where"]["description"] == "the place"
    validator = Draft202012Validator(parameters)
    validator.validate({"city": 1, "where": {"city": "Nara"}, "when": {"day": 1}, "more": {"a": 1}})
    assert not validator.is_valid({"city": 1, "where": {}, "when": {"day": 1}, "more": {}})


def test_annotations():
    properties = tool_of(annotated)["function"]["parameters"]["properties"]
    assert properties["a"] == {"type": "integer", "description": "how many"}
    assert properties["b"]["description"] == "which"


def test_a_class_is_a_tool_of_its_fields():
    function = tool_of(When)["function"]
    assert function["name"] == "When"
    assert function["parameters"]["properties"]["day"]["description"] == "of the month"
    assert "description" not in tool_of(Where)["function"]  # dataclasses make up a docstring


def test_methods_have_no_self():
    class Station:
        def read(self, sensor: str) -> str:
            return sensor

    assert list(tool_of(Station().read)["function"]["parameters"]["properties"]) == ["sensor"]


def star(*args):
    return args


def bad_hint(x: "Nowhere"):  # noqa: F821 # pyright: ignore
    return x


def odd(x: object):
    return x


@pytest.mark.parametrize("function", [star, lambda x: x, bad_hint, odd])
def test_what_cannot_be_called_by_name(connect, function):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(InvalidRequestError) as caught:
        client.completion("mock:m", HI, tools=[google, function])
    assert caught.value.param.startswith("tools[1]")
    assert not server.requests


@pytest.mark.parametrize("tools", [google, "google", {"type": "function"}, [5], [None]])
def test_not_a_list_of_tools(connect, tools):
    client, _ = connect(answers.chat("openai"))
    with pytest.raises(InvalidRequestError, match="tools"):
        client.completion("mock:m", HI, tools=tools)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_functions_and_dicts_on_the_wire(connect, dialect):
    client, server = connect(answers.chat(dialect), dialect)
    openai = {"type": "function", "function": {"name": "o", "parameters": {"type": "object"}}}
    anthropic = {"name": "a", "description": "d", "input_schema": {"type": "object"}}
    client.completion("mock:m", HI, tools=[google, openai, anthropic], tool_choice="auto")
    body = server.last.json()
    if dialect in ("openai", "ollama", "cohere"):
        names = [t["function"]["name"] for t in body["tools"]]
    elif dialect == "anthropic":
        names = [t["name"] for t in body["tools"]]
    elif dialect == "bedrock":
        names = [t["toolSpec"]["name"] for t in body["toolConfig"]["tools"]]
    else:
        names = [d["name"] for t in body["tools"] for d in t["functionDeclarations"]]
    assert names == ["google", "o", "a"]


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (None, ("", {})),
        ("", ("", {})),
        ("One line.", ("One line.", {})),
        ("A: b.\n\nArgs:\n    x: y: z\n", ("A: b.", {"x": "y: z"})),
        ("A.\n\nArgs:\n    *a: many\n    k (int, None): key\n\nRaises:\n    E: x\n", ("A.", {"a": "many", "k": "key"})),
        ("A.\n\nArgs:\n", ("A.", {})),
        ("A.\n\nParameters\n----------\n", ("A.", {})),
    ],
)  # fmt: skip
def test_docstrings(doc, expected):
    assert described(doc) == expected
