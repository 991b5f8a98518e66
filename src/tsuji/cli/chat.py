"""`tsuji chat`: a conversation at a prompt, or one question and its answer."""

import sys
from typing import Annotated

import typer

from .options import ConfigFile

_PIPE_WAIT = 3.0
"""Seconds until a pipe is taken for one that nobody writes to, such as a script inherits."""


def chat(
    question: Annotated[
        list[str] | None, typer.Argument(help="Print the answer and exit. Without one: a prompt.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="provider:model, or a route.")] = "local:default",
    system: Annotated[str | None, typer.Option("--system", "-s", help="System message.", show_default=False)] = None,
    config: ConfigFile = None,
) -> None:
    """Talk to a model. What is piped in goes with the question: git diff | tsuji chat "review this".

    A pipe that brings nothing for three seconds is left alone; put a - after the question to wait for it.
    """
    from tsuji.client.sync import Client
    from tsuji.config import load_config
    from tsuji.core.errors import InvalidRequestError

    from .conversation import Conversation

    settings = load_config(config)
    words = list(question or ())
    patient = not words or words[-1] == "-"
    asked = "\n\n".join([part for part in (" ".join(words[:-1] if patient else words), _piped(patient)) if part])
    with Client(settings) as client:
        conversation = Conversation(client, model, system)
        if asked:
            whole = conversation.say(asked)
            raise typer.Exit(0 if whole else 130)
        if not _at_terminal():
            raise InvalidRequestError("there is no question: give one, or pipe it in")
        from .prompt import talk

        talk(conversation)


def _at_terminal() -> bool:
    # Python has no sys.stdin where the descriptor is closed.
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _piped(patient: bool) -> str:
    """What comes on standard input, unless that is a terminal or closed. patient: however long it takes to begin."""
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        return ""
    if not patient:
        import select

        if not select.select([sys.stdin], [], [], _PIPE_WAIT)[0]:
            sys.stderr.write(
                f"tsuji: nothing came on standard input for {_PIPE_WAIT:g} s, so this is asked without it; put a -"
                " after the question to wait for it\n"
            )
            return ""
    return sys.stdin.buffer.read().decode(errors="replace").strip()
