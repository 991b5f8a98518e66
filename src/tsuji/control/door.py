"""Who is let in: whoever shows the token, to a name of this machine, and is no web page of another origin.

A page in a browser can reach loopback by name (DNS rebinding, seen in Host) or across origins (seen in Origin); the
token keeps it out already, and so do these, where a token has come into a browser. No answer has any header of CORS.
"""

from hmac import compare_digest

from starlette.datastructures import Headers

from tsuji.config import AdminConfig
from tsuji.core.errors import AuthenticationError, PermissionDeniedError, TsujiError
from tsuji.http.url import is_loopback, names_this_machine


class Door:
    """token: what clients show. who: its id, for the audit."""

    def __init__(self, config: AdminConfig, token: bytes, who: str) -> None:
        self.who = who
        self._token = token
        self._hosts = frozenset([host.lower() for host in config.allowed_hosts])
        self._asks_for_a_name = is_loopback(config.host) or bool(self._hosts)

    def refuse(self, headers: Headers, *, open: bool) -> TsujiError | None:
        """Why the request is not let in; None if it is. open: the endpoint asks for no token."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._asks_for_a_name and not names_this_machine(host, self._hosts):
            return PermissionDeniedError(
                "the admin API answers to names of this machine; add the Host header's to admin.allowed_hosts",
                fault="caller",
            )
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return PermissionDeniedError("the admin API does not answer web pages of another origin", fault="caller")
        if open:
            return None
        shown = headers.get("authorization", "")
        if shown[:7].lower() != "bearer ":
            return AuthenticationError(
                "the admin API wants its token, as 'Authorization: Bearer TOKEN'; 'tsuji admin' says where it is",
                fault="caller",
            )
        if not compare_digest(shown[7:].strip().encode(), self._token):
            return AuthenticationError(
                "this is not the token of this admin API; 'tsuji admin' says where it is", fault="caller"
            )
        return None
