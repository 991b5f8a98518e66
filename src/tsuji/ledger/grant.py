"""A key as the gateway asks it: everything that can be worked out before a request comes."""

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, Protocol, get_args

from tsuji.core.errors import AuthenticationError, InvalidRequestError, PermissionDeniedError, TsujiError

from .keys import MICRO, Key, Scopes

Operation = Literal["chat", "embeddings", "metrics", "models"]
"""What a key may be for."""
OPERATIONS: tuple[str, ...] = get_args(Operation)
_FREE = frozenset(["root", "version", "feedback"])
"""Operations that say nothing of what there is and cost nothing."""
_AS = {"model": "models", "show": "models", "count_tokens": "chat"}
"""Operations that are parts of another."""


class HasOperation(Protocol):
    @property
    def operation(self) -> str: ...


class Grant:
    """What the holder of `key` may do. Decided from the parsed request, each question once.

    is_plain: `refuse` would never say anything. first: the id of the key that it was first rotated from, or its own:
    that is who limits are on.
    """

    __slots__ = ("_models", "_networks", "_operations", "first", "is_plain", "key")

    def __init__(self, key: Key, first: str | None = None) -> None:
        self.key = key
        self.first = first or key.id
        scopes = key.scopes
        self._models = _pattern(scopes.models) if scopes.models else None
        self._operations = frozenset(scopes.operations)
        self._networks = [network(text) for text in scopes.networks]
        self.is_plain = key.revoked is None and key.expires is None and not self._operations and not self._networks

    def refuse(self, endpoint: HasOperation | None, address: str, now: float) -> TsujiError | None:
        """Why this key does not open this endpoint; None if it does. address: the client's. now: seconds."""
        state = self.key.state(int(now * MICRO))
        if state != "live":
            return AuthenticationError(f"this key is {state}", fault="caller")
        wanted = scope_of(endpoint.operation) if endpoint is not None else None
        if self._operations and wanted is not None and wanted not in self._operations:
            return PermissionDeniedError(f"this key is not for {wanted}", fault="caller")
        if self._networks and not self._is_within(address):
            return PermissionDeniedError("this key may not be used from this address", fault="caller")
        return None

    @property
    def is_for_all_models(self) -> bool:
        return self._models is None

    def allows_model(self, name: str) -> bool:
        """name: of a route, or provider:model where it is not one."""
        return self._models is None or self._models.fullmatch(name) is not None

    def check_model(self, name: str) -> None:
        """Raises PermissionDeniedError."""
        if not self.allows_model(name):
            raise PermissionDeniedError(f"this key is not for the model {name!r}", fault="caller", param="model")

    def _is_within(self, address: str) -> bool:
        try:
            at = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(at, IPv6Address) and at.ipv4_mapped is not None:
            at = at.ipv4_mapped
        return any(at in network for network in self._networks)


def scope_of(operation: str) -> str | None:
    """The operation that a key must be for; None if any key will do."""
    return None if operation in _FREE else _AS.get(operation, operation)


def network(text: str) -> IPv4Network | IPv6Network:
    """Raises InvalidRequestError."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidRequestError(
            f"{text!r} is no IP address or range, such as 10.0.0.0/8: {error}", param="networks"
        ) from None


def check_scopes(scopes: Scopes) -> None:
    """Raises InvalidRequestError for an operation that there is not, and for a range that is none."""
    for name in scopes.operations:
        if name not in OPERATIONS:
            raise InvalidRequestError(f"{name!r} is not one of: {', '.join(OPERATIONS)}", param="operations")
    for text in scopes.networks:
        network(text)


def _pattern(models: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_glob, models)), re.DOTALL)


def _glob(name: str) -> str:
    """What stands between two stars is taken where it comes first, and never looked for again: a name that a client
    makes up, against a pattern of many stars, would else take for ever.
    """
    first, *rest = [re.escape(part) for part in name.split("*")]
    if not rest:
        return first
    return first + "".join([f"(?>.*?{part})" for part in rest[:-1]]) + ".*" + rest[-1]
