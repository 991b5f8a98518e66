"""The guardrails of one request: what it asks is checked before it goes on, its answer before it is delivered.

Checks that need no one come first, in the order of the route; then those that ask a webhook or a model, which see what
the others let pass. A guardrail that blocks raises ContentFilterError: it names the guardrail and the kind of thing
that was found, never the thing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tsuji.core.errors import ContentFilterError, GuardrailError, InvalidRequestError, TsujiError
from tsuji.core.events import Event
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.response import ChatResponse

from . import texts
from .asking import Asker, Question
from .checks import Check
from .rules import redact

if TYPE_CHECKING:
    from tsuji.gateway.driver import Driver

    from .review import Stream

log = logging.getLogger("tsuji.guard")
LONG = 64 * 1024
"""Bytes of a document from which on it is read in a thread: the event loop has others to serve meanwhile."""
_Whole = TypeVar("_Whole", bound=ChatRequest | EmbeddingRequest | ChatResponse)


class Chain(msgspec.Struct, frozen=True):
    """What is in force at one stage."""

    checks: tuple[Check, ...] = ()
    askers: tuple[Asker, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.checks or self.askers)


class Guard:
    """acted: what guardrails did so far, as "name:action". changed: the request is not what the client sent any more.

    `admit` once, before the request goes anywhere; then `answer`, or a Stream (see .stream), unless `passes`.
    """

    def __init__(self, driver: "Driver", requests: Chain, answers: Chain) -> None:
        self.driver = driver
        self.requests = requests
        self.answers = answers if driver.operation == "chat" else Chain()
        self.acted: list[str] = []
        self.changed = False

    @property
    def passes(self) -> bool:
        """Request and answer may go on as bytes, unread."""
        return not self.changed and not self.answers

    def line(self) -> bytes:
        """The header line that tells of it."""
        return b"x-tsuji-guarded: %b\r\n" % ", ".join(self.acted).encode() if self.acted else b""

    async def admit(self) -> None:
        """Raises ContentFilterError, or GuardrailError where one that must be asked cannot be."""
        if not self.requests:
            return
        driver = self.driver
        asked = driver.embedding() if driver.operation == "embeddings" else driver.chat()
        may_act = bool(self.requests.askers) or any(check.action != "log" for check in self.requests.checks)
        if may_act and isinstance(asked, EmbeddingRequest) and not all(map(_is_text, asked.inputs)):
            raise InvalidRequestError("guardrails of this route read what is embedded: send texts, not tokens")
        new = await self._through(self.requests, "input", asked, len(driver.request.body))
        if new is not asked:
            self.changed = True
            driver.rewrite(new)

    def stream(self, deliver: Callable[[list[Event]], None], fail: Callable[[TsujiError], None]) -> "Stream":
        """Raises no more than its `feed` does."""
        from .review import Stream

        return Stream(self, deliver, fail)

    async def answer(self, answer: ChatResponse, size: int) -> ChatResponse:
        """size: bytes that it was on the wire. Raises as `admit` does."""
        return await self._through(self.answers, "output", answer, size)

    async def _through(self, chain: Chain, stage: str, whole: _Whole, size: int) -> _Whole:
        if size < LONG:
            whole = self._checked(chain.checks, stage, whole)
        else:
            whole = await asyncio.to_thread(self._checked, chain.checks, stage, whole)
        for asker in chain.askers:
            whole = await self._ask(asker, stage, whole)
        return whole

    # Checks.

    def _checked(self, checks: tuple[Check, ...], stage: str, whole: _Whole) -> _Whole:
        for check in checks:
            labels: list[str] = []
            new = texts.within(whole, _change(check, labels))
            if self.found(check, labels, stage):
                whole = new
        return whole

    def found(self, check: Check, labels: list[str], stage: str) -> bool:
        """Notes what a check found; True: it is to be redacted. Raises ContentFilterError."""
        if not labels:
            return False
        self.act(check.name, check.action, stage, sorted(set(labels)))
        return check.action == "redact"

    def act(self, name: str, action: str, stage: str, labels: list[str]) -> None:
        """labels: kinds of what was found. Raises ContentFilterError where the action is "block"."""
        self._note(f"{name}:{action}")
        log.info(
            "guardrail %s: %s %s of request %s: %s",
            name,
            action,
            stage,
            self.driver.id,
            ", ".join(labels),
        )
        if action == "block":
            kinds = f" ({', '.join(labels)})" if labels else ""
            what = "the request" if stage == "input" else "the answer"
            raise ContentFilterError(
                f"the guardrail {name!r} does not let {what} pass{kinds}; "
                + ("take that out, and ask again" if stage == "input" else "ask for something else"),
                provider="",  # it is no provider's doing
            )

    def _note(self, done: str) -> None:
        if done not in self.acted:
            self.acted.append(done)

    # Those that ask.

    async def _ask(self, asker: Asker, stage: str, whole: _Whole) -> _Whole:
        said: list[str] = []
        texts.within(whole, _collecting(said), raw=True)
        if not said:
            return whole
        answers = iter(await self.consult(asker, stage, tuple(said)))
        return texts.within(whole, lambda text: next(answers), raw=True)

    async def consult(self, asker: Asker, stage: str, said: tuple[str, ...], before: str = "") -> tuple[str, ...]:
        """What stands in the place of `said` now. Raises ContentFilterError and GuardrailError."""
        config = asker.config
        route = self.driver.routing.route.name
        try:
            verdict = await asker.ask(Question(config.name, stage, route, self.driver.id, said, before))
        except GuardrailError as error:
            log.warning("%s (request %s)", error.message, self.driver.id)
            self._note(f"{config.name}:error")
            if config.on_error == "block" and config.action != "log":
                raise
            return said
        if verdict.action == "allow":
            return said
        self.act(config.name, "log" if config.action == "log" else verdict.action, stage, [])
        return said if verdict.texts is None or config.action == "log" else verdict.texts


def _change(check: Check, labels: list[str]) -> texts.Change:
    """Looks at one text after the other; the labels of what is found are added to `labels`."""
    rules, total = check.rules, 0

    def count(text: str) -> str:
        nonlocal total
        total += len(text)
        if total > check.most and not labels:
            labels.append("length")
        return text

    return count if rules is None else lambda text: redact(rules, text, labels)


def _collecting(said: list[str]) -> texts.Change:
    def collect(text: str) -> str:
        said.append(text)
        return text

    return collect


def _is_text(value: object) -> bool:
    return isinstance(value, str)
