"""Who is let in: keys, names of this machine, web pages."""

from typing import Any

import boto3
import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config, request
from tsuji.config import Server
from tsuji.http.url import is_loopback, names_this_machine

KEYED = {"keys": ["first-key", "second-key"]}


@pytest.fixture
def keyed(serve: Any, scripted: Any) -> Any:
    return serve(config({"up": ("openai", scripted(answers.chat("openai")).url)}, server=Server(port=0, **KEYED)))


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "first-key"},
        {"x-api-key": "first-ke"},
        {"x-api-key": ""},
    ],
)
def test_without_a_key_there_is_no_answer(client: str, shown: dict[str, str], keyed: Any) -> None:
    answer = keyed.ask(*asking.chat(client), shown)
    assert (answer.status, answer.headers["x-tsuji-fault"]) == (401, "caller")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert asking.error(client, answer.body)[1]
    assert "first-key" not in str(answer)


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize(
    "shown",
    [
        {"Authorization": "Bearer first-key"},
        {"authorization": "bearer second-key"},
        {"x-api-key": "first-key"},
        {"X-Goog-Api-Key": "second-key"},
    ],
)
def test_a_key_is_taken_as_any_dialects_client_shows_it(client: str, shown: dict[str, str], keyed: Any) -> None:
    assert keyed.ask(*asking.chat(client), shown).status == 200


def test_geminis_key_in_the_query(keyed: Any) -> None:
    path, body = asking.chat("gemini")
    assert keyed.ask(path + "?key=first%2Dkey", body).status == 200
    assert keyed.ask(path + "?monkey=first-key", body).status == 401


def test_a_key_opens_no_files(serve: Any, tmp_path: Any) -> None:
    """With keys only what a route names is loaded; without, who asks could read the file anyway."""
    file = tmp_path / "found.gguf"
    file.write_bytes(b"no model")
    keyed = serve(config({}, {"mine": [f"local:{file}"]}, server=Server(port=0, **KEYED)))
    key = {"x-api-key": "first-key"}
    for name in (f"local:{file}", f"local/{file}", "local:/there/is/none.gguf"):
        answer = keyed.ask(*asking.chat("openai", model=name), key)
        assert (answer.status, answer.headers["x-tsuji-fault"]) == (404, "caller")
        assert "no model's name" in asking.error("openai", answer.body)[1]
    assert "no model's name" not in asking.error("openai", keyed.ask(*asking.chat("openai", model="mine"), key).body)[1]


def test_the_clients_key_does_not_go_upstream(serve: Any, scripted: Any) -> None:
    provider = scripted(answers.chat("openai"))
    gateway = serve(config({"up": ("openai", provider.url)}, server=Server(port=0, **KEYED)))
    path, body = asking.chat("gemini")
    gateway.ask(path + "?key=first-key", body, {"x-api-key": "first-key", "x-goog-api-key": "first-key"})
    assert "first-key" not in str(provider.last)


@pytest.mark.parametrize("path", ["/v1/models", "/", "/nothing", "/v1/chat/completions"])
def test_everything_but_health_wants_a_key(path: str, keyed: Any) -> None:
    assert keyed.ask(path, b"", method="GET").status == 401
    for open_to_all in ("/healthz", "/readyz"):
        assert keyed.ask(open_to_all, b"", method="GET").status == 200


def test_the_key_is_asked_for_before_the_body_is_read(keyed: Any) -> None:
    with keyed.client() as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n")
        assert client.read().status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:4141", 200),
        ("127.0.0.1:4141", 200),
        ("127.9.9.9", 200),
        ("[::1]:4141", 200),
        ("tsuji.localhost", 200),
        ("box.lan:4141", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.0.1", 403),
        ("localhost@evil.example", 403),
        ("evil.example#localhost", 403),
        ("", 403),
    ],
)
def test_without_keys_only_names_of_this_machine_are_answered(host: str, status: int, serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, allowed_hosts=["box.lan"])))
    with gateway.client() as client:
        client.send(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert client.read().status == status


@pytest.mark.parametrize(
    ("origin", "status"), [("https://app.example", 200), ("https://evil.example", 403), ("null", 403)]
)
def test_without_keys_only_configured_pages_are_answered(origin: str, status: int, serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, allowed_origins=["https://app.example"])))
    answer = gateway.ask("/v1/models", b"", {"Origin": origin}, "GET")
    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = gateway.ask("/v1/chat/completions", b"", asked, "OPTIONS")
    assert preflight.status == status
    assert preflight.headers.get("access-control-allow-headers") == ("x-api-key" if status == 200 else None)


def test_with_keys_a_page_may_call_but_only_a_configured_one_may_read(serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, allowed_origins=["https://app.example"], **KEYED)))
    for origin, allowed in (("https://app.example", "https://app.example"), ("https://other.example", None)):
        answer = gateway.ask("/v1/models", b"", {"Origin": origin, "x-api-key": "first-key"}, "GET")
        assert answer.status == 200
        assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize(
    "path",
    ["//v1/models", "/v1//models", "/V1/models", "/v1/%6dodels", "/v1/./models", "/x/../v1/models", "/v1/models;a"],
)
def test_paths_are_not_normalised(path: str, keyed: Any) -> None:
    with keyed.client() as client:
        client.send(request(path, b"", {"x-api-key": "first-key"}, "GET"))
        assert client.read().status == 404


def test_what_counts_as_this_machine() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "[::1]", "a.localhost"))
    assert all(
        names_this_machine(host, {"mine", "other:1"})
        for host in ("LocalHost:1", "[::1]", "[::1]:4", "Mine:9", "other:1")
    )
    assert not any(
        names_this_machine(host, {"mine", "other:1"}) for host in ("", ":1", "other", "other:2", "x.mine", "::1:x")
    )
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", "", "localhost.com"))


def test_boto3_shows_a_key_beside_its_signature(serve: Any, scripted: Any) -> None:
    """The signature shows none. As a bearer token botocore sends a key over HTTPS only."""
    provider = scripted(answers.chat("openai", "hi"))
    url = serve(config({"up": ("openai", provider.url)}, server=Server(port=0, **KEYED))).url
    hello = [{"role": "user", "content": [{"text": "hello"}]}]
    where: dict[str, Any] = {"region_name": "us-east-1", "endpoint_url": url}
    signing = boto3.client(
        "bedrock-runtime", **where, aws_access_key_id=KEYED["keys"][0], aws_secret_access_key=KEYED["keys"][0]
    )
    with pytest.raises(signing.exceptions.AccessDeniedException, match="AWS_BEARER_TOKEN_BEDROCK") as caught:
        signing.converse(modelId="up:m", messages=hello)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
    assert not provider.requests
    signing.meta.events.register(
        "before-sign.bedrock-runtime", lambda request, **_: request.headers.add_header("x-api-key", KEYED["keys"][0])
    )
    assert signing.converse(modelId="up:m", messages=hello)["output"]["message"]["content"] == [{"text": "hi"}]
    signing.close()
