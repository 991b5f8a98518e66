"""Chat templates of downloaded files, rendered and linted without trusting them; see template_child.py."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import msgspec

from tsuji.core.errors import LocalEngineError

LONGEST = 256 << 10
"""Characters of a template. The longest known ones have some 20,000."""

_PATIENCE = 20.0  # seconds, on a machine that is busy; the processor time is limited to one


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """level "error": it cannot chat with this; "warning": something is lost; "note": worth knowing."""

    level: str
    text: str


class Linted(msgspec.Struct, frozen=True):
    """tools: it offers tools to the model. thinks: thinking can be turned on and off."""

    findings: tuple[Finding, ...]
    tools: bool = False
    thinks: bool = False


def lint(template: str) -> Linted:
    """What is wrong with a template, found by rendering conversations with it. Raises LocalEngineError: no Jinja."""
    answer = _run({"lint": True, "template": template})
    if "error" in answer:
        line = f" (line {answer['line']})" if answer.get("line") else ""
        return Linted((Finding("error", answer["error"] + line),))
    return msgspec.convert(answer, Linted)


def render(template: str, messages: Sequence[Mapping[str, Any]], **variables: Any) -> str:
    """The prompt. messages: as in OpenAI's API. Raises LocalEngineError with what the template said or did."""
    answer = _run({"lint": False, "template": template, "messages": list(messages), "variables": variables})
    if "error" in answer:
        raise LocalEngineError(f"the chat template cannot render this: {answer['error']}")
    return str(answer["text"])


def _run(job: dict[str, Any]) -> dict[str, Any]:
    if len(job["template"]) > LONGEST:
        return {"error": f"it has {len(job['template']):,} characters, more than {LONGEST:,}: no chat template"}
    if find_spec("jinja2") is None:
        raise LocalEngineError("looking at chat templates needs Jinja: run `pip install 'tsuji[local]'`")
    environment = {"PYTHONPATH": os.pathsep.join([entry for entry in sys.path if entry]), "PYTHONHASHSEED": "0"}
    try:
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "tsuji.engine.template_child"],
            input=json.dumps(job).encode() + b"\n", capture_output=True, timeout=_PATIENCE, check=False,
            env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"error": "it does not come to an end"}
    if ran.returncode < 0:
        return {"error": "it does not come to an end within a second of processor time"}
    try:
        return json.loads(ran.stdout)
    except ValueError:
        last = ran.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return {"error": f"rendering it ended with status {ran.returncode}: {''.join(last)[:300]}"}
