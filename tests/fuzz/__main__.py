"""`python -m tests.fuzz SECONDS [TARGET ...]`: each target in a process of its own, for so many seconds.

The target "every" is all of them by turns, RUNS times, and always the same way: a test is not to depend on luck.

What fails is printed with its traceback, kept as crash-* in the folder .fuzz, and is to become a test.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path(".fuzz")
RUNS = 4000


def feed(name: str, seconds: int, folder: Path) -> None:
    """In this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["tsuji"]):
        from tests.fuzz.seeds import seeds, words
        from tests.fuzz.targets import TARGETS, every
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(name)):
        (corpus / str(number)).write_bytes(seed)
    escaped = ['"' + "".join([f"\\x{byte:02x}" for byte in word]) + '"' for word in words(name)]
    (folder / "words").write_text("\n".join(escaped) + "\n")
    FOUND.mkdir(exist_ok=True)
    target = TARGETS.get(name, every)
    length = ["-seed=1", f"-runs={RUNS}"] if target is every else [f"-max_total_time={seconds}"]
    options = [*length, f"-dict={folder / 'words'}", f"-artifact_prefix={FOUND}/", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *options, "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", str(corpus)], target)
    atheris.Fuzz()


def main(seconds: int, names: list[str]) -> int:
    """The exit status."""
    from tests.fuzz.targets import TARGETS

    failed: list[str] = []
    for name in names or list(TARGETS):
        print(f"{name}: {seconds} s", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.fuzz", "--feed", name, str(seconds), folder]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
        lines = [line for line in done.stdout.splitlines() if not line.startswith(("INFO: Instr", "WARNING: Failed"))]
        if done.returncode:
            failed.append(name)
            print("\n".join(lines[-60:]))
    print(f"{len(failed)} failed: {', '.join(failed)}" if failed else "Nothing failed.")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--feed":
        feed(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
