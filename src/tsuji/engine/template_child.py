"""A chat template run and looked at in a process of its own: `python -m tsuji.engine.template_child`.

A template comes with a downloaded file, so it is a stranger's program. Jinja's sandbox keeps it from Python's
insides; this process keeps it from everything else: a second of processor time, 512 MiB, no file to write, no
environment. One line of JSON in, one line out. Jinja is set up as transformers sets it up
(`utils/chat_template_utils.py`), which is what templates are written for.
"""

import json
import sys
from typing import Any

SECONDS = 1
_MEMORY = 512 << 20
_LONGEST = 1 << 20  # characters of a rendered prompt
KNOWN = {
    "messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token", "pad_token", "unk_token",
    "raise_exception", "strftime_now", "enable_thinking", "thinking", "reasoning_effort", "continue_final_message",
    "builtin_tools", "custom_tools", "tools_in_user_message", "date_string", "model_identity",
}  # fmt: skip
"""Variables that whoever renders a template sets, or that templates give a default for."""

_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up_tide",
        "description": "The tide at a harbour.",
        "parameters": {
            "type": "object",
            "properties": {"harbour": {"type": "string", "description": "Its name."}},
            "required": ["harbour"],
        },
    },
}
_CALL: dict[str, Any] = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "callid123", "type": "function", "function": {"name": "look_up_tide", "arguments": {"harbour": "Kobe"}}}
    ],
}
_RESULT = {"role": "tool", "tool_call_id": "callid123", "name": "look_up_tide", "content": "rising-4711"}
_USER, _USER_2 = {"role": "user", "content": "first-4711"}, {"role": "user", "content": "second-4711"}
_SYSTEM = {"role": "system", "content": "system-4711"}
_ANSWER = {"role": "assistant", "content": "answer-4711"}


class _TooLongError(Exception):
    pass


def main() -> None:
    _limit()
    given: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    try:
        answer = _linted(given["template"]) if given["lint"] else {"text": Chat(given["template"]).render(given)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:2000], "line": getattr(error, "lineno", None)}
    sys.stdout.write(json.dumps(answer) + "\n")


def _limit() -> None:
    import resource

    import jinja2

    assert jinja2  # before the limits: importing takes memory of its own
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


class Chat:
    """One template, compiled. Raises jinja2's errors."""

    def __init__(self, source: str) -> None:
        import jinja2
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}  # pyright: ignore[reportAttributeAccessIssue]
        self.refusal = jinja2.TemplateError
        self.environment = environment
        self._template = environment.from_string(source)

    def render(self, given: dict[str, Any]) -> str:
        out: list[str] = []
        size = 0
        variables = {"bos_token": "<bos>", "eos_token": "<eos>", **given.get("variables", {})}
        for piece in self._template.generate(messages=given["messages"], **variables):
            out.append(piece)
            size += len(piece)
            if size > _LONGEST:
                raise _TooLongError(f"the prompt is longer than {_LONGEST:,} characters")
        return "".join(out)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **more)


def _refuse(message: str) -> None:
    import jinja2

    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    from datetime import datetime

    return datetime(2026, 1, 2).strftime(form)  # a fixed day: the same template gives the same prompt


def _linted(source: str) -> dict[str, Any]:
    from jinja2 import meta

    chat = Chat(source)
    found: list[tuple[str, str]] = []
    names = meta.find_undeclared_variables(chat.environment.parse(source)) - set(chat.environment.globals)
    strange = sorted(names - KNOWN)
    if strange:
        found.append(("note", f"reads {', '.join(strange)}, which only chat_template_kwargs can set"))
    if "strftime_now" in source:
        found.append(("note", "writes the date into the prompt: kept prefixes do not outlast the day"))

    def tried(*messages: dict[str, Any], generate: bool = True, **variables: Any) -> str | None:
        given = {"messages": list(messages), "variables": {"add_generation_prompt": generate, **variables}}
        try:
            return chat.render(given)
        except _TooLongError:
            raise
        except Exception as error:
            refusals.append(f"{type(error).__name__}: {error}"[:300])
            return None

    refusals: list[str] = []
    _look_at_turns(tried, found, refusals)
    tools = _look_at_tools(tried, found, refusals)
    return {"findings": found, "tools": tools, "thinks": bool(names & {"enable_thinking", "thinking"})}


def _look_at_turns(tried: Any, found: list[tuple[str, str]], refusals: list[str]) -> None:
    first = tried(_USER)
    if first is None:
        found.append(("error", f"cannot render one message of a user: {refusals[-1]}"))
        return
    if "first-4711" not in first:
        found.append(("error", "drops what the user says"))
    if tried(_USER, generate=False) == first:
        found.append(("warning", "ignores add_generation_prompt: the model may go on with the user's turn"))
    with_system = tried(_SYSTEM, _USER)
    if with_system is None:
        found.append(("warning", f"refuses system messages: {refusals[-1]}"))
    elif "system-4711" not in with_system:
        found.append(("warning", "drops system messages"))
    later = tried(_USER, _ANSWER, _USER_2)
    if later is None:
        found.append(("error", f"cannot render a second turn: {refusals[-1]}"))
    elif "answer-4711" not in later or "second-4711" not in later:
        found.append(("error", "drops turns of a conversation"))
    elif not later.startswith(first.rstrip()):
        found.append(("note", "writes earlier turns otherwise than it did when they were new: kept prefixes end there"))


def _look_at_tools(tried: Any, found: list[tuple[str, str]], refusals: list[str]) -> bool:
    offered = tried(_USER, tools=[_TOOL])
    if offered is None or "look_up_tide" not in offered:
        found.append(("note", "knows no tools; Tsuji puts them into the system message"))
        return False
    used = tried(_USER, _CALL, _RESULT, tools=[_TOOL])
    if used is None:
        found.append(("warning", f"offers tools and cannot render a call and its result: {refusals[-1]}"))
    else:
        if "Kobe" not in used:
            found.append(("warning", "offers tools and drops the calls that were made"))
        if "rising-4711" not in used:
            found.append(("warning", "offers tools and drops their results"))
    return True


if __name__ == "__main__":
    main()
