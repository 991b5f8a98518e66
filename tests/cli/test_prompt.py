"""`tsuji chat` at a real terminal, against a scripted provider."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests import answers
from tests.cli.conftest import TSUJI, configure
from tests.scripted import Reply, Request, Scripted

READY = r"\x1b\[\?2004h"  # the prompt turns bracketed paste on when it waits for a line
Chat = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def chat(tmp_path: Path, environment: dict[str, str]) -> Iterator[Chat]:
    running: list[pexpect.spawn[str]] = []

    def start(*arguments: str) -> "pexpect.spawn[str]":
        child = pexpect.spawn(
            TSUJI,
            ["chat", *arguments],
            cwd=str(tmp_path),
            env={**environment, "PROMPT_TOOLKIT_NO_CPR": "1"},
            encoding="utf-8",
            timeout=60,
            dimensions=(40, 200),
        )
        running.append(child)
        child.expect(READY)
        return child

    yield start
    for child in running:
        child.close(force=True)


def _echo(request: Request) -> Reply:
    """Says which model was asked, and how many messages it was given."""
    body = request.json()
    return answers.stream("openai", [f"I am {body['model']}", f" and heard {len(body['messages'])}."])


def _say(child: "pexpect.spawn[str]", line: str, *expected: str) -> None:
    """Types a line, waits for what must come of it, and for the next prompt."""
    child.sendline(line)
    for pattern in expected:
        child.expect(pattern)
    child.expect(READY)


def test_a_conversation_is_carried_on_and_the_model_switched(
    chat: Chat, scripted: Callable[..., Scripted], tmp_path: Path
) -> None:
    server = scripted(_echo)
    configure(tmp_path, server)
    child = chat("-m", "mock:one")
    _say(child, "hello", r"I am one and heard 1\.", "mock:one · 5 tokens")
    _say(child, "again", r"I am one and heard 3\.")
    _say(child, "/model fast", "model: fast")
    _say(child, "and now?", r"I am quick and heard 5\.")
    said = server.last.json()["messages"]
    assert [(m["role"], m["content"]) for m in said] == [
        ("user", "hello"),
        ("assistant", "I am one and heard 1."),
        ("user", "again"),
        ("assistant", "I am one and heard 3."),
        ("user", "and now?"),
    ]
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_control_c_stops_an_answer_and_its_upstream(
    chat: Chat, scripted: Callable[..., Scripted], tmp_path: Path
) -> None:
    whole = answers.stream("openai", ["Once upon", " a time"])
    assert isinstance(whole.body, list)
    never = threading.Event()
    stalled = Reply([*whole.body[:2], never, *whole.body[2:]], content_type=whole.content_type)
    server = scripted([stalled, answers.stream("openai", ["Well then."])])
    configure(tmp_path, server)
    child = chat("-m", "mock:one")
    child.sendline("tell a story")
    child.expect("Once upon")
    child.sendintr()
    child.expect("stopped")
    child.expect(READY)
    assert server.left.wait(10), "the upstream connection was not closed"
    _say(child, "go on", "Well then.")
    assert [m["content"] for m in server.last.json()["messages"]] == ["tell a story", "Once upon", "go on"]


def test_errors_are_printed_and_the_conversation_goes_on(
    chat: Chat, scripted: Callable[..., Scripted], tmp_path: Path
) -> None:
    server = scripted([answers.error("openai", 429, "slow down"), answers.stream("openai", ["Fine."])])
    configure(tmp_path, server)
    child = chat("-m", "mock:one")
    _say(child, "one", "rate limit .*slow down")
    _say(child, "/model opnai:x", "did you mean 'openai'")
    _say(child, "/model openai:x", "set OPENAI_API_KEY")
    _say(child, "/nonsense", "no command /nonsense")
    _say(child, "two", "Fine.")
    assert [m["content"] for m in server.last.json()["messages"]] == ["two"]


def test_the_other_commands(chat: Chat, scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    server = scripted(_echo)
    configure(tmp_path, server)
    child = chat("-m", "mock:one")
    _say(child, "/help", "Ctrl-C stops an answer")
    _say(child, "/system Be brief.", "system: Be brief.")
    _say(child, "hello", r"heard 2\.")
    _say(child, "/clear", "forgotten")
    _say(child, "hello again", r"heard 2\.")
    child.sendline("/exit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_thinking_is_shown_dim_and_apart(
    chat: Chat, scripted: Callable[..., Scripted], tmp_path: Path, environment: dict[str, str]
) -> None:
    del environment["NO_COLOR"]
    configure(tmp_path, scripted(answers.stream("openai", ["Kyoto."], thinking="old capital")))
    child = chat("-m", "mock:one")
    _say(child, "where?", "\x1b\\[2mold capital\x1b\\[0m", "Kyoto\\.")


def test_history_survives_and_is_private(chat: Chat, scripted: Callable[..., Scripted], tmp_path: Path) -> None:
    configure(tmp_path, scripted(_echo))
    first = chat("-m", "mock:one")
    _say(first, "a question to remember", r"heard 1\.")
    first.sendeof()
    first.expect(pexpect.EOF)
    history = tmp_path / "state" / "tsuji" / "history"
    assert history.stat().st_mode & 0o777 == 0o600
    second = chat("-m", "mock:one")
    second.send("\x1b[A")
    second.expect("a question to remember")
    second.send("\r")
    second.expect(r"heard 1\.")
