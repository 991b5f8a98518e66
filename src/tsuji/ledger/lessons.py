"""What answers were worth, for training a policy: requests whose prompt is stored and whose answer somebody judged."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Engine, and_, func, or_, select

from tsuji.core.usage import NANO

from . import feedback, tables

_BATCH = 1000
TASK = "task:"
"""Begins a request's tag that names its task."""


class Lesson(NamedTuple):
    """body, dialect: of the request, as the client sent it. target: that answered. task: by its tag, else as the policy
    of the day was told; "": none. quality: by the client's feedback, else a judge's; cost: dollars.
    """

    body: str
    dialect: str
    target: str
    task: str
    quality: float
    cost: float


def lessons(engine: Engine, route: str | None = None) -> Iterator[Lesson]:
    """In the order of their times. route: that they were asked of; None: of any. Answers from the cache, and those
    whose price is not known, teach nothing. Raises SQLAlchemyError.
    """
    usage, bodies = tables.usage.c, tables.contents.c
    said, judged = tables.feedback.alias(), tables.feedback.alias()
    quality = func.coalesce(said.c.value, judged.c.value)
    by_client = and_(
        said.c.request_id == usage.id,
        said.c.source == feedback.CLIENT,
        said.c.key_id == func.coalesce(usage.key_id, ""),
    )
    by_judge = and_(judged.c.request_id == usage.id, judged.c.source == feedback.JUDGE)
    query = (
        select(bodies.request, usage.dialect, usage.target, usage.tags, usage.explain, quality, usage.cost)
        .select_from(
            tables.usage.join(tables.contents, bodies.request_id == usage.id)
            .outerjoin(said, by_client)
            .outerjoin(judged, by_judge)
        )
        .where(usage.status == "done", usage.operation == "chat", usage.cost.is_not(None))
        .where(or_(usage.cache.is_(None), usage.cache == "stored"))
        .where(bodies.request.is_not(None), usage.target.is_not(None), quality.is_not(None))
        .order_by(usage.time, usage.id)
    )
    if route is not None:
        query = query.where(usage.route == route)
    with engine.connect() as connection:
        for body, dialect, target, tags, explain, value, cost in connection.execution_options(yield_per=_BATCH).execute(
            query
        ):
            yield Lesson(body, dialect, target, _task(tags, explain), value, cost / NANO)


def _task(tags: list[str] | None, explain: dict[str, dict[str, str]] | None) -> str:
    for tag in tags or ():
        if tag.startswith(TASK):
            return tag.removeprefix(TASK)
    return (explain or {}).get("needs", {}).get("task", "")
