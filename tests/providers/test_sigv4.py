"""Our signer against botocore's own: the same bytes of every header, for anything that can be sent."""

from base64 import b64decode
from datetime import UTC, datetime
from time import time
from unittest.mock import patch

import botocore.auth
import botocore.credentials
from botocore.awsrequest import AWSRequest
from hypothesis import example, given
from hypothesis import strategies as st

from tsuji.providers import aws
from tsuji.providers.aws import AwsGrant, sign
from tsuji.providers.aws_credentials import Credentials

SEGMENT = st.text("abcXYZ019-._~%:@!$&'()*+,;= ", max_size=8)
"""What a path on the wire may hold, and more."""
NAME = st.sampled_from(["content-type", "x-amz-target", "accept", "x-amz-meta-a", "x-custom", "anthropic-beta"])
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
KEY = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+=", min_size=1, max_size=40)


def lines(signed: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in signed.decode().split("\r\n") if line)


def botocores(
    credentials: Credentials, method: str, target: str, headers: dict[str, str], body: bytes, now: float
) -> dict[str, str]:
    request = AWSRequest(method, f"https://host.example{target}", headers=headers, data=body)
    signer = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(credentials.access_key, credentials.secret_key, credentials.token),
        "bedrock",
        "eu-west-1",
    )
    with patch("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(now, UTC)):
        signer.add_auth(request)
    added = ("x-amz-date", "x-amz-security-token", "authorization")
    return {name.lower(): value for name, value in request.headers.items() if name.lower() in added}


@given(
    method=st.sampled_from(["POST", "GET", "PUT", "DELETE"]),
    path=st.lists(SEGMENT, max_size=5).map(lambda parts: "/" + "/".join(parts)),
    query=st.lists(st.tuples(SEGMENT, SEGMENT), max_size=4),
    headers=st.dictionaries(NAME, VALUE, max_size=4),
    body=st.binary(max_size=60),
    secret=KEY,
    token=st.none() | KEY,
    now=st.integers(0, 2**32),
)
@example("POST", "/model/anthropic.claude-3%3A0/converse", [], {"content-type": "application/json"}, b"{}", "s", "t", 1)
@example("GET", "/a/./b/../../c//d/", [("b", "2"), ("a", "%20"), ("b", "1")], {}, b"", "s", None, 0)
@example("POST", "//", [], {"x-custom": "  a   b  "}, b"", "s", None, 0)
def test_every_header_is_the_one_that_botocore_makes(method, path, query, headers, body, secret, token, now):
    # What would end the path is no part of it.
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    credentials = Credentials("AKID", secret, token, 0.0)
    given_headers = [("host", "host.example"), *headers.items()]
    ours = sign(credentials, "bedrock", "eu-west-1", method, target, given_headers, body, now)
    assert lines(ours) == botocores(credentials, method, target, headers, body, now)


def test_the_documented_example():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html, and its test suite's
    `get-vanilla`.
    """
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, 0.0)
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
    made = sign(credentials, "service", "us-east-1", "GET", "/", [("host", "example.amazonaws.com")], b"", now)
    assert lines(made) == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    }


@given(secret=KEY, session=st.none() | KEY, now=st.integers(0, 2**32))
def test_a_token_is_the_one_that_sagemakers_generator_makes(secret, session, now):
    """sagemaker-core 2.1, sagemaker/core/token_generator."""
    request = AWSRequest(
        "POST",
        "https://sagemaker.amazonaws.com/",
        headers={"host": "sagemaker.amazonaws.com"},
        params={"Action": "CallWithBearerToken"},
    )
    theirs = botocore.auth.SigV4QueryAuth(
        botocore.credentials.Credentials("AKID", secret, session), "sagemaker", "eu-west-1", expires=43200
    )
    with patch("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(now, UTC)):
        theirs.add_auth(request)
    credentials = Credentials("AKID", secret, session, 0.0)
    made = aws.token(credentials, "sagemaker", "eu-west-1", "CallWithBearerToken", now)
    prefix, _, url = made.rpartition("-")
    assert prefix == "sagemaker-api-key"
    assert b64decode(url).decode() == request.url.removeprefix("https://") + "&Version=1"


def test_a_token_ends_with_the_credentials_that_it_was_signed_with(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    grant = aws.grant("sagemaker", "eu-west-1", "CallWithBearerToken")
    sent = grant.sign(b"POST", b"h", b"/", b"", b"", 0.0)
    assert sent.startswith(b"authorization: Bearer sagemaker-api-key-")
    assert sent.endswith(b"\r\n")
    assert 200 < grant.until - time() <= 300
    assert isinstance(aws.grant("bedrock", "eu-west-1", ""), AwsGrant)


def test_headers_that_a_proxy_may_change_are_not_signed():
    grant = AwsGrant(Credentials("AKID", "secret", "token", 0.0), "bedrock", "eu-west-1")
    headers = b"Content-Type: application/json\r\nuser-agent: x\r\nAccept-Encoding: identity\r\nX-Amzn-A: b\r\n"
    made = lines(grant.sign(b"POST", b"h:80", b"/model/a%3Ab/converse", headers, b"{}", 0.0))
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in made["authorization"]
    assert made["x-amz-security-token"] == "token"


def test_no_repr_shows_a_secret():
    credentials = Credentials("AKIDABCDEF", "very-secret", "session-token", 0.0)
    grant = AwsGrant(credentials, "bedrock", "eu-west-1")
    for shown in (repr(credentials), repr(grant), str(credentials), f"{grant}"):
        assert "very-secret" not in shown
        assert "session-token" not in shown
