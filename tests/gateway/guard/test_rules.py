"""What is found in a text does not depend on how the text came."""

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.guard.guarding import SAMPLES, SETTINGS
from tsuji.config import Guardrail
from tsuji.config.pattern import Pattern, PatternError, check_pattern, compiled
from tsuji.gateway.guard.checks import check
from tsuji.gateway.guard.rules import Rule, Rules, Scan, redact

RULES = {kind: check(Guardrail("g", kind, **SETTINGS[kind])).rules for kind in SAMPLES}
PATTERNS = (
    r"ab(cd)?",
    r"a.*b|x",
    r"\bfoo\b",
    r"foo$|^bar",
    r"(?i)k[a-c]{2,5}?z",
    r"a{3}",
    r"(?:ab|a)(?:c|bcd)",
    r"[^\s]+@[^\s]+",
    r"(?m:^ab$)",
    r"日本(?:語)?|本\d+",
    r"x*y",
    r"(a+)+b",
    r"a|ab|abc\B",
)
PIECES = (
    "a",
    "b",
    "c",
    "cd",
    "ab",
    "foo",
    "bar",
    " ",
    "\n",
    "@",
    "x",
    "y",
    "k",
    "Z",
    "日本",
    "語",
    "本1",
    "é",
    ".",
    "aaa",
)


def scanned(rules: Rules, pieces: list[str]) -> tuple[str, list[str]]:
    scan = Scan(rules)
    return "".join([scan.feed(piece) for piece in pieces]) + scan.close(), scan.labels


def split(text: str, cuts: list[int]) -> list[str]:
    ends = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)]


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(PATTERNS),
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.lists(st.integers(0, 1000), max_size=12),
    st.sampled_from([16, 1000]),
)
def test_any_split_of_a_text_gives_what_the_whole_gives(pattern: str, text: str, cuts: list[int], window: int) -> None:
    rules = Rules([Rule("r", Pattern(pattern))], window)
    labels: list[str] = []
    whole = redact(rules, text, labels)
    assert scanned(rules, split(text, cuts)) == (whole, labels)
    assert scanned(rules, list(text)) == (whole, labels)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PATTERNS), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_the_whole_is_what_re_finds(pattern: str, text: str) -> None:
    """Python's engine, told to take \\b, \\d and \\s as ASCII's and $ as the very end, as RE2 does."""
    ours = redact(Rules([Rule("r", Pattern(pattern))], 1000), text, [])
    spelt = pattern if "(?m" in pattern else pattern.replace("$", r"\Z")
    assert ours == re.sub(spelt, "[REDACTED:r]", text, flags=re.ASCII)


FRAGMENTS = [*[found for _, found, _ in SAMPLES.values()], "03-1234-5678", "4111 1111 1111 1111", "〒100-0001"]
FRAGMENTS += ["6214 9832 0257", "GB82 WEST 1234 5698 7654 32", "LOTUSSS", "極秘", "project falconry", "+1 650-253-0000"]
FRAGMENTS += ["-----BEGIN PRIVATE KEY-----\n" + "MIIEvQ" * 30 + "\n-----END PRIVATE KEY-----", "sk-ant-" + "aB3-" * 20]
FRAGMENTS += [" ", ", ", "、", "\n", "note 2024 ", "です", "the ", "(", "-", "0", "x"]


@pytest.mark.parametrize("kind", SAMPLES)
@settings(max_examples=80, deadline=None)
@given(
    pieces=st.lists(st.sampled_from(FRAGMENTS), max_size=12),
    cuts=st.lists(st.integers(0, 5000), max_size=40),
)
def test_every_kind_finds_the_same_in_any_split(kind: str, pieces: list[str], cuts: list[int]) -> None:
    rules, text, labels = RULES[kind], "".join(pieces), []
    assert rules is not None
    whole = redact(rules, text, labels)
    assert scanned(rules, split(text, cuts)) == (whole, labels)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_hit_is_marked_and_nothing_of_it_leaves_early(kind: str) -> None:
    rules = RULES[kind]
    assert rules is not None
    text, found, mark = SAMPLES[kind]
    labels: list[str] = []
    assert redact(rules, text, labels) == text.replace(found, mark)
    assert len(labels) == 1
    scan, at = Scan(rules), text.index(found)
    early = "".join([scan.feed(letter) for letter in text[: at + len(found) - 1]])
    assert text[:at].startswith(early)


@pytest.mark.parametrize("kind", SAMPLES)
def test_what_begins_nothing_is_not_held_back(kind: str) -> None:
    rules = RULES[kind]
    assert rules is not None
    scan = Scan(rules)
    said = "次のとおりです。" * 3 + "It was fine,"
    assert scan.feed(said) == said


def test_a_word_is_held_back_until_it_ends() -> None:
    rules = RULES["pii"]
    assert rules is not None
    scan = Scan(rules)
    assert scan.feed("hello ann.lee") == "hello "
    assert scan.feed(" and") == "ann.lee "
    assert scan.close() == "and"


def test_no_more_than_the_window_is_held_back() -> None:
    rules = Rules([Rule("r", Pattern(r"a.*z"))], 100)
    scan = Scan(rules)
    out = ""
    for _ in range(1000):
        out += scan.feed("abc")
        assert 3000 - len(out) >= 0
    assert len(out) > 3000 - 110
    assert scan.feed("z") == "" or "[REDACTED:r]" in out + scan.close()


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(", "no regular expression"),
        (r"(?=a)b", "looks ahead or behind"),
        (r"(?<!a)b", "looks ahead or behind"),
        (r"(a)\1", "refers back"),
        (r"a*+b", "possessive"),
        (r"(?>a)b", "atomic"),
        (r"a*", "matches where there is nothing"),
        (r"\b", "matches where there is nothing"),
        (r"a{5000}", "not taken by RE2"),
        (r"[[:alpha:]]", "no regular expression"),
    ],
)
def test_what_cannot_be_a_pattern_says_why(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        check_pattern(pattern)


def test_a_pattern_that_drives_backtracking_engines_mad_takes_linear_time() -> None:
    """Steps, not seconds: RE2 goes once over the text; an engine that tracks back would not end here at all."""
    rules = Rules([Rule("r", Pattern(r"(?:a+)+b|(?:a|aa)+c|(?:.*,){12}P"))], 1000)
    text = "a" * 20_000 + "," * 200
    assert redact(rules, text, []) == text
    scan = Scan(rules)
    assert "".join([scan.feed(text[at : at + 500]) for at in range(0, len(text), 500)]) + scan.close() == text


def test_beginnings_fit_every_beginning_of_a_match() -> None:
    rng = random.Random(5)
    for pattern in PATTERNS:
        made = Pattern(pattern)
        begins, whole = compiled(f"(?:{made.beginning})\\z"), compiled(made.body)
        for _ in range(200):
            text = "".join(rng.choices(PIECES, k=rng.randint(1, 8)))
            found = whole.search(text.encode())
            if found is None:
                continue
            start, end = found.span()
            for cut in range(start + 1, end + 1):
                piece = text.encode()[:cut]
                if cut == len(text.encode()) or text.encode()[cut] & 0xC0 != 0x80:
                    assert begins.match(piece, start) is not None, (pattern, text, piece)
