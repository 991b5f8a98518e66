"""The choice among a route's targets for a request of the gateway.

Of a route with one target, and of one that only says an order, it is the same for all requests and costs a look-up.
"""

import re
from contextlib import suppress
from math import inf
from random import random
from typing import TYPE_CHECKING

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.ledger.keys import MICRO
from tsuji.routing.choose import choose
from tsuji.routing.hashing import hashed
from tsuji.routing.limits import Asked
from tsuji.routing.needs import LETTERS_PER_TOKEN, Needs, capabilities_of, prompt_of, tokens_of

from .account import CONCURRENT
from .ceiling import asked_output, size_of, tier_of

if TYPE_CHECKING:
    from tsuji.client.choosing import Plan
    from tsuji.routing import Route, Target
    from tsuji.routing.choice import Choice
    from tsuji.routing.known import Facts
    from tsuji.wire.passthrough import Fields

    from .driver import Driver
    from .spending import Spending

REQUIRE = b"x-tsuji-require"
SESSION = b"x-tsuji-session"
TASK = b"x-tsuji-task"
_TASK = "task:"
_MOST_WORDS = 16
_EXACT_FROM = 16_384
"""Bytes of a body from which its prompt is measured and not its length: there may be pictures in it."""
_MOST_UNIT = 256
_BEFORE = ("tools", "toolConfig", "system", "systemInstruction", "system_instruction", "instructions", "preamble")
_TURNS = ("messages", "contents", "input", "prompt")
_USER = re.compile(rb'"role"\s*:\s*"user"')
_list = msgspec.json.Decoder(list[msgspec.Raw])
_string = msgspec.json.Decoder(str)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def choose_for(driver: "Driver", route: "Route") -> "Choice":
    """driver: that has read its request. Raises TsujiError where no target of the route may serve it."""
    request, spending = driver.request, driver.gateway.spending
    plan = driver.setup.chooser.plan(route)
    grant = request.grant
    if spending is not None and (not spending.active or len(route.targets) == 1):
        spending = None
    free = spending is None and REQUIRE not in request.headers and (grant is None or not grant.key.scopes.require)
    if free and plan.plain is not None and (plan.window == inf or _fits(driver, plan.window)):
        return plan.plain
    needs = needs_of(driver, plan)
    known = driver.setup.chooser if spending is None else Purse(driver, spending, route)
    return choose(route, needs, known, driver.gateway.health, driver.mark, random)


