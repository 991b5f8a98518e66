"""Every Python example of any-llm's README, as the installed package has it, runs after its import has been changed."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import pytest

from tests import answers

try:
    README: str = str(metadata("any-llm-sdk").json["description"])
except PackageNotFoundError:
    pytest.skip("any-llm is not installed here; it is in the environment of peers (make test)", allow_module_level=True)


def _examples() -> list[str]:
    """The fenced blocks that are Python: without the shell's lines among them, the quotation's marks, and what is
    said to be how it was before.
    """
    found: list[str] = []
    for block in re.findall(r"```(?:python|py)\n(.*?)```", README, re.DOTALL):
        lines = [
            line.removeprefix(">").removeprefix(" ") if line.startswith(">") else line for line in block.split("\n")
        ]
        text = "\n".join([line for line in lines if not line.startswith(("pip ", "export "))])
        text = text.partition("# after\n")[2] or text
        if "import " in text or "completion(" in text:
            found.append(text)
    return found


def _changed(example: str) -> str:
    """The import is; and `[...]`, which stands for messages that the README leaves out."""
    text = re.sub(r"\bany_llm\b", "tsuji", example)
    return text.replace("messages=[...]", 'messages=[{"role": "user", "content": "Hello!"}]')


def test_each_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted: Any, capsys: Any) -> None:
    """One after the other in one namespace: some go on from the one before."""
    chat = scripted(answers.chat("openai", "Hello from there"))
    answer = scripted(
        lambda request: answers.chat("responses" if request.path.endswith("/responses") else "openai", "It is short.")
    )
    tables = {"mistral": chat, "openai": answer}
    (tmp_path / "tsuji.toml").write_text(
        "".join([f'[providers.{name}]\nbase_url = "{server.url}/v1"\n' for name, server in tables.items()])
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MISTRAL_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    examples = _examples()
    assert len(examples) >= 5
    space: dict[str, Any] = {"__name__": "example"}
    for at, example in enumerate(examples):
        before = len(chat.requests) + len(answer.requests)
        exec(compile(_changed(example), f"example {at + 1} of the README", "exec"), space)
        assert len(chat.requests) + len(answer.requests) == before + 1, example
        assert not hasattr(space.get("response"), "choices") or space["response"].choices[0].message.content
    assert "It is short." in capsys.readouterr().out
