"""Writes docs/openapi.json, the admin API's description; --check only says whether it is up to date."""

import json
import sys
from pathlib import Path

from tsuji.control.openapi import document

PAGE = Path(__file__).parent.parent / "docs" / "openapi.json"


def main() -> int:
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        return 0 if PAGE.exists() and PAGE.read_text() == text else 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
