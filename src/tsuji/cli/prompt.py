"""The prompt of `tsuji chat`: line editing, history, and commands that begin with a slash."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tsuji.core.errors import TsujiError

from .terminal import console

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from .conversation import Conversation

_HELP = """\
/model NAME    ask NAME from here on (provider:model, or a route); alone: say which it is
/system TEXT   set the system message; alone: show it
/clear         forget what was said
/help          this
/exit          leave; so does Ctrl-D
Ctrl-C stops an answer, or empties the line."""


def talk(conversation: "Conversation") -> None:
    """Until Ctrl-D or /exit. An error is printed, and the conversation goes on."""
    out = console()
    session = _session()
    out.print(conversation.model, style="bold", markup=False, end=" ")
    out.print("[dim]· /help lists commands, Ctrl-D leaves[/]")
    while True:
        try:
            line = session.prompt("> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        try:
            if line.startswith("/"):
                if not _command(line, conversation):
                    return
            elif line:
                conversation.say(line)
        except TsujiError as error:
            out.print(f"[red]{error.kind.replace('_', ' ')}[/]", end=" ")
            out.print(str(error), markup=False)


def _session() -> "PromptSession[str]":
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    history = history_file()
    history.parent.mkdir(parents=True, exist_ok=True)
    history.touch(mode=0o600)
    commands = WordCompleter([*_COMMANDS, "/exit"], sentence=True)
    return PromptSession(history=FileHistory(str(history)), completer=commands, complete_while_typing=False)


def history_file() -> Path:
    """$XDG_STATE_HOME/tsuji/history, by default below ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tsuji" / "history"


def _command(line: str, conversation: "Conversation") -> bool:
    """False if it was the last one."""
    name, _, rest = line.partition(" ")
    if name in ("/exit", "/quit"):
        return False
    known = _COMMANDS.get(name)
    if known is None:
        console().print(f"no command {name}; /help lists them", markup=False)
    else:
        known(conversation, rest.strip())
    return True


def _model(conversation: "Conversation", name: str) -> None:
    if name:
        conversation.switch(name)
    console().print(f"model: {conversation.model}", markup=False)


def _system(conversation: "Conversation", text: str) -> None:
    if text:
        conversation.system = text
    console().print(f"system: {conversation.system or '(none)'}", markup=False)


def _clear(conversation: "Conversation", _: str) -> None:
    conversation.clear()
    console().print("forgotten.")


def _help(_: "Conversation", __: str) -> None:
    console().print(_HELP, markup=False)


_COMMANDS: "dict[str, Callable[[Conversation, str], None]]" = {
    "/model": _model,
    "/system": _system,
    "/clear": _clear,
    "/help": _help,
}
