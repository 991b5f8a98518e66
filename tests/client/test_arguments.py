"""What a caller may get wrong: named at once, and nothing is sent."""

import pytest

from tests.client.conftest import HI
from tsuji import Client, InvalidRequestError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"extra_headers": {"x": 3}}, "extra_headers must be a dict of strings; 'x' is not"),
        ({"extra_headers": [("a", "b")]}, "extra_headers must be a dict of strings, not list"),
        ({"extra_body": 3}, "extra_body must be a dict, not int"),
        ({"api_base": 3}, "api_base must be a string, not int"),
        ({"api_key": 31}, "api_key must be a string, not int"),
        ({"client_args": {"base_url": 3}}, "api_base must be a string, not int"),
        ({"temperature": float("nan")}, "temperature must be a finite number, not nan"),
    ],
)
def test_a_value_that_cannot_be_sent_is_named(connect, options, said):
    client, server = connect()
    with pytest.raises(InvalidRequestError) as caught:
        client.completion("mock:m", HI, **options)
    assert str(caught.value) == said
    assert server.requests == []


def test_defaults_of_a_client_are_looked_at_too():
    with pytest.raises(InvalidRequestError, match="api_base must be a string, not int"):
        Client(api_base=3)


@pytest.mark.parametrize("messages", ["hi", {"role": "user", "content": "hi"}, None])
def test_messages_that_are_no_list(connect, messages):
    client, _ = connect()
    with pytest.raises(InvalidRequestError, match=r'must be a list of dicts, such as \[\{"role": "user"'):
        client.completion("mock:m", messages)
