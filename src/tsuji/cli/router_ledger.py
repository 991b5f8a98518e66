"""Outcomes for `tsuji router train --ledger`: what the ledger has of prompts, answers and what was thought of them."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsuji.ledger.lessons import Lesson
    from tsuji.routing.learned.train import Outcome


def ledger_outcomes(config: Path | None, route: str | None) -> "tuple[list[Outcome], str, int]":
    """(outcomes, a digest of them, answers that could not be used). Requests with the same prompt are one outcome.

    Raises ConfigError where there is no ledger, LedgerError if it is down.
    """
    from tsuji.core.errors import TsujiError
    from tsuji.ledger.database import explained
    from tsuji.ledger.lessons import lessons
    from tsuji.routing.learned.train import Outcome

    from .ledger import open_ledger

    values: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    skipped, digest = 0, sha256()
    with open_ledger(config) as (_, engine), explained():
        for lesson in lessons(engine, route):
            try:
                prompt = _prompt(lesson)
            except TsujiError:
                prompt = ""
            if not prompt or not 0 <= lesson.quality <= 1:
                skipped += 1
                continue
            digest.update(repr((prompt, lesson.task, lesson.target, lesson.quality, lesson.cost)).encode())
            values.setdefault((prompt, lesson.task), {}).setdefault(lesson.target, []).append(
                (lesson.quality, lesson.cost)
            )
    outcomes = [
        Outcome(
            prompt,
            task,
            route or "ledger",
            {target: sum([one[0] for one in some]) / len(some) for target, some in found.items()},
            {target: sum([one[1] for one in some]) / len(some) for target, some in found.items()},
        )
        for (prompt, task), found in values.items()
    ]
    return outcomes, digest.hexdigest(), skipped


def _prompt(lesson: "Lesson") -> str:
    """As a learned route sees it. Raises TsujiError for what is no request."""
    from tsuji.routing.needs import prompt_of
    from tsuji.wire import dialect

    model = lesson.target if lesson.dialect in ("gemini", "bedrock") else None
    return prompt_of(dialect(lesson.dialect).parse_request(lesson.body.encode(), model, None))
