"""IBM Cloud: an API key is exchanged for a token. https://cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey"""

from time import time
from urllib.parse import urlencode

import msgspec

from tsuji.core.errors import AuthenticationError, UpstreamError, UpstreamUnavailableError

from .signer import Bearer, Fetch, bearer

TOKEN_URL = "https://iam.cloud.ibm.com/identity/token"  # noqa: S105 - an address
_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_HEADERS = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_SECONDS = 30.0


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


class _Refusal(msgspec.Struct):
    errorCode: str = ""
    errorMessage: str = ""


def grant(fetch: Fetch, key: str, url: str = "") -> Bearer:
    """url: where the key is exchanged, if not at TOKEN_URL.

    Raises AuthenticationError for a key that is refused, UpstreamError where there is no answer or none to be read.
    """
    url = url or TOKEN_URL
    form = urlencode({"grant_type": _GRANT, "apikey": key}).encode()
    status, _, body = fetch("POST", url, _HEADERS, form, _SECONDS)
    if status != 200:
        raise _refusal(status, body, url, key)
    try:
        token = msgspec.json.decode(body, type=_Token)
    except msgspec.DecodeError:
        raise UpstreamError(f"{url} answered with what is no token") from None
    return bearer(token.access_token, time() + token.expires_in)


def _refusal(status: int, body: bytes, url: str, key: str) -> AuthenticationError | UpstreamError:
    try:
        said = msgspec.json.decode(body, type=_Refusal)
    except msgspec.DecodeError:
        said = _Refusal()
    words = ": ".join([word for word in (said.errorCode, said.errorMessage) if word]).replace(key, "***")
    message = f"{url} gave no token for the API key: status {status}{', ' + words if words else ''}"
    if status in (400, 401, 403):
        return AuthenticationError(message, code=said.errorCode or None)
    return UpstreamUnavailableError(message)
