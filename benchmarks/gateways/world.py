"""The cores and the environment that everything here runs with."""

import os


def clean_environment(**more: str) -> dict[str, str]:
    """This one's without proxies: everything is on loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PYTHONWARNINGS": "ignore", "NO_PROXY": "127.0.0.1", **more}


def take_core_1() -> bool:
    """Pins this process, and what it starts, to core 1; False where there is no such core or no such call."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return False
    os.sched_setaffinity(0, {1})
    return True
