"""A provider made ready to be called."""

import msgspec
import pytest

from tsuji.client.upstream import upstream
from tsuji.core.errors import InvalidRequestError, MissingApiKeyError
from tsuji.core.provider import Auth, Provider
from tsuji.providers import Signer
from tsuji.providers.signer import bearer

BASE = Provider(id="p", name="P", dialect="openai", base_url="https://host.example/v1/", env=("P_KEY",))


def changed(**fields: object) -> Provider:
    return msgspec.structs.replace(BASE, **fields)


def lines(headers: bytes) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in headers.decode().splitlines())
    return {name.lower(): value for name, value in pairs}


def test_bearer():
    up = upstream(BASE, "k")
    assert (up.origin.host, up.origin.port, up.prefix) == ("host.example", 443, "/v1")
    assert lines(up.headers)["authorization"] == "Bearer k"
    assert lines(up.headers)["content-type"] == "application/json"
    assert up.target("chat", "/chat/completions", "m") == b"/v1/chat/completions"


def test_key_in_a_header_of_its_own():
    up = upstream(changed(auth=Auth("header", "x-api-key"), headers={"X-Version": "1"}), "k")
    assert lines(up.headers)["x-api-key"] == "k"
    assert lines(up.headers)["x-version"] == "1"
    assert "authorization" not in lines(up.headers)


def test_key_in_the_query_is_escaped():
    up = upstream(changed(auth=Auth("query", "key")), "a&b")
    assert up.target("chat", "/x", "m") == b"/v1/x?key=a%26b"
    assert up.target("chat", "/x?alt=sse", "m") == b"/v1/x?alt=sse&key=a%26b"
    assert b"a&b" not in up.headers


def test_paths_of_the_provider():
    up = upstream(changed(endpoints={"chat": "/deployments/{model}/chat"}), "k")
    assert up.target("chat", "/chat/completions", "a/b c") == b"/v1/deployments/a%2Fb%20c/chat"
    assert up.target("chat", "/chat/completions?alt=sse", "m") == b"/v1/deployments/m/chat?alt=sse"
    assert up.target("models", "/models", "") == b"/v1/models"


def test_extra_headers_win():
    up = upstream(changed(headers={"X-A": "1"}), "k", {"x-a": "2", "AUTHORIZATION": "mine", "Content-Type": "x/y"})
    assert lines(up.headers)["x-a"] == "2"
    assert lines(up.headers)["authorization"] == "mine"
    assert up.headers.lower().count(b"authorization") == 1
    assert lines(up.headers)["content-type"] == "x/y"


def test_missing_key():
    with pytest.raises(MissingApiKeyError, match="P_KEY") as caught:
        upstream(BASE, None)
    assert (caught.value.provider, caught.value.fault) == ("p", "gateway")
    assert "authorization" not in lines(upstream(changed(key_optional=True), None).headers)
    assert "authorization" not in lines(upstream(changed(auth=Auth("none")), None).headers)


@pytest.mark.parametrize("key", ["a\r\nX: y", "a\nb", "a\0"])
def test_a_key_with_a_line_break_is_refused_and_not_shown(key):
    with pytest.raises(InvalidRequestError) as caught:
        upstream(BASE, key)
    assert key not in str(caught.value)


def test_a_signer_stands_in_for_a_key_unless_the_caller_says_who_asks():
    signer = Signer(lambda: bearer("t", 1.0))
    signed = changed(auth=Auth("ibm"))
    assert upstream(signed, "k", signer=signer).signer is signer
    assert b"authorization" not in upstream(signed, "k", signer=signer).headers
    own = upstream(signed, "k", {"Authorization": "mine"}, signer)
    assert (own.signer, lines(own.headers)["authorization"]) == (None, "mine")


def test_the_path_of_a_stream():
    up = upstream(changed(endpoints={"chat": "/{model}:raw", "stream": "/{model}:streamRaw"}), "k")
    assert up.target("chat", "/c", "m", True) == b"/v1/m:streamRaw"
    assert up.target("chat", "/c", "m", False) == b"/v1/m:raw"
    assert up.target("embeddings", "/e", "m", True) == b"/v1/e"
    assert upstream(BASE, "k").target("chat", "/c?alt=sse", "m", True) == b"/v1/c?alt=sse"
