"""Where a provider is for this request, and who signs for it: with its settings filled in, its credentials found."""

from collections.abc import Mapping
from time import time
from typing import TYPE_CHECKING

from tsuji.config.provider import located, needed, setting
from tsuji.core.errors import ConfigError, InvalidRequestError
from tsuji.core.provider import Auth, Provider, placeholders
from tsuji.core.timeouts import Timeouts
from tsuji.http.message import render_headers
from tsuji.http.url import split_url

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.http.tls import TlsConfig
    from tsuji.providers import Fetch, Signer

_KEPT = 1024  # keys may come from a caller's own users


class Signers:
    """Those of one client or gateway, each made once, so that requests share what they fetch."""

    def __init__(self, tls: "TlsConfig | None" = None) -> None:
        self._tls = tls
        self._made: dict[tuple[str, Auth, str | None, str], Signer] = {}
        self._profile: dict[str, str] = {}

    def settle(self, provider: Provider, key: str | None) -> "tuple[Provider, Signer | None] | Future[None]":
        """The provider at its address, and its signer if it has one; or what has to be waited for before it is ready.

        Raises ConfigError for a setting that is nowhere.
        """
        auth = provider.auth
        signer = self._signer(provider, key) if is_signed(auth, key) else None
        if signer is not None and not signer.ready(time()):
            return signer.refresh()
        known: Mapping[str, str] = {}
        if any(setting(provider, name) is None for name in placeholders(provider.base_url)):
            if signer is not None:
                known = signer.settings
            if auth.keyless == "aws":
                known = self._of_profile()
        return located(provider, known), signer

    def _signer(self, provider: Provider, key: str | None) -> "Signer":
        from tsuji.providers import signer_for

        auth = provider.auth
        region = ""
        if auth.keyless == "aws" and key is None:
            region = setting(provider, "region") or needed(provider, "region", self._of_profile())
        name = (provider.id, auth, key, region)
        found = self._made.get(name)
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            found = self._made[name] = signer_for(auth, key, region, fetching(self._tls))
        return found

    def _of_profile(self) -> dict[str, str]:
        """The settings that AWS's profile has."""
        if not self._profile:
            from tsuji.providers.aws_credentials import profile_region

            if region := profile_region():
                self._profile = {"region": region}
        return self._profile


def is_signed(auth: Auth, key: str | None) -> bool:
    """Whether a request takes more than a key in its headers."""
    return bool(auth.keyless) if key is None else auth.scheme == "ibm"


def fetching(tls: "TlsConfig | None") -> "Fetch":
    """What fetches tokens, over blocking sockets."""

    def fetch(
        method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> tuple[int, dict[str, str], bytes]:
        from tsuji.http.blocking import BlockingPool

        try:
            origin, target = split_url(url)
            lines = render_headers(headers.items())
        except InvalidRequestError as error:
            raise ConfigError(f"no token can be fetched: {error.message}") from error
        limits = Timeouts(connect=min(seconds, Timeouts().connect), first_byte=seconds, idle=seconds, total=seconds)
        pool = BlockingPool(tls=tls)
        try:
            with pool.request(method.encode(), origin, target.encode(), lines, body, limits) as response:
                found = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
                return response.status, found, response.read()
        finally:
            pool.close()

    return fetch
