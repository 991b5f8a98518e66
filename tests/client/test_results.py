"""Results as objects: copies, pickles, dumps."""

import copy
import json
import pickle

from tests import answers
from tests.client.conftest import HI
from tests.scripted import Reply


def test_copies_of_an_answer(connect):
    reply = json.loads(answers.chat("openai", '{"a":1}').body) | {"own": [1]}
    client, _ = connect(Reply(json.dumps(reply).encode()))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    r = client.completion("mock:m", HI, response_format=schema)
    for made in (copy.copy(r), copy.deepcopy(r), r.model_copy(), r.model_copy(deep=True)):
        assert made == r
        assert made.own == [1]
        assert made.tsuji is r.tsuji
        assert made.choices[0].message.parsed == {"a": 1}
    assert copy.copy(r).choices is r.choices
    assert copy.deepcopy(r).choices[0] is not r.choices[0]
    assert copy.deepcopy(r).own is not r.own
    assert (r.model_copy(update={"id": "x"}).id, r.id) == ("x", "chatcmpl-1")
    pickled = pickle.dumps(r)
    assert b"secret" not in pickled
    made = pickle.loads(pickled)
    assert (made, made.own) == (r, [1])
    assert not hasattr(made, "tsuji")


def test_dumps_take_the_arguments_that_pydantics_do(connect):
    client, _ = connect(answers.chat("openai"))
    r = client.completion("mock:m", HI)
    assert list(r.model_dump(mode="json", include={"id", "model"}, by_alias=True)) == ["id", "model"]
    assert "usage" not in r.model_dump(exclude={"usage"})
    assert "logprobs" not in r.choices[0].model_dump(exclude_defaults=True)
    assert r.to_dict(mode="json") == r.model_dump(exclude_none=True)
    assert r.choices[0].message.function_call is None
