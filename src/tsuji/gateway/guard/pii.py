"""Personal data that can be told by its form: candidates by pattern, each checked by what its number or code must hold.

Checks are those of python-stdnum (check digits, lengths, structure) and of phonenumbers, Google's libphonenumber in
Python (numbering plans and groupings by country). Names and addresses of people have no form and are not found.
"""

import re
from collections.abc import Callable
from functools import partial
from unicodedata import normalize

from tsuji.config.pattern import Pattern

from .rules import Check, Rule

WINDOW = 256
_DIGIT = "[0-9０-９]"
_DASH = "-‐‑−ー－"
_CARD = re.compile(  # https://en.wikipedia.org/wiki/Payment_card_number#Issuer_identification_number_(IIN)
    r"4(\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|35(2[89]|[3-8]\d)\d{12,15}|3(0[0-5]|[68]\d)\d{11}|6(011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}"
)
_EMAIL = r"[A-Za-z0-9][A-Za-z0-9._%+'-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b"
_CODE = rf"{_DIGIT}{{3}}[{_DASH}]?{_DIGIT}{{4}}"
_PREFECTURE = "(?:北海道|東京都|京都府|大阪府|[一-龠]{2,3}県)"
_PHONE = rf"([+＋(（0-9０-９](?:[{_DASH} .()（）]{{0,2}}{_DIGIT}){{7,17}})(?:$|[^0-9０-９A-Za-z_])"
_NATIONAL = {
    "0": re.compile(r"[(（]?[0０](?!\.)"),
    "1": re.compile(r"1?[-. ]?(\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]?\d{4}\Z"),
}
"""What a number begins with as it is dialled within the country, by its national prefix; without separators, ten digits
are a number of anything in America.
"""
_INSIDE = re.compile(r"[A-Za-z0-9_]\Z|[0-9][-.]\Z|[0-9a-fA-F]-\Z")
"""What stands before the middle of a longer number or id."""
_SPACES = re.compile("[ \u3000(（]+")
_SHORTEST = 8  # letters of a telephone number
_SEPARATOR = re.compile(rf"[{_DASH} \u3000]")


def rules(entities: tuple[str, ...], regions: tuple[str, ...]) -> list[Rule]:
    """entities: of tsuji.config.guardrail.ENTITIES. regions: whose national forms of telephone numbers are looked for,
    as two letters of ISO 3166; those with a + are found for all.
    """
    from stdnum import iban
    from stdnum.jp import in_ as my_number
    from stdnum.us import ssn

    digits = partial(_number, lengths=range(12, 13), valid=my_number.is_valid)
    card = partial(_number, lengths=range(13, 20), valid=_card)
    known = [
        Rule("email", Pattern(_EMAIL), 0, _email),
        Rule("iban", Pattern(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}"), 0, partial(_ended, valid=iban.is_valid)),
        Rule("card", Pattern(r"[2-6][0-9]{3}(?:[ -]?[0-9]){9,24}"), 0, card),
        Rule("my_number", Pattern(rf"{_DIGIT}{{4}}(?:[{_DASH} \u3000]?{_DIGIT}){{8,20}}"), 0, digits),
        Rule("ssn", Pattern(r"[0-9]{3}-[0-9]{2}-[0-9]{4}\b"), 0, partial(_ended, valid=ssn.is_valid)),
        Rule("postal_code", Pattern(rf"(?:〒|郵便番号)[ \u3000:：]{{0,3}}({_CODE})"), 1),
        Rule("postal_code", Pattern(rf"({_CODE})[ \u3000\n]{{0,2}}{_PREFECTURE}"), 1, _alone),
        Rule("phone", Pattern(_PHONE), 1, _phone(regions)),
    ]
    return [rule for rule in known if rule.label in entities]


def _alone(text: str, before: str) -> int | None:
    return None if _INSIDE.search(before) else len(text)


def _email(text: str, before: str) -> int | None:
    """`git@host` is how a repository is spelt, not a person."""
    return None if text.startswith(("git@", "hg@")) else _alone(text, before)


def _ended(text: str, before: str, valid: Callable[[str], bool]) -> int | None:
    """The longest beginning of the candidate that ends with one of its groups and is valid."""
    if _INSIDE.search(before):
        return None
    ends = [len(text), *[found.start() for found in reversed(list(_SEPARATOR.finditer(text)))]]
    return next((end for end in ends if valid(normalize("NFKC", text[:end]))), None)


def _number(text: str, before: str, lengths: range, valid: Callable[[str], bool]) -> int | None:
    """The same for a number of so many digits."""

    def is_valid(number: str) -> bool:
        digits = "".join([letter for letter in number if letter.isdigit()])
        return len(digits) in lengths and valid(digits)

    return _ended(text, before, is_valid)


def _card(digits: str) -> bool:
    from stdnum import luhn

    return _CARD.fullmatch(digits) is not None and luhn.is_valid(digits)


def _phone(regions: tuple[str, ...]) -> Check:
    from phonenumbers import Leniency, PhoneMetadata, PhoneNumberMatcher

    metadata = [(region, PhoneMetadata.metadata_for_region(region)) for region in regions]
    forms = [(region, _NATIONAL.get(known.national_prefix or "")) for region, known in metadata if known is not None]

    def is_phone(text: str) -> bool:
        if text[0] in "+＋":
            may: list[str | None] = [None]
        else:  # what cannot be one costs a hundred times as much to ask about
            may = [region for region, form in forms if form is None or form.match(text)]
        for region in may:
            found = next(iter(PhoneNumberMatcher(text, region, Leniency.STRICT_GROUPING)), None)
            if found is not None and (found.start, found.end) == (0, len(text)):
                return True
        return False

    def check(text: str, before: str) -> int | None:
        if _INSIDE.search(before) or "0123456789" in text:
            return None
        ends = [len(text), *[found.start() for found in reversed(list(_SPACES.finditer(text, _SHORTEST)))]]
        return next((end for end in ends if is_phone(text[:end])), None)

    return check
