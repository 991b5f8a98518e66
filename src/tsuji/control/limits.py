"""Budgets and rate limits: set, changed, removed, and what is left of them; users and teams."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tsuji.core.errors import InvalidRequestError, NotFoundError
from tsuji.ledger import keystore, limitstore
from tsuji.ledger.keys import moment
from tsuji.ledger.limits import EACH, MOST, TOTAL, Kind, Limit, Unit, new_limit_id
from tsuji.ledger.limitstore import Standing

from .call import Call
from .shapes import Body, Page, Paged, Text, cursor, maybe, position
from .shapes import Limit as Most

LimitId = Annotated[str, Meta(pattern=r"^l_[0-9a-f]{12}$(?!\n)", description="Of a limit.")]
Amount = Annotated[int, Meta(ge=0, le=MOST, description="In the limit's unit; of `usd`, nano-dollars.")]
Period = Annotated[
    str,
    Meta(
        pattern=r"^(minute|hour|day|week|month|total|[1-9][0-9]{0,8}s)$(?!\n)",
        description="minute, hour, day, week or month, in UTC; total; or seconds that roll, such as 3600s.",
    ),
]
Unpriced = Annotated[
    Literal["refuse", "allow"], Meta(description="What becomes of a request whose cost is not known; of `usd`.")
]
Subject = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$(?!\n)",
        description="The id of a key, user, team or provider, a route's name, or provider:model; `*`: each of its kind "
        "on its own; empty for the gateway.",
    ),
]
UserId = Annotated[Text, Meta(description="Of a user.")]


class Terms(Body, frozen=True, kw_only=True):
    """How much, of what, in which time. soft: from here on answers say so."""

    unit: Unit
    amount: Amount
    soft: Amount | None = None
    period: Period = TOTAL
    unpriced: Unpriced = "refuse"


class NewLimit(Terms, frozen=True, kw_only=True):
    kind: Kind
    subject: Subject = ""


class LimitChange(Body, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    amount: Amount | UnsetType = UNSET
    soft: Amount | UnsetType | None = UNSET
    unpriced: Unpriced | UnsetType = UNSET


class LimitQuery(Paged, frozen=True, kw_only=True):
    kind: Kind | None = None
    subject: Subject | None = None
    unit: Unit | None = None


class StandingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a limit stands now, for one subject, in its unit. held: leased to gateways, in use or not. left: for others.

    resets: when something of what is spent comes back; null: never, or nothing is spent.
    """

    subject: str
    spent: int
    held: int
    left: int
    resets: datetime | None


class LimitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """standing: null where the subject is `*`; see the limit's standings."""

    id: str
    kind: Kind
    subject: str
    unit: Unit
    amount: int
    soft: int | None
    period: str
    unpriced: str
    created: datetime
    standing: StandingFacts | None


class StandingQuery(Body, frozen=True, kw_only=True):
    limit: Most = 100


class Standings(msgspec.Struct, frozen=True):
    """omitted: how many subjects there are beyond these."""

    items: list[StandingFacts]
    omitted: int


class Removed(msgspec.Struct, frozen=True):
    id: str


class UserFacts(msgspec.Struct, frozen=True):
    """team_id: of those keys of this user that name no team themselves."""

    id: str
    name: str
    team_id: str | None
    created: datetime


class TeamFacts(msgspec.Struct, frozen=True):
    id: str
    name: str
    created: datetime


class UserChange(Body, frozen=True, kw_only=True):
    team_id: Text | None


def of_terms(terms: Terms, kind: Kind, subject: str, now: int) -> Limit:
    return Limit(
        id=new_limit_id(),
        kind=kind,
        subject=subject,
        unit=terms.unit,
        amount=terms.amount,
        soft=terms.soft,
        period=terms.period,
        unpriced=terms.unpriced,
        created=now,
    )


def list_limits(call: Call, query: LimitQuery) -> Page[LimitFacts]:
    """List budgets and rate limits, oldest first, with what is spent and left."""
    wanted = {name: value for name in ("kind", "subject", "unit") if (value := getattr(query, name)) is not None}
    after = position(query.after)
    limits, end = limitstore.page(call.engine, after=after, limit=query.limit, **wanted)
    return Page(_facts(call, limits), cursor(end))


