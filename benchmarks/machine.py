"""What it was measured on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from . import nginx


def describe(packages: tuple[str, ...]) -> str:
    """The processor, its cores, the system and the versions of everything measured; packages: of this environment."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = named[0].split(":", 1)[1].strip() if named else name
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    server = subprocess.run([nginx.program() or "nginx", "-v"], capture_output=True, text=True).stderr.strip()
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; {versions}; {server.removeprefix('nginx version: ')}"
    )
