"""What secrets and personal data are found, and what is taken for some that is none: English, Japanese, code."""

import re
import sysconfig
from pathlib import Path
from time import process_time

import pytest

from tests.gateway.guard.guarding import SETTINGS
from tsuji.config import Guardrail
from tsuji.config.guardrail import ENTITIES
from tsuji.gateway.guard.checks import check
from tsuji.gateway.guard.rules import Rules, Scan, redact

PERSONAL = {
    "email": ("ann.lee+x@mail.example.co.jp", "o'hara@example.museum", "USER_1@EXAMPLE.COM"),
    "phone": (
        "03-1234-5678",
        "090-1234-5678",
        "0120-123-456",
        "０３－１２３４－５６７８",  # full width, as Japanese keyboards write it
        "(03) 1234-5678",
        "0312345678",
        "+81 3-1234-5678",
        "+1 650-253-0000",
        "(650) 253-0000",
        "+44 20 7946 0958",
    ),
    "card": ("4111 1111 1111 1111", "5500005555555559", "3782-822463-10005", "3530111333300000", "6200000000000005"),
    "iban": ("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "FR14 2004 1010 0505 0001 3M02 606"),
    "my_number": ("6214 9832 0257", "6214-9832-0257", "621498320257", "６２１４９８３２０２５７"),
    "postal_code": (
        "〒100-0001",
        "〒 1000001",
        "郵便番号：100-0001",
        "100-0001 東京都",
        "５３０－０００１大阪府",
        "220-0012神奈川県",
    ),
    "ssn": ("536-90-4399",),
}
SECRET = {
    "aws_access_key": "AKIAIOSFODNN7EXAMPLE",
    "openai_key": "sk-proj-" + "aB3_" * 20,
    "anthropic_key": "sk-ant-api03-" + "aB3-" * 20,
    "google_api_key": "AIza" + "Sy3-_" * 7,
    "github_token": "ghp_" + "a1B2" * 9,
    "gitlab_token": "glpat-" + "x1Y2" * 5,
    "huggingface_token": "hf_" + "aB" * 17,
    "slack_token": "xoxb-123456789012-abcdef",
    "stripe_access_key": "sk_" + "live_" + "a1B2" * 6,
    "sendgrid_api_key": "SG." + "a1B2_-" * 3 + "a1B2." + "x" * 43,
    "json_web_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "basic_auth_credentials": "https://ann:s3cret-word@",
    "tsuji_key": "tsuji-" + "a1B" * 14 + "c",
    "private_key": "-----BEGIN RSA PRIVATE KEY-----\n" + ("MIIE" * 16 + "\n") * 20 + "-----END RSA PRIVATE KEY-----",
}
INNOCENT = (
    "It happened on 2024-11-26 at 10:00:00, or 26/11/2024 10:00; epoch 1732590000, in ms 1732590000123.",
    "ISBN 978-3-16-148410-0 and 0-306-40615-2; RFC 9110 section 8.6; ISO 8601-1:2019; DOI 10.1000/182.",
    "Version 1.2.3-20241126 of 192.168.100.200:8080, build 20241126.1234, commit 9fceb02d0ae598e95dc970b7476.",
    "550e8400-e29b-41d4-a716-446655440000 is a UUID, 6ba7b810-9dad-11d1-80b4-00c04fd430c8 another.",
    "pi = 3.14159265358979, e = 2.718281828459045, 0.333333333; 1,234,567.89 of 12 345 678; 0x7fffffffffffffff",
    "git clone git@github.com:tsuji/tsuji.git && pip install msgspec==0.20.0 @decorator @property x@y",
    "the password is 'password', the token is null, api_key = os.environ['OPENAI_API_KEY'], secret: ${SECRET}",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 and md5 d41d8cd98f00b204e9800998ecf8427e",
    "for i in range(1000000): total += 123456789 * i  # 4 8 15 16 23 42, 1-2-3, 100-200, 555-1234",
    "sk-learn, sk-container-fluid-wrapper-large, AKIA is a prefix, eyJ begins a token, -----BEGIN CERTIFICATE-----",
    "Bearer <token>, Authorization: Bearer $TOKEN, https://example.com/path?key=value&user=ann",
    "Scores 12-34-56, 3-0, 2021-2022, pages 1234-5678, order 12345-67890, 9999 9999, 10.000.000 Euro",
    "Dear Sir, call me when you have 10 minutes: extension 42, room 1203, bus 100, postcode SW1A 1AA.",
    "東京都千代田区丸の内1丁目9番1号、2024年11月26日10時00分、令和6年、税込12,345,678円、第123-45号議案。",
    "注文番号1234-5678、商品コードA12-345-678、会員番号00123、型番AB-1234-5678、2024/11/26〜2024/12/25。",
    "北海道から沖縄県まで、1234人が参加し、平均は56.78点、比率は1:100、気温は-12.3度でした。",
    "請求書 No.20241126-001 の合計は¥1,234,567です。振込先は別途ご連絡します。内線1234まで。",
    "メールアドレスやマイナンバー、電話番号、クレジットカード番号を書かないでください。",
    "def 合計(値: list[int]) -> int: return sum(値)  # 0から9999999999まで",
)


def rules(kind: str, **more: object) -> Rules:
    made = check(Guardrail("g", kind, **SETTINGS[kind], **more)).rules  # type: ignore[arg-type]
    assert made is not None
    return made


def found(kind: str, text: str) -> list[str]:
    labels: list[str] = []
    redact(rules(kind), text, labels)
    return labels


@pytest.mark.parametrize("entity", ENTITIES)
def test_personal_data_is_found(entity: str) -> None:
    for said in PERSONAL[entity]:
        for text in (said, f"it is {said}.", f"それは{said}です", f'{{"v": "{said}"}}', f"one {said}, {said}"):
            assert set(found("pii", text)) == {entity}, text


def test_only_what_is_asked_for_is_found() -> None:
    labels: list[str] = []
    both = "ann@example.com 03-1234-5678"
    assert redact(rules("pii", entities=("phone",)), both, labels) == "ann@example.com [REDACTED:phone]"
    assert redact(rules("pii", regions=("US",)), "03-1234-5678", labels) == "03-1234-5678"


@pytest.mark.parametrize("label", SECRET)
def test_secrets_are_found(label: str) -> None:
    for text in (SECRET[label], f"it is {SECRET[label]} ok", f'key = "{SECRET[label]}"', f"鍵は{SECRET[label]}です"):
        assert set(found("secrets", text)) == {label}, text
        labels: list[str] = []
        assert SECRET[label][-8:] not in redact(rules("secrets"), text, labels).replace("PRIVATE", "")


def test_wrong_check_digits_are_not_found() -> None:
    for text in ("5105 1051 0510 5101", "6214 9832 0258", "DE88370400440532013000", "000-12-3456"):
        assert found("pii", text) == []


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_text_is_let_be(text: str) -> None:
    assert found("pii", text) == []
    assert found("secrets", text) == []


def test_how_much_of_a_library_is_taken_for_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Python's own library: 100 modules of code and English. E-mail addresses in it are real; nothing else is."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:100]
    texts = [file.read_text("utf-8") for file in files]
    size = sum(map(len, texts))
    for kind in ("pii", "secrets"):
        made = rules(kind)
        labels: list[str] = []
        for text in texts:
            redact(made, text, labels)
        wrong = [label for label in labels if label != "email"]
        with capsys.disabled():
            print(f"\n{kind}: {len(labels)} hits in {size:,} characters of code, {len(wrong)} of them wrong: {wrong}")
        assert len(wrong) <= 1


def test_what_a_kilobyte_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not judged: the machine may be busy."""
    english = " ".join(INNOCENT[:12]) * 20
    japanese = " ".join(INNOCENT[13:]) * 40
    for kind in ("regex", "words", "pii", "secrets"):
        made = rules(kind)
        for name, text in (("English", english), ("Japanese", japanese)):
            size = len(text.encode()) / 1000
            redact(made, text, [])
            began = process_time()
            redact(made, text, [])
            whole = process_time() - began
            pieces = re.findall(r"(?s).{1,4}", text)
            scan = Scan(made)
            began = process_time()
            for piece in pieces:
                scan.feed(piece)
            streamed = process_time() - began
            with capsys.disabled():
                print(
                    f"\n{kind}, {name} with many numbers: {whole / size * 1e6:.0f} us/kB whole, "
                    f"{streamed / len(pieces) * 1e6:.0f} us for each piece of four letters",
                    end="",
                )