def set_limit(call: Call, body: NewLimit) -> LimitFacts:
    """Set a limit. One of the same kind, subject, unit and period is changed: it keeps its id and what was spent.

    One on a key is on those that it is rotated to as well, under the id of the first.
    """
    subject = _first(call, body.subject) if body.kind == "key" and body.subject != EACH else body.subject
    limit = limitstore.put(call.engine, of_terms(body, body.kind, subject, call.now), by=call.who)
    return _facts(call, [limit])[0]


def get_limit(call: Call, id: LimitId) -> LimitFacts:
    """Show a limit, with what is spent and left."""
    return _facts(call, [limitstore.find(call.engine, id)])[0]


def limit_standings(call: Call, id: LimitId, query: StandingQuery) -> Standings:
    """Show how a limit stands for each of its subjects, the one that has spent the most first."""
    found = limitstore.standings_of(call.engine, [limitstore.find(call.engine, id)], call.now)
    found.sort(key=lambda standing: (-standing.spent, standing.subject))
    return Standings([_standing(one) for one in found[: query.limit]], max(len(found) - query.limit, 0))


def change_limit(call: Call, id: LimitId, body: LimitChange) -> LimitFacts:
    """Change a limit's amounts. What was spent stays."""
    changes: dict[str, Any] = {
        name: value for name in ("amount", "soft", "unpriced") if (value := getattr(body, name)) is not UNSET
    }
    return _facts(call, [limitstore.change(call.engine, id, changes, by=call.who)])[0]


def remove_limit(call: Call, id: LimitId) -> Removed:
    """Remove a limit, with all that was spent on it."""
    limitstore.remove(call.engine, id, by=call.who)
    return Removed(id)


def list_users(call: Call, query: Paged) -> Page[UserFacts]:
    """List the users whom a key or a limit has named, by id."""
    found = limitstore.users(call.engine, after=(position(query.after) or (0, ""))[1], limit=query.limit + 1)
    users = [UserFacts(one.id, one.name, one.team_id, moment(one.created)) for one in found[: query.limit]]
    return Page(users, cursor((0, users[-1].id) if len(found) > query.limit else None))


def change_user(call: Call, id: UserId, body: UserChange) -> UserFacts:
    """Say of which team a user is. One who is not known yet is made."""
    one = limitstore.set_team(call.engine, id, body.team_id, call.now, by=call.who)
    return UserFacts(one.id, one.name, one.team_id, moment(one.created))


def list_teams(call: Call, query: Paged) -> Page[TeamFacts]:
    """List the teams that a key or a user has named, by id."""
    found = limitstore.teams(call.engine, after=(position(query.after) or (0, ""))[1], limit=query.limit + 1)
    teams = [TeamFacts(one.id, one.name, moment(one.created)) for one in found[: query.limit]]
    return Page(teams, cursor((0, teams[-1].id) if len(found) > query.limit else None))


def _first(call: Call, id: str) -> str:
    try:
        return keystore.first(call.engine, keystore.get(call.engine, id))
    except NotFoundError as error:
        raise InvalidRequestError(error.message, param="subject") from None


def _facts(call: Call, limits: list[Limit]) -> list[LimitFacts]:
    one = [limit for limit in limits if limit.subject != EACH]
    standings = {
        standing.limit.id: _standing(standing) for standing in limitstore.standings_of(call.engine, one, call.now)
    }
    return [_limit(limit, standings.get(limit.id)) for limit in limits]


def _limit(limit: Limit, standing: StandingFacts | None) -> LimitFacts:
    facts: dict[str, Any] = msgspec.structs.asdict(limit)
    facts["created"] = moment(limit.created)
    return LimitFacts(**facts, standing=standing)


def _standing(one: Standing) -> StandingFacts:
    return StandingFacts(subject=one.subject, spent=one.spent, held=one.held, left=one.left, resets=maybe(one.resets))
