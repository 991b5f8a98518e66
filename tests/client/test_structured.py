"""response_format: types, schemas, and the instance in message.parsed."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypedDict

import msgspec
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tsuji import InvalidRequestError, UpstreamProtocolError


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Place(BaseModel):
    """Somewhere."""

    name: str = Field(description="its name")
    mood: Mood = Mood.GOOD


class Trip(BaseModel):
    to: Place = Field(description="where")
    via: list[Place] = []
    days: int | None = None
    next: "Trip | None" = None


@dataclass
class Leg:
    place: Place
    kind: Literal["train", "bus"] = "train"


class Plan(msgspec.Struct):
    legs: list[Leg]


class Typed(TypedDict):
    x: int


@pydantic_dataclass
class Checked:
    n: int = Field(gt=0)


CASES = [
    (Trip, '{"to":{"name":"Nara","mood":"bad"},"via":[],"days":3,"next":null}', lambda p: p.to.mood is Mood.BAD),
    (Plan, '{"legs":[{"place":{"name":"Nara","mood":"good"},"kind":"bus"}]}', lambda p: p.legs[0].place.name == "Nara"),
    (Leg, '{"place":{"name":"Nara","mood":"good"},"kind":"bus"}', lambda p: isinstance(p.place, Place)),
    (Typed, '{"x":1}', lambda p: p == {"x": 1}),
    (Checked, '{"n":1}', lambda p: p.n == 1),
]


@pytest.mark.parametrize(("type_", "text", "right"), CASES, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_instance(connect, dialect, type_, text, right):
    client, _ = connect(answers.chat(dialect, text), dialect)
    message = client.completion("mock:m", HI, response_format=type_).choices[0].message
    assert right(message.parsed)
    assert message.content == text


@pytest.mark.parametrize(("type_", "text", "right"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_the_schema_is_strict_and_fits(connect, type_, text, right):
    client, server = connect(answers.chat("openai", text))
    client.completion("mock:m", HI, response_format=type_)
    form = server.last.json()["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["name"] == type_.__name__
    assert form["json_schema"]["strict"] is True
    schema = form["json_schema"]["schema"]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(text))
    assert schema["type"] == "object"
    for node in _objects(schema):
        assert node["additionalProperties"] is False
        assert set(node["required"]) == set(node["properties"])
    assert '"default"' not in json.dumps(schema)


def _objects(node):
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for child in node.values():
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)


def test_a_free_mapping_is_not_strict(connect):
    class Free(BaseModel):
        counts: dict[str, int]

    client, server = connect(answers.chat("openai", '{"counts":{"a":1}}'))
    r = client.completion("mock:m", HI, response_format=Free)
    assert r.choices[0].message.parsed.counts == {"a": 1}
    assert server.last.json()["response_format"]["json_schema"]["strict"] is False


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "title": "A thing"}


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (SCHEMA, {"type": "json_schema", "json_schema": {"name": "A_thing", "schema": SCHEMA}}),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, None),
        ({"type": "json_object"}, None),
    ],
)
def test_a_schema_gives_plain_json(connect, form, sent):
    client, server = connect(answers.chat("openai", '{"a":1}'))
    r = client.completion("mock:m", HI, response_format=form)
    assert r.choices[0].message.parsed == {"a": 1}
    assert server.last.json()["response_format"] == (sent or form)


def test_text_is_not_parsed(connect):
    client, _ = connect(answers.chat("openai"))
    assert client.completion("mock:m", HI, response_format={"type": "text"}).choices[0].message.parsed is None
    assert client.completion("mock:m", HI).choices[0].message.parsed is None


@pytest.mark.parametrize("text", ["not json", '{"to":', '{"to":{"name":1}}', "[]"])
def test_what_does_not_fit_loses_nothing(connect, text):
    client, _ = connect(answers.chat("openai", text))
    message = client.completion("mock:m", HI, response_format=Trip).choices[0].message
    with pytest.raises(UpstreamProtocolError, match=r"message\.content"):
        _ = message.parsed
    assert message.content == text
    assert message.model_dump()["content"] == text


def test_a_stream_is_parsed_as_a_whole(connect):
    client, _ = connect(answers.stream("openai", ['{"x"', ":7}"]))
    stream = client.completion("mock:m", HI, response_format=Typed, stream=True)
    assert stream.response().choices[0].message.parsed == {"x": 7}


@pytest.mark.parametrize("form", [{"type": "json_schema"}, {"foo": 1}, 5, object, lambda: 1])
def test_nonsense_is_refused(connect, form):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(InvalidRequestError) as caught:
        client.completion("mock:m", HI, response_format=form)
    assert caught.value.param == "response_format"
    assert not server.requests


REFERRING = {
    "type": "object",
    "properties": {"tree": {"$ref": "#/$defs/node"}, "n": {"type": ["integer", "null"], "minimum": 0}},
    "required": ["tree"],
    "additionalProperties": False,
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "label": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
                "kind": {"enum": ["leaf", "twig"]},
                "extra": {"anyOf": [{"type": "boolean"}, {"const": 7}]},
            },
            "required": ["label"],
        }
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {"tree": {"label": "a", "kids": [{"label": "b", "kids": []}], "kind": "leaf", "extra": 7}, "n": None},
        {"tree": {"label": "a", "extra": True, "unknown": [1]}, "n": 3},
        {},
        [],
        {"tree": {"label": "a"}, "more": 1},
        {"tree": {"label": "A"}},
        {"tree": {"label": "abcd"}},
        {"tree": {"label": "a", "kids": [{"kids": []}]}},
        {"tree": {"label": "a", "kids": [{"label": "b"}] * 3}},
        {"tree": {"label": "a", "kind": "root"}},
        {"tree": {"label": "a", "extra": 8}},
        {"tree": {"label": "a"}, "n": -1},
        {"tree": {"label": "a"}, "n": 1.5},
        {"tree": {"label": "a"}, "n": True},
    ],
)
def test_schema_check_agrees_with_jsonschema(value):
    from tsuji.client.schema_check import check

    if Draft202012Validator(REFERRING).is_valid(value):
        check(value, REFERRING)
    else:
        with pytest.raises(ValueError, match=r"\$"):
            check(value, REFERRING)


def test_a_schema_that_is_endless_or_odd():
    from tsuji.client.schema_check import check

    with pytest.raises(ValueError, match="without end"):
        check(1, {"$ref": "#"})
    check({"a": 1}, {"properties": {"a": True}})
    check(1, {"$ref": "elsewhere.json"})


@pytest.mark.parametrize("form", [SCHEMA, {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}])
def test_a_dict_is_validated(connect, form):
    client, _ = connect(answers.chat("openai", '{"a":"1"}'))
    message = client.completion("mock:m", HI, response_format=form).choices[0].message
    with pytest.raises(UpstreamProtocolError, match=r"\$\.a should be of type integer"):
        _ = message.parsed
