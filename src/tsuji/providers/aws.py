"""AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from time import gmtime, strftime, time
from urllib.parse import quote

from .aws_credentials import Credentials, find
from .signer import Bearer, bearer

_SIGNED = (b"content-type", b"x-amz-")
"""Beginnings of the headers that are signed beside `host`: those that a proxy on the way leaves alone."""
_LIFE = 43200
"""Seconds that a token lasts at most."""


class AwsGrant:
    """Signs for a service in a region. The secret key itself is never sent."""

    def __init__(self, credentials: Credentials, service: str, region: str) -> None:
        self.until = credentials.until
        self.secret = credentials.token or ""  # it is in the "canonical request" that AWS's errors repeat
        self.settings: Mapping[str, str] = {}
        self._credentials = credentials
        self._service = service
        self._region = region

    def sign(self, method: bytes, host: bytes, target: bytes, headers: bytes, body: bytes, now: float) -> bytes:
        lines = [line.partition(b":") for line in headers.split(b"\r\n") if line]
        signed = [(name.lower(), value) for name, _, value in lines if name.lower().startswith(_SIGNED)]
        return sign(
            self._credentials,
            self._service,
            self._region,
            method.decode(),
            target.decode(),
            [("host", host.decode()), *[(name.decode(), value.decode("utf-8")) for name, value in signed]],
            body,
            now,
        )


def grant(service: str, region: str, action: str) -> AwsGrant | Bearer:
    """action: that a token stands for, where the service takes tokens alone; else ""."""
    now = time()
    credentials = find(now)
    if not action:
        return AwsGrant(credentials, service, region)
    return bearer(token(credentials, service, region, action, now), min(credentials.until, now + _LIFE))


def token(credentials: Credentials, service: str, region: str, action: str, now: float) -> str:
    """A presigned URL in place of a key, as AWS's own token generators for Bedrock and SageMaker write it:
    https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html
    """
    host = f"{service}.amazonaws.com"
    stamp, scope = _when(now, region, service)
    asked = {
        "Action": action,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(_LIFE),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        asked["X-Amz-Security-Token"] = credentials.token
    query = "&".join([f"{name}={quote(value, safe='-_.~')}" for name, value in asked.items()])
    signature = _signature(credentials, stamp, scope, _canonical("POST", f"/?{query}", {"host": [host]}, b""))
    url = f"{host}/?{query}&X-Amz-Signature={signature}&Version=1"
    return f"{service}-api-key-{b64encode(url.encode()).decode()}"


def sign(
    credentials: Credentials,
    service: str,
    region: str,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    now: float,
) -> bytes:
    """The header lines x-amz-date, x-amz-security-token (where the credentials have a token) and authorization.

    target: path and query, as sent. headers: all that are to be signed, `host` among them; names in lower case.
    """
    stamp, scope = _when(now, region, service)
    added = [("x-amz-date", stamp)]
    if credentials.token:
        added.append(("x-amz-security-token", credentials.token))
    values: dict[str, list[str]] = {}
    for name, value in [*headers, *added]:
        values.setdefault(name, []).append(" ".join(value.split()))
    signature = _signature(credentials, stamp, scope, _canonical(method, target, values, body))
    added.append(
        (
            "authorization",
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={';'.join(sorted(values))}, Signature={signature}",
        )
    )
    return "".join([f"{name}: {value}\r\n" for name, value in added]).encode()


def _when(now: float, region: str, service: str) -> tuple[str, str]:
    """The time as it is written, and the scope of a signature at that time."""
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    return stamp, f"{stamp[:8]}/{region}/{service}/aws4_request"


def _canonical(method: str, target: str, headers: Mapping[str, list[str]], body: bytes) -> str:
    names = sorted(headers)
    path, _, query = target.partition("?")
    return "\n".join(
        [
            method,
            _canonical_path(path),
            "&".join([f"{name}={value}" for name, value in _canonical_query(query)]),
            *[f"{name}:{','.join(headers[name])}" for name in names],
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )


def _signature(credentials: Credentials, stamp: str, scope: str, canonical: str) -> str:
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    return _hmac(_signing_key(credentials, scope), f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}").hex()


def _canonical_path(path: str) -> str:
    """What is on the wire, encoded once more (a model's ":" is "%3A" there and "%253A" here), without ".", ".." and
    empty segments: as every service but S3 has it.
    """
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    last = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + last, safe="/~")


def _canonical_query(query: str) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    return sorted([(name, value) for name, _, value in pairs])


def _signing_key(credentials: Credentials, scope: str) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
