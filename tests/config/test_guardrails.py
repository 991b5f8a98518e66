"""Guardrails in a file: what is said of mistakes, and where; and what the gateway is given."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tsuji.config import Guardrail, Secret, check_config, load_config

ROUTE = '[routes.r]\ntargets = ["openai:gpt-4o"]\nguardrails = ["g"]\n'
BROKEN = [
    # the guardrail from line 4 on, line, key, what is said
    ('kind = "regx"', 5, "guardrails.g.kind", "'regx' is not one of"),
    ('kind = "regex"', 4, "guardrails.g", "needs 'patterns'"),
    ('kind = "regex"\npatterns = []', 6, "guardrails.g.patterns", "must not be empty"),
    (
        'kind = "regex"\npatterns = [\n"ok",\n"(a",\n]',
        8,
        "guardrails.g.patterns[1]",
        "is no regular expression: missing",
    ),
    ('kind = "regex"\npatterns = ["(?<=a)b"]', 6, "guardrails.g.patterns[0]", "looks ahead or behind"),
    ('kind = "regex"\npatterns = ["x*"]', 6, "guardrails.g.patterns[0]", "matches where there is nothing"),
    ('kind = "regex"\npatterns = ["a"]\nwindow = 1', 7, "guardrails.g.window", "must be at least 16"),
    ('kind = "words"\ndeny = ["a", " "]', 6, "guardrails.g.deny[1]", "must not be empty"),
    ('kind = "words"\ndeny = ["a"]\nmax = 3', 7, "guardrails.g.max", "is no setting of a guardrail of kind 'words'"),
    ('kind = "length"\nmax = 3\naction = "redact"', 7, "guardrails.g.action", 'write action = "block" or "log"'),
    ('kind = "pii"\nentities = ["emial"]', 6, "guardrails.g.entities[0]", "'emial' is not one of"),
    ('kind = "pii"\nregions = ["Japan"]', 6, "guardrails.g.regions[0]", "two capital letters"),
    ('kind = "webhook"', 4, "guardrails.g", "needs 'url'"),
    ('kind = "webhook"\nurl = "ftp://x"', 6, "guardrails.g.url", "must begin with https://"),
    ('kind = "webhook"\nurl = "https://x"\naction = "redact"', 7, "guardrails.g.action", "its own answer says"),
    ('kind = "webhook"\nurl = "https://x"\ntoken = "env:NOT_SET"', 7, "guardrails.g.token", "NOT_SET is not there"),
    ('kind = "model"\nprompt = "?"', 4, "guardrails.g", "needs 'model'"),
    ('kind = "model"\nprompt = "?"\nmodel = "opnai:x"', 7, "guardrails.g.model", "did you mean 'openai'"),
    ('kind = "model"\nprompt = "?"\nmodel = "x"', 7, "guardrails.g.model", "is no route and names no provider"),
    ('kind = "secrets"\n[guardrails.h]\nkind = "secrets"', 6, "guardrails.h", "no route names it"),
    ('kind = "secrets"\n[guardrails."a b"]\nkind = "secrets"', 6, 'guardrails."a b"', "a guardrail's name has"),
]


@pytest.mark.parametrize(("text", "line", "key", "said"), BROKEN, ids=[case[3] for case in BROKEN])
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, key: str, said: str) -> None:
    if find_spec("re2") is None and "RE2" in said:
        pytest.skip("google-re2 is not installed")
    file = tmp_path / "tsuji.toml"
    file.write_text(ROUTE + "[guardrails.g]\n" + text + "\n")
    found = [problem for problem in check_config(file) if problem.key == key]
    assert found, check_config(file)
    assert (found[0].line, said in found[0].message) == (line, True), found


def test_a_route_names_guardrails_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(ROUTE.replace('["g"]', '["g", "h", "g"]') + '[guardrails.g]\nkind = "secrets"\n')
    said = {problem.key: problem.message for problem in check_config(file)}
    assert "no guardrail 'h'" in said["routes.r.guardrails[1]"]
    assert "stands in this list already" in said["routes.r.guardrails[2]"]


def test_what_the_gateway_is_given(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(
        ROUTE + '[guardrails.g]\nkind = "webhook"\nurl = "https://x/y"\ntoken = "file:token"\nevery = 0\n'
        '[guardrails.h]\nkind = "pii"\non = "input"\naction = "redact"\neverywhere = true\nentities = ["email"]\n'
    )
    made = load_config(file)
    assert made.routes["r"].guardrails == ("g",)
    token = Secret("file:token", tmp_path)
    assert made.guardrails["g"] == Guardrail("g", "webhook", url="https://x/y", token=token, every=0)
    assert made.guardrails["h"] == Guardrail("h", "pii", "input", "redact", True, entities=("email",))


def test_what_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsuji.config import guardrail
    from tsuji.core.errors import ConfigError
    from tsuji.gateway import Gateway

    monkeypatch.setattr(guardrail, "find_spec", lambda name: None if name == "detect_secrets" else find_spec("json"))
    file = tmp_path / "tsuji.toml"
    file.write_text(ROUTE + '[guardrails.g]\nkind = "secrets"\n[ledger]\nenabled = false\n')
    (warned,) = check_config(file)
    assert (warned.severity, warned.key) == ("warning", "guardrails.g")
    with pytest.raises(ConfigError, match=r"needs detect_secrets; pip install 'tsuji\[guardrails\]'"):
        Gateway(load_config(file))
