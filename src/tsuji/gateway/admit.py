"""Who is let in: decided once, on the parsed endpoint, before the body is read.

With keys, configured or in the ledger, a request shows one of them. An AWS signature shows none: it names a key and is
made with a secret that this gateway does not know, so boto3 shows its key in another way. Without keys the gateway is
open to programs on this machine, and to no web page: a page in a browser can reach loopback too, by name (DNS
rebinding, seen in Host) or across origins (seen in Origin).
"""

from collections.abc import Container
from hmac import compare_digest
from time import time
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from tsuji.core.errors import AuthenticationError, LedgerError, PermissionDeniedError, TsujiError
from tsuji.http.url import names_this_machine
from tsuji.ledger.keys import PREFIX

from .destination import check_reach
from .request import Request

if TYPE_CHECKING:
    from tsuji.config import Config, Server
    from tsuji.ledger.grant import Grant
    from tsuji.ledger.link import Ledger
    from tsuji.routing import Route

    from .server import Connection

_REMEMBERED = 256
_MORE_MODELS = ("models", "fallbacks")
"""Fields in which providers take models to fall back to: OpenRouter
(https://openrouter.ai/docs/guides/routing/model-fallbacks) and Anthropic.
"""


class Admission:
    """The rules of one configuration, and the keys of the ledger, if there is one."""

    __slots__ = ("_always", "_hosts", "_keys", "_known_hosts", "_ledger", "_open", "_origins")

    def __init__(self, server: "Server", ledger: "Ledger | None") -> None:
        self._ledger = ledger
        self._always = bool(server.keys) or not server.is_local
        self._keys = tuple([key.encode() for key in (*server.keys, server.own_key) if key])
        self._hosts = frozenset([host.lower() for host in server.allowed_hosts])
        self._origins = frozenset([origin.lower().encode() for origin in server.allowed_origins])
        self._known_hosts: dict[bytes, bool] = {}
        self._open = "metrics" if server.metrics == "open" else None

    @property
    def wants_keys(self) -> bool:
        """Requests must show one. A ledger whose keys have not been read yet may have some."""
        ledger = self._ledger
        return self._always or (ledger is not None and (ledger.keyed or not ledger.known))

    def refuse(self, request: Request, connection: "Connection", *, open_to_all: bool) -> TsujiError | None:
        """Why the request is not let in; None if it is. open_to_all: the endpoint asks for no key."""
        headers = request.headers
        origin = headers.get(b"origin")
        if not self.wants_keys:
            if not self._is_our_host(headers.get(b"host", b"")):
                return PermissionDeniedError(
                    "this gateway has no keys, so it answers only to names of this machine; "
                    "add the name in the Host header to server.allowed_hosts, or set server.keys",
                    fault="caller",
                )
            if origin is not None and not self.allows_origin(origin):
                return PermissionDeniedError(
                    "this gateway has no keys, so it does not answer web pages; "
                    "add the page's origin to server.allowed_origins, or set server.keys",
                    fault="caller",
                )
            return None
        return None if open_to_all else self._refuse_key(request, connection)

    def _refuse_key(self, request: Request, connection: "Connection") -> TsujiError | None:
        ledger, headers, known = self._ledger, request.headers, connection.let_in
        if known is not None and ledger is not None and known[0] is headers and known[1] is ledger.grants:
            return self._refuse_grant(known[2], request, connection)
        shown = shown_key(request)
        if ledger is not None and shown.startswith(PREFIX):
            grant = ledger.find(shown)
            if grant is not None:
                connection.let_in = (headers, ledger.grants, grant)
                return self._refuse_grant(grant, request, connection)
        if self._is_configured(shown):
            request.configured = True
            return None
        if request.endpoint is not None and request.endpoint.operation == self._open:
            return None
        if ledger is not None and not ledger.known:
            return LedgerError("the ledger is down, and its keys have not been read yet; try again later")
        if request.headers.get(b"authorization", b"").startswith(b"AWS4-"):
            return AuthenticationError(
                "this gateway does not know the secret that an AWS signature is made with; show one of its keys in "
                "x-api-key, or as a bearer token (AWS_BEARER_TOKEN_BEDROCK, which boto3 sends over HTTPS only)",
                fault="caller",
            )
        return AuthenticationError(
            "this gateway wants one of its keys, as 'Authorization: Bearer KEY', x-api-key or x-goog-api-key",
            fault="caller",
        )

    def _refuse_grant(self, grant: "Grant", request: Request, connection: "Connection") -> TsujiError | None:
        request.grant = grant
        return None if grant.is_plain else grant.refuse(request.endpoint, connection.address, time())

    def cors(self, request: Request) -> bytes:
        """Header lines for a page whose origin the configuration allows; none for others."""
        origin = request.headers.get(b"origin")
        if origin is None or not self.allows_origin(origin):
            return b""
        lines = b"access-control-allow-origin: %b\r\nvary: origin\r\naccess-control-expose-headers: *\r\n" % origin
        asked = request.headers.get(b"access-control-request-headers")
        if asked is not None:
            lines += b"access-control-allow-methods: GET, POST\r\naccess-control-max-age: 600\r\n"
            lines += b"access-control-allow-headers: %b\r\n" % asked
        return lines

    def allows_origin(self, origin: bytes) -> bool:
        return origin.lower() in self._origins

    def _is_configured(self, shown: bytes) -> bool:
        """Compares with every key, so that the time taken says nothing of which one came near."""
        if not shown:
            return False
        found = False
        for key in self._keys:
            found |= compare_digest(key, shown)
        return found

    def _is_our_host(self, value: bytes) -> bool:
        known = self._known_hosts.get(value)
        if known is None:
            if len(self._known_hosts) >= _REMEMBERED:
                self._known_hosts.clear()
            known = self._known_hosts[value] = names_this_machine(value.decode("latin-1"), self._hosts)
        return known


def check_model(grant: "Grant", route: "Route", config: "Config") -> None:
    """Raises PermissionDeniedError for a key that is not for it, and ModelNotFoundError for a file of this machine's.

    A route goes by its name; what is no route goes by its target's, however the client spelt that.
    """
    name = route.name
    if name not in config.routes:
        name = route.targets[0].name
        check_reach(route)
    grant.check_model(name)


def check_fields(grant: "Grant", fields: Container[str]) -> None:
    """Raises PermissionDeniedError where a request of a key for some models asks the provider to take others, too."""
    if grant.is_for_all_models:
        return
    for name in _MORE_MODELS:
        if name in fields:
            raise PermissionDeniedError(
                f"this key is for some models only, so {name!r} may not name others", fault="caller", param=name
            )


def shown_key(request: Request) -> bytes:
    """The key as the clients of any dialect send it; b"" where there is none."""
    headers = request.headers
    bearer = headers.get(b"authorization")
    if bearer is not None and bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip()
    shown = headers.get(b"x-api-key") or headers.get(b"x-goog-api-key")
    if shown is not None:
        return shown
    if b"key=" in request.query:
        for pair in request.query.split(b"&"):
            if pair.startswith(b"key="):
                return unquote_to_bytes(pair[4:])
    return b""
