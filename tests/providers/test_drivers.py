"""Signed and exchanged: library, asynchronous library and gateway (relay and translation) before scripted providers."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any
from unittest.mock import patch

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest

from tests import answers
from tests.gateway.serving import request, start
from tests.providers.driving import DRIVERS, HI, Driver
from tests.providers.test_tokens import service_account
from tests.scripted import Reply, Request, Scripted
from tsuji.client.signing import Signers
from tsuji.config import Config, ProviderConfig, Server
from tsuji.core.provider import Auth, Provider, Setting

Start = Callable[..., Scripted]
Drive = Callable[..., Driver]
CHAT = answers.chat("openai")


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def drive(request: pytest.FixtureRequest) -> Iterator[Drive]:
    """drive(**fields of ProviderConfig) -> a driver whose provider is "p"."""
    running: list[Driver] = []

    def one(**provider: Any) -> Driver:
        config = Config(server=Server(port=0), providers={"p": ProviderConfig(dialect="openai", **provider)})
        running.append(request.param(config))
        return running[-1]

    yield one
    for driver in running:
        driver.close()


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """It is later, for all who look at when a token ends."""
    for module in ("client.signing", "client.trial", "gateway.destination", "gateway.sink", "providers.signer"):
        monkeypatch.setattr(f"tsuji.{module}.time", lambda: time() + seconds)
    monkeypatch.setattr("tsuji.providers.ibm.time", lambda: time() + seconds)


class TestAws:
    @pytest.fixture(autouse=True)
    def credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_PROFILE", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "aws-session-token")

    AUTH = {"keyless": "aws", "service": "bedrock"}

    @staticmethod
    def check(request: Request, url: str) -> None:
        """That botocore would have signed what came as it is signed."""
        signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        headers = {name: request.headers[name] for name in signed if name not in ("host", "x-amz-date")}
        wire = AWSRequest(request.method, url + request.target, headers=headers, data=request.body)
        keys = botocore.credentials.Credentials("AKIDTEST", "aws-secret", "aws-session-token")
        at = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        with patch("botocore.auth.get_current_datetime", lambda: at):
            botocore.auth.SigV4Auth(keys, "bedrock", "eu-west-3").add_auth(wire)
        assert wire.headers["Authorization"] == request.headers["authorization"]
        assert request.headers["x-amz-security-token"] == "aws-session-token"

    def test_the_bytes_that_are_sent_are_signed(self, drive: Drive, scripted: Start) -> None:
        server = scripted(CHAT)
        driver = drive(
            base_url=server.url + "/{region}/v1",
            settings={"region": "eu-west-3"},
            auth=self.AUTH,
            endpoints={"chat": "/model/{model}/converse"},
        )
        assert driver.ask("p:anthropic.claude-3:0/x") == ["hello"]
        assert server.last.target == "/eu-west-3/v1/model/anthropic.claude-3%3A0%2Fx/converse"
        self.check(server.last, server.url)
        signed = server.last.headers["authorization"].partition("SignedHeaders=")[2]
        assert signed.startswith("content-type;host;x-amz-date;x-amz-security-token,")

    def test_the_region_of_the_profile(
        self, drive: Drive, scripted: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "config").write_text("[default]\nregion = eu-west-3\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        server = scripted(CHAT)
        assert drive(base_url=server.url + "/v1", auth=self.AUTH).ask("p:m") == ["hello"]
        self.check(server.last, server.url)

    def test_a_bearer_key_goes_first_and_takes_the_region_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "config").write_text("[default]\nregion = eu-west-3\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        row = Provider(
            id="aws",
            name="AWS",
            dialect="openai",
            base_url="https://aws.example/{region}",
            auth=Auth(keyless="aws", service="bedrock"),
            settings={"region": Setting(env=("AWS_REGION",))},
        )
        settled = Signers().settle(row, "bedrock-api-key")
        assert isinstance(settled, tuple)
        assert settled[0].base_url.endswith("/eu-west-3")
        assert settled[1] is None
        monkeypatch.setenv("AWS_REGION", "eu-north-1")
        signed = Signers().settle(row, "bedrock-api-key")
        assert isinstance(signed, tuple)
        assert signed[0].base_url.endswith("/eu-north-1")

    def test_no_region(self, drive: Drive, scripted: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        said = drive(base_url="http://127.0.0.1:9/{region}", auth=self.AUTH).ask("p:m")[0]
        assert said.startswith("500: ")
        assert "needs a region: set region under [providers.p.settings] in tsuji.toml" in said

    def test_what_aws_says_of_a_signature_shows_no_token(self, drive: Drive, scripted: Start) -> None:
        said = {"message": "The Canonical String should have been 'POST x-amz-security-token:aws-session-token'"}
        server = scripted(Reply(json.dumps({"error": said}).encode(), 403))
        driver = drive(base_url=server.url, settings={"region": "eu-west-3"}, auth=self.AUTH)
        answer = driver.ask("p:m")[0]
        assert answer.startswith("403: ")
        assert "x-amz-security-token:***" in answer
        assert "aws-session-token" not in answer


class TestExchanged:
    """IBM Cloud's way, which stands for all tokens."""

    @staticmethod
    def token(request: Request) -> Reply:
        said = {"access_token": f"ibm-token-{request.number + 1}", "expires_in": 3600}
        return Reply(json.dumps(said).encode(), before=[0.05])

    def settings(self, iam: Scripted, server: Scripted) -> dict[str, Any]:
        return {"base_url": server.url, "api_key": "ibm-key", "auth": {"scheme": "ibm", "token_url": iam.url}}

    @staticmethod
    def tokens(server: Scripted) -> list[str]:
        return [request.headers["authorization"] for request in server.requests]

    def test_one_token_serves_many(self, drive: Drive, scripted: Start) -> None:
        iam, server = scripted(self.token), scripted(CHAT)
        driver = drive(**self.settings(iam, server))
        assert driver.ask("p:m", 8) == ["hello"] * 8
        assert driver.ask("p:m") == ["hello"]
        assert self.tokens(server) == ["Bearer ibm-token-1"] * 9
        assert len(iam.requests) == 1
        assert b"ibm-key" not in b"".join([request.body for request in server.requests])

    def test_one_that_has_ended_is_replaced(
        self, drive: Drive, scripted: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        iam, server = scripted(self.token), scripted(CHAT)
        driver = drive(**self.settings(iam, server))
        driver.ask("p:m")
        later(monkeypatch, 4000)
        assert driver.ask("p:m") == ["hello"]
        assert self.tokens(server) == ["Bearer ibm-token-1", "Bearer ibm-token-2"]

    def test_one_that_is_refused_is_forgotten_once(self, drive: Drive, scripted: Start) -> None:
        refusal = Reply(b'{"error":{"message":"no"}}', 401)
        iam, server = scripted(self.token), scripted([CHAT, refusal, refusal, CHAT])
        driver = drive(**self.settings(iam, server))
        said = [driver.ask("p:m")[0][:5] for _ in range(4)]
        assert said == ["hello", "401: ", "401: ", "hello"]
        assert self.tokens(server) == [f"Bearer ibm-token-{n}" for n in (1, 1, 2, 2)]

    def test_who_leaves_while_it_is_fetched_takes_it_from_nobody(self, scripted: Start) -> None:
        arrived, go = threading.Event(), threading.Event()

        def slowly(request: Request) -> Reply:
            arrived.set()
            return Reply(self.token(request).body, before=[go])

        iam, server = scripted(slowly), scripted(CHAT)
        settings = {"p": ProviderConfig(dialect="openai", **self.settings(iam, server))}
        serving = start(Config(server=Server(port=0), providers=settings))
        try:
            with serving.client() as leaving, serving.client() as staying:
                body = request("/v1/chat/completions", {"model": "p:m", "messages": HI})
                leaving.send(body)
                assert arrived.wait(20)
                staying.send(body)
                leaving.sock.close()
                go.set()
                assert staying.read().status == 200
        finally:
            serving.stop()
        assert len(iam.requests) == 1

    def test_no_token_is_a_clear_error_for_all_and_no_end(self, drive: Drive, scripted: Start) -> None:
        refusal = Reply(b'{"errorCode":"BXNIM0415E","errorMessage":"no such key"}', 400, before=[0.05])
        iam, server = scripted(refusal), scripted(CHAT)
        driver = drive(**self.settings(iam, server))
        for said in driver.ask("p:m", 4):
            assert said.startswith("401: ")
            assert "gave no token for the API key: status 400, BXNIM0415E: no such key" in said
            assert "ibm-key" not in said
        assert server.requests == []
        iam.script(self.token)
        assert driver.ask("p:m") == ["hello"]


class TestGoogle:
    def test_the_project_is_that_of_the_credentials(
        self, drive: Drive, scripted: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        tokens = scripted(Reply(b'{"access_token":"ya29","expires_in":3600}'))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, tokens.url)))
        server = scripted(CHAT)
        url = server.url + "/projects/{project}/locations/{location}"
        driver = drive(base_url=url, settings={"location": "global"}, auth={"keyless": "google"})
        assert driver.ask("p:m", 3) == ["hello"] * 3
        assert {request.target for request in server.requests} == {
            "/projects/the-project/locations/global/chat/completions"
        }
        assert {request.headers["authorization"] for request in server.requests} == {"Bearer ya29"}
        assert len(tokens.requests) == 1

    def test_a_key_goes_as_it_does_and_nothing_is_looked_for(self, drive: Drive, scripted: Start) -> None:
        server = scripted(CHAT)
        auth = {"scheme": "header", "name": "x-goog-api-key", "keyless": "google"}
        assert drive(base_url=server.url, api_key="express", auth=auth).ask("p:m") == ["hello"]
        assert server.last.headers["x-goog-api-key"] == "express"
        assert "authorization" not in server.last.headers
