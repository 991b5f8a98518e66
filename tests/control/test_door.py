"""Who is let in, and to what: the token, names of this machine, web pages, paths."""

from collections.abc import Callable

import pytest

from tests.control.serving import TOKEN, Serving, config
from tests.gateway.serving import Client
from tsuji.config import AdminConfig, Secret
from tsuji.control.table import ENDPOINTS

BEARER = f"Authorization: Bearer {TOKEN}\r\n"


def status(api: Serving, target: str, lines: str = BEARER, method: str = "GET", host: str = "localhost") -> int:
    """Of a request whose bytes are as given."""
    with Client(api.port) as client:
        client.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode("latin-1"))
        return client.read(head=method == "HEAD").status


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Authorization: \r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer x\r\n",
        f"Authorization: Bearer {TOKEN}x\r\n",
        f"Authorization: Bearer {TOKEN[:-1]}\r\n",
        f"Authorization: {TOKEN}\r\n",
        f"Authorization: Basic {TOKEN}\r\n",
        "Authorization: Bearer \xff\r\n",
        f"x-api-key: {TOKEN}\r\n",
        f"Cookie: token={TOKEN}\r\n",
    ],
)
def test_without_the_token_nothing_is_told(shown: str, plain: Serving) -> None:
    for target in ("/api/v1/keys", "/api/v1/nope", "/", f"/api/v1/keys?token={TOKEN}"):
        assert status(plain, target, shown) == 401
    assert status(plain, "/healthz", shown, "DELETE") == 401
    assert status(plain, "/healthz", shown) == 200


def test_every_endpoint_but_two_wants_it(plain: Serving) -> None:
    statuses = {
        (one.method, one.path): status(plain, one.path.replace("{id}", "x"), "Content-Length: 0\r\n", one.method)
        for one in ENDPOINTS
    }
    assert [one for one, found in statuses.items() if found != 401] == [("GET", "/healthz")]
    assert status(plain, "/openapi.json", "") == 200


def test_a_refusal_says_how_to_do_better(plain: Serving) -> None:
    found = plain.ask("GET", "keys", headers={"Authorization": "Bearer wrong"})
    assert found.headers["www-authenticate"] == "Bearer"
    assert "'tsuji admin' says where it is" in found.json()["error"]["message"]
    assert TOKEN not in found.text
    assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("localhost", 200),
        ("localhost:4142", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1", 200),
        ("127.9.9.9:80", 200),
        ("[::1]:4142", 200),
        ("a.localhost", 200),
        ("", 403),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:4142", 403),
        ("evil.example:localhost", 403),
        ("192.168.0.1", 403),
    ],
)
def test_names_of_this_machine(host: str, found: int, plain: Serving) -> None:
    for target in ("/api/v1/keys", "/healthz", "/openapi.json"):
        assert status(plain, target, host=host) == found


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("http://localhost:4142", 200),
        ("HTTPS://LOCALHOST:4142", 200),
        ("http://localhost", 403),
        ("http://localhost:4141", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_web_pages_are_answered_from_here_only(origin: str, found: int, plain: Serving) -> None:
    assert status(plain, "/api/v1/keys", f"{BEARER}Origin: {origin}\r\n", host="localhost:4142") == found


def test_nothing_is_said_of_cors(plain: Serving) -> None:
    asked = {"Origin": plain.url, "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = plain.ask(method, "keys", {} if method == "POST" else None, headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert plain.ask("OPTIONS", "keys", headers=asked).status_code == 405


def test_other_names_are_those_of_the_configuration(tmp_path: object, serve: Callable[..., Serving]) -> None:
    admin = AdminConfig(port=0, token=Secret(TOKEN), allowed_hosts=("Admin.example", "other.example:8443"))
    api = serve(config(f"sqlite:///{tmp_path}/ledger.db", admin))
    known = {"admin.example": 200, "ADMIN.example:1": 200, "other.example:8443": 200, "other.example": 403, "x": 403}
    assert {host: status(api, "/api/v1/keys", host=host) for host in known} == known


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/api/v1/keys", 200),
        ("/api/v1/%6beys", 200),  # the same path: escapes of letters mean the letters
        ("http://localhost/api/v1/keys", 404),
        ("/api/v1/keys/", 404),
        ("//api/v1/keys", 404),
        ("/api//v1/keys", 404),
        ("/API/v1/keys", 404),
        ("/api/v1/Keys", 404),
        ("/api/v1/./keys", 404),
        ("/api/v1/x/../keys", 404),
        ("/api/v1/%2e/keys", 404),
        ("/api/v1/x/%2e%2e/keys", 404),
        ("/api%2fv1/keys", 200),  # decoded once, before the path is looked up; nothing else reads it
        ("/api/v1/keys%00", 404),
        ("/api/v1/keys;x", 404),
        ("/api/v1/keys%3f", 404),
        ("/api/v1/keys%", 404),
        ("/healthz/../api/v1/keys", 404),
        ("*", 404),
    ],
)
def test_odd_paths(target: str, found: int, plain: Serving) -> None:
    assert status(plain, target) == found
    assert status(plain, target, "") == 401  # the path that is looked up is the one that is judged


def test_other_methods(plain: Serving) -> None:
    answer = plain.ask("PUT", "keys")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert answer.json()["error"]["kind"] == "method_not_allowed"
    assert plain.ask("GET", f"keys/k_{'0' * 10}/rotate").headers["allow"] == "POST"
    head = plain.ask("HEAD", "keys")
    assert (head.status_code, head.content) == (200, b"")
    for method in ("TRACE", "CONNECT", "BREW", "get", "x" * 30):
        assert status(plain, "/api/v1/keys", BEARER, method) == 405
