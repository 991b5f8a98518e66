"""A first question to the gateway, over HTTP like any client's: the answer, what the router did, what to try next."""

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tsuji.core import events as ev
from tsuji.core.errors import TsujiError

from .terminal import console

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.core.events import Event
    from tsuji.http.blocking import BlockingResponse

_MAX_TOKENS = 200
_SUMMARY = b": tsuji "


class Asking:
    """Asks in a thread of its own, because the gateway has the main one. code: of the process's exit."""

    def __init__(self, settings: "Config", question: str, model: str, once: bool) -> None:
        self.settings = settings
        self.question = question
        self.model = model
        self.once = once
        self.code = 0
        self._thread: threading.Thread | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self.model.startswith(("local:", "local/")):
            from .progress import engine_progress

            self._open.enter_context(engine_progress())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def start(self, url: str, keyed: bool) -> None:
        """keyed: clients must show a key."""
        self._thread = threading.Thread(target=self._ask, args=(url, keyed), name="tsuji-ask", daemon=True)
        self._thread.start()

    def _ask(self, url: str, keyed: bool) -> None:
        out = console()
        self.code = 1
        try:
            Asked(url, self.settings.server.own_key, self.model).ask(self.question)
            print_next(url, self.model, keyed)
            self.code = 0
        except TsujiError as error:
            out.print("\n[red]No answer:[/]", end=" ")
            out.print(str(error), markup=False)
        finally:  # whatever went wrong, the gateway is not left waiting for this thread
            if self.once or self.code:
                os.kill(os.getpid(), signal.SIGINT)
            else:
                out.print("\n[dim]It keeps serving; Ctrl-C stops it.[/]")


class Asked:
    """One streamed question and what came of it."""

    def __init__(self, url: str, key: str, model: str) -> None:
        self.url = url
        self.key = key
        self.model = model
        self.summary: dict[str, Any] = {}
        self.first: float | None = None
        self.last = 0.0
        self._line = b""

    def ask(self, question: str) -> None:
        """Prints the answer as it comes, then what happened. Raises TsujiError where there is none."""
        from tsuji.http.blocking import BlockingPool

        out = console()
        out.print("\n[dim]>[/]", end=" ")
        out.print(question, style="bold", markup=False)
        started = monotonic()
        pool = BlockingPool()
        try:
            with self._send(pool, question) as response:
                for event in self._events(response):
                    self._show(event, out)
                out.print()
                self._report(response, started)
        finally:
            pool.close()

    def _send(self, pool: Any, question: str) -> "BlockingResponse":
        from tsuji.core.timeouts import Timeouts
        from tsuji.http.message import render_headers
        from tsuji.http.url import split_url

        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": _MAX_TOKENS,
            "temperature": 0,
        }
        headers = [("content-type", "application/json"), ("user-agent", "tsuji")]
        headers.append(("authorization", f"Bearer {self.key}"))
        origin, _ = split_url(self.url)
        # The first answer of a fresh machine waits for the download of the model.
        timeouts = Timeouts(first_byte=1800, idle=120, total=3600)
        path = b"/v1/chat/completions"
        return pool.request(b"POST", origin, path, render_headers(headers), json.dumps(body).encode(), timeouts)

    def _events(self, response: "BlockingResponse") -> Iterator["Event"]:
        from tsuji.core.provider import Quirks
        from tsuji.wire import dialect

        openai = dialect("openai")
        if response.status != 200:
            named = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
            raise openai.parse_error(response.status, named, response.read())
        parser = openai.stream_parser(Quirks())
        for piece in response.iter_bytes():
            self._read_summary(piece)
            yield from parser.feed(piece)
        yield from parser.close()

    def _read_summary(self, piece: bytes) -> None:
        """The gateway's last word on a stream is a comment line, which the dialect's parser skips."""
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            if line.startswith(_SUMMARY):
                self.summary = json.loads(line.removeprefix(_SUMMARY))

    def _show(self, event: "Event", out: Any) -> None:
        if isinstance(event, ev.StreamFailed):
            raise event.error
        if isinstance(event, ev.TextDelta):
            self.last = monotonic()
            self.first = self.first or self.last
            out.print(event.text, end="", markup=False)

    def _report(self, response: "BlockingResponse", started: float) -> None:
        out = console()
        told = {**{n.decode(): v.decode("latin-1") for n, v in response.headers if n.startswith(b"x-tsuji-")}}
        target = self.summary.get("target") or told.get("x-tsuji-target", "?")
        facts = [f"target {target}", f"attempts {self.summary.get('attempts') or told.get('x-tsuji-attempts', '?')}"]
        used, made = self.summary.get("input_tokens"), self.summary.get("output_tokens")
        facts += [f"{used} tokens in, {made} out"] if made is not None else []
        if self.first is not None:
            facts.append(f"first token after {self.first - started:.2f} s")
            if made and made > 1 and self.last > self.first:
                facts.append(f"{(made - 1) / (self.last - self.first):.0f} tokens/s")
        if "x-tsuji-overhead-us" in told:
            facts.append(f"router's own time {int(told['x-tsuji-overhead-us']) / 1000:.2f} ms")
        cost = str(self.summary.get("cost") or told.get("x-tsuji-cost", "unknown"))
        out.print("\n[dim]router[/]", end="  ")
        out.print(" · ".join(facts), markup=False)
        out.print(f"[dim]cost[/]    {_dollars(cost)}")


def _dollars(cost: str) -> str:
    """As the gateway says it, "0.000012000" or "unknown"."""
    if cost == "unknown":
        return "unknown: there is no price for this model"
    shown = cost.rstrip("0").rstrip(".") if "." in cost else cost
    return f"${shown}" if float(cost) else "$0: it ran on this machine, or is free of charge"


def print_next(url: str, model: str, keyed: bool) -> None:
    """What to type next."""
    out = console()
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Say hello in Japanese."}]})
    key = " -H 'authorization: Bearer YOUR_KEY'" if keyed else ""
    out.print("\n[dim]Ask it yourself:[/]\n")
    command = f"curl {url}/v1/chat/completions -H 'content-type: application/json'{key} -d {shlex.quote(body)}"
    out.print(command, markup=False)
    out.print("\n[dim]Or from Python, without the gateway:[/]\n")
    out.print("from tsuji import completion", markup=False)
    question = '[{"role": "user", "content": "Say hello in Japanese."}]'
    out.print(f'r = completion("{model}", messages={question})', markup=False)
    out.print("print(r.choices[0].message.content)", markup=False)