def asked_of(driver: "Driver", choice: "Choice") -> Asked:
    """What is known of how long the answer may take, where that matters: where there is another target."""
    needs, stream = choice.needs, driver.stream
    if needs is None:
        if len(choice.candidates) < 2:
            return _STREAM if stream else _WHOLE
        output = asked_output(driver.dialect.name, driver.fields) if driver.operation == "chat" else -1
        return Asked(stream, None, len(driver.request.body) // LETTERS_PER_TOKEN, output if output >= 0 else None)
    return Asked(stream, "thinking" in needs.capabilities, needs.tokens or 0, needs.output)


_STREAM = Asked()
_WHOLE = Asked(stream=False)


def _fits(driver: "Driver", window: float) -> bool:
    """Even if every byte were a token."""
    output = asked_output(driver.dialect.name, driver.fields) if driver.operation == "chat" else 0
    return len(driver.request.body) + max(output, 0) <= window


def needs_of(driver: "Driver", plan: "Plan") -> Needs:
    """What is not looked at, by the route's plan, is left out. Raises InvalidRequestError."""
    request, fields, route = driver.request, driver.fields, plan.route
    chat = driver.operation != "embeddings"
    output = asked_output(driver.dialect.name, fields) if driver.operation == "chat" else -1
    tokens = len(request.body) // LETTERS_PER_TOKEN
    if tokens + max(output, 0) > plan.window or (route.strategy == "cost" and len(request.body) > _EXACT_FROM):
        tokens = tokens_of(driver.chat() if chat else driver.embedding())
    sticky, user, session, conversation, prefix = route.sticky, "", "", "", 0
    if sticky is not None and sticky.by == "user":
        user = _user(driver)
    elif sticky is not None and sticky.by == "session":
        session = _said(request.headers.get(SESSION, b"").decode("latin-1")) or _text(fields.get("prompt_cache_key"))
    if chat and (route.affinity is not None or (sticky is not None and sticky.by == "conversation")):
        begins = beginning(fields)
        conversation = f"{hashed(begins):x}" if begins else ""
        prefix = hashed(begins[: route.affinity.prefix]) if route.affinity is not None and begins else 0
    grant = request.grant
    require = required(request.headers[REQUIRE]) if REQUIRE in request.headers else ()
    return Needs(
        tokens,
        output if output >= 0 else None,
        capabilities_of(driver.chat()) if chat and plan.declares else frozenset(),
        (*grant.key.scopes.require, *require) if grant is not None else require,
        user,
        session,
        conversation,
        prefix,
        prompt_of(driver.chat()) if chat and route.learned is not None else "",
        _task(driver) if route.learned is not None else "",
    )


def required(value: bytes) -> tuple[str, ...]:
    """The words of x-tsuji-require, split at commas. Raises InvalidRequestError."""
    words = tuple([word for piece in value.decode("utf-8", "replace").split(",") if (word := piece.strip())])
    if len(words) > _MOST_WORDS or any(len(word) > _MOST_UNIT or not word.isprintable() for word in words):
        raise InvalidRequestError(
            f"x-tsuji-require takes {_MOST_WORDS} printable words at most, split by commas", param="x-tsuji-require"
        )
    return words


def beginning(fields: "Fields") -> bytes:
    """What the turns of one conversation have in common, in any dialect: tools, system, up to the first user's turn.

    As the client wrote it: who writes the same otherwise has another beginning, and loses no more than his cache.
    """
    found = [bytes(fields[name]) for name in _BEFORE if name in fields]
    for name in _TURNS:
        raw = fields.get(name)
        if raw is None:
            continue
        try:
            turns = _list.decode(raw)
        except msgspec.DecodeError:
            found.append(bytes(raw))
            continue
        for turn in turns:
            found.append(bytes(turn))
            if _USER.search(turn) is not None:
                break
    return b"\n".join(found)


def _task(driver: "Driver") -> str:
    """By its own header, else by a tag, which the ledger keeps: "task:NAME"."""
    said = driver.request.headers.get(TASK)
    if said is not None:
        return _said(said.decode("utf-8", "replace"))
    return next((tag[len(_TASK) :] for tag in driver.tags if tag.startswith(_TASK)), "")


def _user(driver: "Driver") -> str:
    """The client's own word for its user, else whose key it showed; each key's users are its own."""
    grant = driver.request.grant
    key = (grant.key.user_id or grant.first) if grant is not None else ""
    named = _text(driver.fields.get("user"))
    if not named and (raw := driver.fields.get("metadata")) is not None:
        with suppress(msgspec.DecodeError):
            named = _text(_fields.decode(raw).get("user_id"))
    return f"{key}\n{named}" if named else key


def _text(raw: msgspec.Raw | None) -> str:
    try:
        return _said(_string.decode(raw)) if raw is not None else ""
    except msgspec.DecodeError:
        return ""


def _said(text: str) -> str:
    """What is longer counts by its hash: it is kept."""
    return text if len(text) <= _MOST_UNIT else f"{hashed(text.encode(errors='replace')):x}"


class Purse:
    """A Chooser that knows what is left of budgets, as far as this worker does, for one request."""

    def __init__(self, driver: "Driver", spending: "Spending", route: "Route") -> None:
        fields = driver.fields
        chooser = self._chooser = driver.setup.chooser
        self.memory = chooser.memory
        self.meters = chooser.meters
        self.drift = chooser.drift
        self._driver = driver
        self._spending = spending
        self._accounts = spending.stack(driver.request.grant, route, driver.setup.config).accounts
        self._now = int(driver.came * MICRO)
        self._tier = tier_of(fields) if "service_tier" in fields else None
        self._size = size_of(driver.dialect.name, driver.operation, fields, len(driver.request.body))

    def facts(self, target: "Target") -> "Facts":
        return self._chooser.facts(target)

    def window(self, route: "Route") -> int | None:
        return None

    def cost(self, target: "Target", tokens: int, output: int) -> int | None:
        return self._chooser.cost(target, tokens, output)

    def spent(self, target: "Target") -> str:
        driver = self._driver
        accounts = (*self._accounts, *self._spending.target(target).accounts)
        if not accounts:
            return ""
        ceiling = driver.setup.destinations.ceilings.of_target(target, self._tier, driver.mark)
        usd = ceiling.usd(self._size) if driver.operation != "count_tokens" else 0
        amounts = usd or 0, 1, ceiling.tokens(self._size)
        for account in accounts:
            if account.unit == CONCURRENT:  # what is under way ends any moment
                continue
            limit = account.limit
            left = account.remaining if self._now < account.lease.end else limit.amount
            if amounts[account.unit] > left:
                whose = f"{limit.kind} {account.subject}" if account.subject else limit.kind
                return f"may need more {limit.unit} than the limit {limit.id} on {whose} has left"
        return ""
