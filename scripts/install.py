"""Installs a lock file with pip, and shows how far it is: `python scripts/install.py requirements.lock`.

Standard library only: it runs before anything is installed. Exits with 69 (EX_UNAVAILABLE of sysexits.h) where the
package index cannot be reached, and else as pip does.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

WIDTH = 30
UNAVAILABLE = 69


def draw(stage: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        filled = WIDTH * done // max(total, 1)
        bar = "█" * filled + "░" * (WIDTH - filled)
        line = f"{stage:<12} {bar} {done:>3} of {total}"
        sys.stderr.write("\r" + line[: shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()


def installed(site: Path) -> int:
    return len(list(site.glob("*.dist-info")))


def watch(site: Path, before: int, total: int, over: threading.Event) -> None:
    """pip says nothing while it unpacks; the folders that appear do."""
    while not over.wait(0.2):
        draw("installing", min(installed(site) - before, total), total)


def unreachable(log: list[str]) -> bool:
    """Whether pip gave up because no connection held, and not because of what the index said."""
    broken = any("after connection broken by" in line for line in log)
    return broken and any("from versions: none" in line or "Max retries exceeded" in line for line in log[-25:])


def main() -> int:
    lock = Path(sys.argv[1])
    total = len(re.findall(r"^[\w.\[\]-]+==", lock.read_text(), re.MULTILINE))
    site, over, log, seen = Path(sysconfig.get_path("purelib")), threading.Event(), list[str](), 0
    before = installed(site)
    # The lock is whole. Asked for dependencies too, pip looks up `name[extra]` apart from the pinned `name`, and stops
    # at a release newer than the lock.
    options = ["--disable-pip-version-check", "--progress-bar=off", "--no-deps", "--require-hashes", "-r", str(lock)]
    command = [sys.executable, "-m", "pip", "install", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            log.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                seen += 1
                draw("downloading", min(seen, total), total)
            elif line.startswith("Installing collected packages"):
                threading.Thread(target=watch, args=(site, before, total, over), daemon=True).start()
    over.set()
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if pip.returncode:
        sys.stderr.write("".join(log[-25:]))
        return UNAVAILABLE if unreachable(log) else pip.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
