"""What has been said so far, and one more answer, shown as it comes."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .terminal import console

if TYPE_CHECKING:
    from rich.console import Console

    from tsuji.client.options import ChatMessage
    from tsuji.client.sync import Client

_ENOUGH = 0.000_05


class Conversation:
    """messages: without the system message, which is kept apart so that it can be changed."""

    def __init__(self, client: "Client", model: str, system: str | None = None) -> None:
        self.client = client
        self.model = ""
        self.system = system
        self.messages: list[ChatMessage] = []
        self.switch(model)

    def switch(self, model: str) -> None:
        """Another model from now on. Raises ModelNotFoundError or MissingApiKeyError if it cannot be asked at all."""
        config = self.client.config
        for target in config.route(model).targets[:1]:
            config.api_key(config.provider(target.provider))
        self.model = model

    def clear(self) -> None:
        self.messages.clear()

    def say(self, text: str) -> bool:
        """Prints the answer as it comes. False if Ctrl-C stopped it: what had come by then stays in the conversation.

        Raises TsujiError; the conversation is then as it was before.
        """
        out = console()
        said: list[ChatMessage] = [{"role": "system", "content": self.system}] if self.system else []
        question: ChatMessage = {"role": "user", "content": text}
        shown = _Shown(out)
        try:
            stream = self._begin([*said, *self.messages, question])
        except KeyboardInterrupt:
            return False
        try:
            with stream:
                for chunk in stream:
                    shown.add(chunk)
                answer = stream.response().choices[0].message
        except KeyboardInterrupt:
            shown.end("stopped")
            if shown.text:
                self.messages += [question, {"role": "assistant", "content": shown.text}]
            return False
        except BaseException:
            shown.end()
            raise
        shown.end(_summary(stream.tsuji) if out.is_terminal else "")
        self.messages += [question, answer]
        return True

    def _begin(self, messages: "list[ChatMessage]") -> Any:
        """Up to the first word; a local model may have to be downloaded and loaded for it."""
        with ExitStack() as waiting:
            targets = self.client.config.route(self.model).targets
            if any(target.provider == "local" for target in targets):
                from .progress import engine_progress

                waiting.enter_context(engine_progress())
            return self.client.completion(self.model, messages, stream=True)


class _Shown:
    """An answer on the screen. Thinking is dim, and is left out where the output is no terminal."""

    def __init__(self, out: "Console") -> None:
        self.out = out
        self.text = ""
        self._thinking = False
        self._open = False

    def add(self, chunk: Any) -> None:
        for choice in chunk.choices:
            delta = choice.delta
            if delta.reasoning and self.out.is_terminal:
                self._print(delta.reasoning, "dim")
                self._thinking = True
            if delta.content or delta.refusal:
                if self._thinking:
                    self._print("\n\n")
                    self._thinking = False
                self.text += delta.content or ""
                self._print(delta.content or delta.refusal)
            for call in delta.tool_calls or ():
                self._print(call.function.name or call.function.arguments or "", "cyan")

    def end(self, note: str = "") -> None:
        if self._open:
            self.out.print()
        if note:
            self.out.print(note, style="dim", markup=False)
        self._open = False

    def _print(self, text: str, style: str | None = None) -> None:
        self.out.print(text, end="", style=style, markup=False, emoji=False)
        self._open = not text.endswith("\n")


def _summary(trace: Any) -> str:
    facts = [trace.target]
    usage = trace.usage
    if usage is not None and usage.output_tokens is not None:
        facts.append(f"{usage.output_tokens} tokens")
    if trace.ttft is not None:
        facts.append(f"first after {trace.ttft:.2f} s")
    cost = trace.cost
    if cost is None:
        facts.append("cost unknown")
    elif cost:
        facts.append(f"${cost:.4f}" if cost >= _ENOUGH else f"${cost:.7f}")
    return " · ".join(facts)
