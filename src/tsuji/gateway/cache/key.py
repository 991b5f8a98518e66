"""What makes two requests the same.

An entry's key is an HMAC-SHA256 over who may share it, what is asked of which route in which dialect, and the body in
one canonical form: objects sorted by name, no white space, each text in one spelling. Left out of it is only what
changes nothing of an answer but its delivery (UNHEARD). Numbers are compared as they are written: 1 and 1.0 differ.

A body in which an object names a field twice has no key: parsers disagree on which of the two counts, so a provider
could answer another question than the one that the canonical form asks.
"""

import hmac
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.core.errors import InternalError, TsujiError
from tsuji.core.parts import Text
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool
from tsuji.gateway.admit import shown_key
from tsuji.gateway.endpoints import form_of

if TYPE_CHECKING:
    from tsuji.config import CacheRule
    from tsuji.gateway.driver import Driver

_DELIVERY = frozenset(["stream", "stream_options"])
UNHEARD: dict[str, frozenset[str]] = {
    "openai": _DELIVERY | {"user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention"},
    "anthropic": _DELIVERY | {"metadata"},
    "bedrock": frozenset(["requestMetadata"]),
    "ollama": _DELIVERY | {"keep_alive"},
    "cohere": _DELIVERY,
    "gemini": frozenset(["labels"]),
    "responses": _DELIVERY,
}
"""By dialect: top-level fields that say who asks, how the answer travels, or what a provider's own prompt cache does.

A Responses answer repeats `user`, `metadata` and the like from its request, so there they count.
"""
_HEADERS = (b"anthropic-beta", b"openai-beta")
"""That are passed on to a provider."""
_TOOLS = frozenset(["tools", "toolConfig", "tool_config"])
_EFFECTS = frozenset(
    ["background", "conversation", "store", "thread", "container", "mcp_servers", "web_search_options"]
)
"""Fields with which a request has the provider do something, or remember it, unless they are false."""


def who(driver: "Driver", scope: str) -> bytes:
    """Who shares entries with this request. A key without the user or team that the scope is by shares with itself."""
    request = driver.request
    if scope == "all":
        return b"all"
    if request.grant is None:
        # A key of the configuration is known by itself alone; without keys, all who ask are programs of this machine.
        return b"configured\0" + shown_key(request) if request.configured else b"open"
    key = request.grant.key
    if scope == "team" and key.team_id is not None:
        return b"team\0" + key.team_id.encode()
    if scope == "user" and key.user_id is not None:
        return b"user\0" + key.user_id.encode()
    return b"key\0" + key.id.encode()


def is_cacheable(driver: "Driver") -> bool:
    """Whether an answer that was given before can stand for what the request asks.

    Not where it has the provider do something: run a tool of its own, keep a conversation, work in the background.
    """
    fields = driver.fields
    for name in _EFFECTS & fields.keys():
        if bytes(fields[name]) not in (b"false", b"null"):
            return False
    if driver.operation != "chat" or _TOOLS.isdisjoint(fields):
        return True
    asked = asked_for(driver)
    return asked is not None and not any(type(tool) is ProviderTool for tool in asked.tools)


def asked_for(driver: "Driver") -> ChatRequest | None:
    """None for a request that passes to its provider unread, and that our own parser would refuse."""
    try:
        return driver.chat()
    except TsujiError:
        return None


def entry_key(secret: bytes, driver: "Driver", rule: "CacheRule") -> bytes | None:
    """32 bytes; None for a body that has no canonical form."""
    body = canonical(driver.request.body, UNHEARD[driver.dialect.name.partition(".")[0]])
    return None if body is None else hmac.digest(secret, _joined([*_asked(driver, rule), body]), "sha256")


def rest_key(secret: bytes, driver: "Driver", rule: "CacheRule") -> tuple[bytes, str] | None:
    """The key of all but the last user's text, and that text. None where the request does not end in such a text."""
    asked = asked_for(driver)
    if asked is None or not asked.messages or asked.messages[-1].role != "user":
        return None
    last = asked.messages[-1]
    text = last.text
    if not text.strip() or any(type(part) is not Text for part in last.content):
        return None
    before = (*asked.messages[:-1], msgspec.structs.replace(last, content=()))
    ext = {name: {k: v for k, v in own.items() if k != "~stream"} for name, own in (asked.ext or {}).items()}
    ext = {name: own for name, own in ext.items() if own}
    rest = msgspec.structs.replace(asked, messages=before, stream=False, stream_usage=None, ext=ext)
    if driver.dialect.name != "responses":
        rest = msgspec.structs.replace(rest, user=None, metadata=None)
    try:
        body = _sorted.encode(rest)
    except (TypeError, ValueError):
        return None
    return hmac.digest(secret, _joined([b"semantic", *_asked(driver, rule), body]), "sha256"), text


def canonical(body: bytes, unheard: Iterable[str] = ()) -> bytes | None:
    """A JSON object in the one form that all its spellings share. None: it has none (see the top of this file)."""
    try:
        fields = _decoder.decode(body.decode())
        for name in unheard:
            fields.pop(name, None)
        return _sorted.encode(fields)
    except (ValueError, RecursionError):
        return None


def _asked(driver: "Driver", rule: "CacheRule") -> list[bytes]:
    """What is asked of whom, beside the body."""
    request, endpoint = driver.request, driver.request.endpoint
    if endpoint is None:
        raise InternalError("a request without an endpoint reached the cache")
    # What vectors come in depends on where they are asked for; a chat's two places are for a stream and a whole answer.
    at = b"" if driver.operation == "chat" else endpoint.path + (endpoint.suffix or b"")
    targets = [target.name.encode() for target in driver.routing.route.targets]
    parts = [who(driver, rule.scope), rule.generation, driver.model.encode(), driver.operation.encode(), at]
    form = form_of(endpoint.dialect, request.headers).encode()
    parts += [form, b"drop" if driver.drop else b"", _joined(targets)]
    return [*parts, *[request.headers.get(name, b"") for name in _HEADERS]]


def _joined(parts: Iterable[bytes]) -> bytes:
    """With their lengths, so that no two lists look the same."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _number(text: str) -> float:
    found = float(text)
    if found in (float("inf"), float("-inf")):
        raise ValueError("a number beyond all bounds")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)
_sorted = msgspec.json.Encoder(order="sorted")
