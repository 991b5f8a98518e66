"""Tokens of Google, Entra ID and IBM Cloud, from token endpoints that say what these say."""

import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.scripted import CUT, Reply, Request, Scripted
from tsuji.client.signing import fetching
from tsuji.core.errors import (
    AuthenticationError,
    ConfigError,
    MissingApiKeyError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamUnavailableError,
)
from tsuji.providers import entra, google, ibm

Start = Callable[..., Scripted]
FETCH = fetching(None)
TOKEN = Reply(b'{"access_token":"ya29.token","expires_in":3600,"token_type":"Bearer"}')


def service_account(folder: Path, token_uri: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "account.json"
    account = {
        "type": "service_account",
        "project_id": "the-project",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "me@the-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    file.write_text(json.dumps(account))
    return file


class TestGoogle:
    @pytest.fixture(autouse=True)
    def nowhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        monkeypatch.setenv("NO_GCE_CHECK", "true")

    def test_a_service_account(self, scripted: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        server = scripted(TOKEN)
        account = service_account(tmp_path, server.url + "/token")
        monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        found = google.grant(FETCH)
        assert found.lines == b"authorization: Bearer ya29.token\r\nx-goog-user-project: payer\r\n"
        assert found.settings == {"project": "the-project"}
        assert time() + 3500 < found.until < time() + 3700
        form = parse_qs(server.last.body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        assert len(server.requests) == 1

    def test_a_users_own_credentials(self, scripted: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        server = scripted(TOKEN)
        user = {"type": "authorized_user", "client_id": "c", "client_secret": "cs", "refresh_token": "rt"}
        (tmp_path / "application_default_credentials.json").write_text(
            json.dumps({**user, "token_uri": server.url, "quota_project_id": "payer"})
        )
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-environment")
        monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", server.url)
        found = google.grant(FETCH)
        assert found.secret == "ya29.token"
        assert found.settings == {"project": "from-environment"}
        assert b"x-goog-user-project: payer" in found.lines

    def test_none(self) -> None:
        with pytest.raises(MissingApiKeyError, match=r"GOOGLE_APPLICATION_CREDENTIALS names, then .*gcloud auth"):
            google.grant(FETCH)

    @pytest.mark.parametrize(
        ("reply", "kind", "said"),
        [
            (Reply(b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}', 400),
             AuthenticationError, "invalid_grant: Invalid JWT Signature"),
            (Reply(b"{}", 200), AuthenticationError, "No access token"),
            (Reply(before=[CUT]), UpstreamConnectionError, "connection"),
        ],
    )  # fmt: skip
    def test_refused(
        self,
        scripted: Start,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        reply: Reply,
        kind: type[Exception],
        said: str,
    ) -> None:
        account = service_account(tmp_path, scripted(reply).url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        with pytest.raises(kind, match=said) as caught:
            google.grant(FETCH)
        assert "PRIVATE KEY" not in str(caught.value)

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "google.auth", None)
        with pytest.raises(ConfigError, match=r"pip install 'tsuji\[google\]'"):
            google.grant(FETCH)


class TestEntra:
    SCOPE = "https://cognitiveservices.azure.com/.default"

    def test_the_credential_is_asked_for_the_scope_each_time_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from azure.core.credentials import AccessToken

        made: list[Any] = []

        class Stub:
            def __init__(self) -> None:
                made.append(self)
                self.closed = False

            def get_token(self, *scopes: str, **_: Any) -> AccessToken:
                assert scopes == (TestEntra.SCOPE,)
                return AccessToken(f"token-{len(made)}", 1_900_000_000)

            def __enter__(self) -> "Stub":
                return self

            def __exit__(self, *_: object) -> None:
                self.closed = True

        monkeypatch.setattr("azure.identity.DefaultAzureCredential", Stub)
        assert entra.grant(self.SCOPE).lines == b"authorization: Bearer token-1\r\n"
        assert entra.grant(self.SCOPE).secret == "token-2"
        assert entra.grant(self.SCOPE).until == 1_900_000_000
        assert all(one.closed for one in made)

    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "tuple[ssl.SSLContext, Any]":
        """TLS for a token endpoint that azure-identity trusts, and an environment with a client's secret."""
        root = trustme.CA()
        bundle = tmp_path / "ca.pem"
        root.cert_pem.write_to_path(str(bundle))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
        for name, value in (("TENANT_ID", "adfs"), ("CLIENT_ID", "client"), ("CLIENT_SECRET", "client-secret")):
            monkeypatch.setenv(f"AZURE_{name}", value)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        root.issue_cert("127.0.0.1").configure_cert(context)
        return context, monkeypatch

    @staticmethod
    def authorities(server: Scripted, token: Reply) -> Callable[[Request], Reply]:
        def answer(request: Request) -> Reply:
            if "openid-configuration" in request.target:
                url = server.url + "/adfs"
                places = {"authorization_endpoint": url + "/authorize", "token_endpoint": url + "/token", "issuer": url}
                return Reply(json.dumps(places).encode())
            return token

        return answer

    def test_a_clients_secret_with_the_real_library(self, authority: Any) -> None:
        context, monkeypatch = authority
        with Scripted(tls=context) as server:
            server.script(self.authorities(server, Reply(b'{"access_token":"entra","expires_in":3599}')))
            monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
            found = entra.grant(self.SCOPE)
            form = parse_qs(server.last.body.decode())
        assert found.lines == b"authorization: Bearer entra\r\n"
        assert time() + 3400 < found.until < time() + 3700
        assert (form["grant_type"], form["client_secret"]) == (["client_credentials"], ["client-secret"])
        assert form["scope"] == [self.SCOPE]

    def test_a_refusal_and_nothing_at_all(self, authority: Any) -> None:
        context, monkeypatch = authority
        refusal = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
        with Scripted(tls=context) as server:
            server.script(self.authorities(server, Reply(json.dumps(refusal).encode(), 401)))
            monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
            with pytest.raises(MissingApiKeyError, match=r"EnvironmentCredential.*AADSTS7000215") as caught:
                entra.grant(self.SCOPE)
        assert "client-secret" not in str(caught.value)
        monkeypatch.delenv("AZURE_CLIENT_SECRET")
        with pytest.raises(MissingApiKeyError, match="EnvironmentCredential"):
            entra.grant(self.SCOPE)

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "azure.identity", None)
        with pytest.raises(ConfigError, match=r"pip install 'tsuji\[azure\]'"):
            entra.grant(self.SCOPE)


class TestIbm:
    def test_a_key_is_exchanged(self, scripted: Start) -> None:
        server = scripted(Reply(b'{"access_token":"eyJ.ibm","refresh_token":"not_supported","expires_in":3600}'))
        found = ibm.grant(FETCH, "the key+", server.url + "/identity/token")
        assert found.lines == b"authorization: Bearer eyJ.ibm\r\n"
        assert time() + 3500 < found.until < time() + 3700
        request = server.last
        assert (request.method, request.target) == ("POST", "/identity/token")
        assert parse_qs(request.body.decode()) == {
            "grant_type": ["urn:ibm:params:oauth:grant-type:apikey"],
            "apikey": ["the key+"],
        }
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"

    @pytest.mark.parametrize(
        ("reply", "kind", "said"),
        [
            (
                Reply(b'{"errorCode":"BXNIM0415E","errorMessage":"Provided API key the-key could not be found."}', 400),
                AuthenticationError,
                r"status 400, BXNIM0415E: Provided API key \*\*\* could not be found",
            ),
            (Reply(b"<html>", 503), UpstreamUnavailableError, "status 503$"),
            (Reply(b"{}"), UpstreamError, "no token"),
            (Reply(before=[CUT]), UpstreamConnectionError, "connection"),
        ],
    )
    def test_refused(self, scripted: Start, reply: Reply, kind: type[Exception], said: str) -> None:
        with pytest.raises(kind, match=said) as caught:
            ibm.grant(FETCH, "the-key", scripted(reply).url)
        assert "the-key" not in str(caught.value)

    def test_an_address_that_cannot_be_used(self) -> None:
        with pytest.raises(ConfigError, match="no token can be fetched"):
            ibm.grant(FETCH, "k", "iam.example")
