"""`tsuji version`: what is installed."""

import sys

_PARTS = ("msgspec", "httptools", "genai-prices", "uvloop", "starlette", "uvicorn", "xllamacpp")


def version() -> None:
    """Print the versions of Tsuji, Python and the parts that extras bring."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from tsuji import __version__

    rows = [("tsuji", __version__), ("python", sys.version.partition(" ")[0])]
    for part in _PARTS:
        try:
            rows.append((part, installed(part)))
        except PackageNotFoundError:
            rows.append((part, "not installed"))
    sys.stdout.write("".join([f"{name:<13} {found}\n" for name, found in rows]))
