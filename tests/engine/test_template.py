"""Chat templates: rendered without trusting them, and what is wrong with them said."""

import pytest

from tsuji.core.errors import LocalEngineError
from tsuji.engine.template import LONGEST, lint, render

pytest.importorskip("jinja2", reason="Jinja is not installed: it comes with tsuji[local]")

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
SHOUTED = "message.content if loop.last else message.content[:-1] + '!'"
HI = [{"role": "user", "content": "Hi"}]


def levels(template: str) -> dict[str, str]:
    """What is found: the first words -> level."""
    return {finding.text: finding.level for finding in lint(template).findings}


def test_a_template_renders() -> None:
    assert render(CHATML, HI, add_generation_prompt=True) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    said = '{% if messages|length > 1 %}{{ raise_exception("one at a time") }}{% endif %}{{ messages[0] | tojson }}'
    assert render(said, [{"role": "user", "content": "é<b>"}]) == '{"role": "user", "content": "é<b>"}'
    with pytest.raises(LocalEngineError, match="one at a time"):
        render(said, HI * 2)


def test_a_sound_template_has_notes_only() -> None:
    found = lint(CHATML)
    assert [finding.level for finding in found.findings] == ["note"] and not found.tools and not found.thinks
    tools = (
        CHATML
        + "{{ tools | tojson if tools }}{% for m in messages %}{{ m.tool_calls | tojson if m.tool_calls }}{% endfor %}"
    )
    assert lint(tools + "{{ '/no_think' if enable_thinking is defined and not enable_thinking }}").thinks
    assert lint(tools).tools


@pytest.mark.parametrize(
    ("template", "level", "words"),
    [
        ("{% for m in messages %}", "error", "TemplateSyntaxError"),
        ("Hello", "error", "drops what the user says"),
        ("{{ messages[0].content }}", "error", "drops turns"),
        (CHATML.replace("add_generation_prompt", "true"), "warning", "ignores add_generation_prompt"),
        (NO_SYSTEM + CHATML, "warning", "refuses system messages: TemplateError: no system"),
        (CHATML + "{{ strftime_now('%d') }}", "note", "writes the date"),
        (CHATML + "{{ mood }}", "note", "reads mood"),
        (CHATML.replace("message.content", SHOUTED), "error", "drops turns"),
        (CHATML + "{{ tools | tojson if tools }}", "warning", "drops the calls"),
    ],
    ids=["syntax", "constant", "first-only", "no-prompt", "no-system", "date", "variable", "rewrites", "calls"],
)  # fmt: skip
def test_what_is_wrong_is_found(template: str, level: str, words: str) -> None:
    found = levels(template)
    assert any(words in text and found[text] == level for text in found), found


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('id') }}",
        "{{ messages.append(1) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
    ],
    ids=["class", "subclasses", "globals", "mutation", "include", "import"],
)
def test_python_is_out_of_reach(template: str) -> None:
    found = lint(template).findings
    assert found[0].level == "error"
    with pytest.raises(LocalEngineError, match="cannot render"):
        render(template, HI)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 9999999999 }}",
        "{% for a in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 9 ** 9 ** 9 }}",
        "a" * (LONGEST + 1),
    ],
    ids=["loops", "memory", "output", "recursion", "power", "size"],
)
def test_a_hostile_template_ends(template: str) -> None:
    found = lint(template).findings
    assert found[0].level == "error"
