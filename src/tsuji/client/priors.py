"""What is expected of local models before they are asked: what `tsuji bench` measured on this machine."""

from tsuji.config import default_home
from tsuji.routing import Health

from .trial import LOCAL


def expect_local(health: Health, now: float) -> None:
    """Tells `health` of every local model that was measured here. now: by the clock that `health` is asked with."""
    home = default_home()
    if not (home / "bench.jsonl").exists():  # before the engine is imported, which most clients do not need
        return
    from tsuji.engine.bench import expected

    for name, (first, rate) in expected(home).items():
        health.expect(f"{LOCAL}:{name}", first, rate, now)
