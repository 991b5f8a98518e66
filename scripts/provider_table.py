"""Writes the table of docs/providers.md anew from the catalogue's rows: `python scripts/provider_table.py`.

With --check it writes nothing and says, by its status, whether the page is up to date.
"""

import sys
from pathlib import Path

from tsuji import catalog
from tsuji.config.facts import KEYLESS
from tsuji.core.provider import Provider

PAGE = Path(__file__).parent.parent / "docs" / "providers.md"
BEGIN = "<!-- The table is written by `make docs` from the rows. -->"
END = "<!-- End of the table. -->"
HEAD = ["id", "name", "dialects", "key", "base URL", "asked for", "checked against"]


def table() -> str:
    """One line a provider, in the order of their ids."""
    lines = [HEAD, ["---"] * len(HEAD), *[_line(catalog.provider(id)) for id in catalog.provider_ids()]]
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in lines])


def _line(row: Provider) -> list[str]:
    names = [row.id, *row.aliases]
    keys = [f"`{name}`" for name in row.env] + ([KEYLESS[row.auth.keyless]] if row.auth.keyless else [])
    return [
        ", ".join([f"`{name}`" for name in names]),
        row.name,
        ", ".join([row.dialect, *row.dialects]),
        (" or ".join(keys) or "none") + (" (if it wants one)" if row.key_optional and keys else ""),
        "chosen when it starts" if row.id == "local" else f"`{row.base_url}`",
        ", ".join(row.operations) or "nothing",
        f"[docs]({row.docs}), {row.verified}",
    ]


def page(now: str) -> str:
    """The page with the table as it should be. Raises ValueError where its marks are not there, once, in order."""
    before, begin, rest = now.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks {BEGIN!r} or {END!r}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    now = PAGE.read_text("utf-8")
    wanted = page(now)
    if "--check" in sys.argv:
        return int(now != wanted)
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
