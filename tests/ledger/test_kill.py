"""kill -9 under load: what a client saw finish is in the ledger, once."""

import os
import random
from pathlib import Path

import pytest

from tests.ledger import killing

ROUNDS = int(os.environ.get("TSUJI_KILL_ROUNDS", "50"))


@pytest.mark.parametrize("workers", [False, True], ids=["alone", "workers"])
def test_what_a_client_saw_finish_is_recorded_once(workers: bool, tmp_path: Path) -> None:
    """Every other time the ledger's process is killed as well, and what it left is the next start's."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    seen = killing.run(tmp_path, max(ROUNDS // 10, 1) if workers else ROUNDS, seed, workers=workers)
    assert seen.stopped == 0
    assert seen.left == 0
    assert seen.lost == []
    assert seen.doubled == []
    assert seen.stray == []
    print(f"{seen.kills} kills: {seen.asked} requests, {seen.finished} seen to finish, {seen.recorded} recorded")
