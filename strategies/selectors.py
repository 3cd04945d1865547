"""Which strategies a user sees, which version of each they trade, and rows as pure values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from datetime import date, datetime, time
from typing import Any

from django.conf import settings
from django.db.models import Max, Q, QuerySet

from baskets.models import Basket, BasketVersion
from baskets.selectors import baskets_of, grants_of
from market.kernel import calendar, contracts
from market.kernel.clock import IST, ist_day
from market.models import Timeline
from strategies.models import Leg, Strategy, StrategyVersion
from strategies.rules import (
    CONDITION_FIELDS,
    Conditions,
    House,
    LegRule,
    Schedule,
    StrategyExits,
    Terms,
)
from users.models import User

TERM_FIELDS = (
    "entry_time", "exit_time", "day_rule", "days_before", "atm_base", "entry_tolerance_seconds",
    "completion", "take_profit", "stop_loss", "at_expiry", "roll_time", "roll_days_before",
    "naked_calls", "naked_puts", "cash_secured", "chase_after_seconds", "all_or_none",
    *(n for n in CONDITION_FIELDS if n != "skip_days"),
    "take_profit_unit", "stop_loss_unit", "trail", "trail_every", "trail_by", "lock_at", "lock_profit",
    "lock_every", "lock_by", "on_leg_stop", "break_even", "confirm_frames", "stop_at_broker",
)  # fmt: skip
LEG_FIELDS = (
    "number", "side", "ratio", "option_type", "strike_rule", "strike_value", "expiry_rule",
    "expiry_date", "stop", "stop_unit", "target", "target_unit", "trail", "trail_every", "trail_by",
)  # fmt: skip


def own_strategies(user: User) -> QuerySet[Strategy]:
    """Strategies of the user's own baskets, without what is archived."""
    return Strategy.objects.filter(basket__in=baskets_of(user), archived_at=None)


def strategies_of(user: User) -> QuerySet[Strategy]:
    """Own strategies and those of the basket versions granted to the user."""
    granted = granted_versions(user).keys()
    return Strategy.objects.filter(
        Q(pk__in=own_strategies(user).values("pk")) | Q(pk__in=granted)
    ).select_related("basket")


def strategies_in(basket: Basket, user: User) -> QuerySet[Strategy]:
    """What the user may read of one basket: their own, granted, or as last published."""
    shown = strategies_of(user).filter(basket=basket)
    if basket.owner_id == user.pk or shown.exists():
        return shown
    return Strategy.objects.filter(pk__in=_pinned(_newest_version(basket))).select_related("basket")


def granted_versions(user: User) -> dict[int, int]:
    """Strategy id -> strategy version id that the user's grants name."""
    pins: dict[int, int] = {}
    for grant in grants_of(user):
        pins |= _pinned(grant.version)
    return pins


def versions_for(user: User, strategies: Iterable[Strategy]) -> dict[int, StrategyVersion]:
    """The version of each strategy that the user reads and enters, with its legs.

    The newest of an own strategy; of a granted one the version in the basket version that the user
    holds; of one only browsed the last published. Four queries, however many strategies.
    """
    wanted = list(strategies)
    ids = {strategy.pk for strategy in wanted}
    mine = {s.pk for s in wanted if s.basket.owner_id == user.pk}
    pins = {pk: v for pk, v in granted_versions(user).items() if pk in ids - mine}
    unpinned = ids - mine - pins.keys()
    if unpinned:
        pins |= _last_published({s.basket_id for s in wanted if s.pk in unpinned}, unpinned)
    found = StrategyVersion.objects.filter(
        Q(pk__in=pins.values()) | Q(pk__in=_newest_ids(ids - pins.keys()))
    )
    return {version.strategy_id: version for version in found.prefetch_related("legs")}


def newest_version(strategy: Strategy) -> StrategyVersion:
    """The version that the owner trades at the next entry."""
    return strategy.versions.prefetch_related("legs").latest("number")


def leg_rules(version: StrategyVersion) -> list[LegRule]:
    """The version's legs as pure values, in order."""
    return [_leg_rule(leg, version) for leg in version.legs.all()]


def terms(version: StrategyVersion) -> Terms:
    """The whole version as a pure value."""
    values: dict[str, Any] = {name: getattr(version, name) for name in TERM_FIELDS}
    return Terms(
        legs=tuple(leg_rules(version)), weekdays=tuple(version.weekdays),
        skip_days=tuple(version.skip_days), **values,
    )  # fmt: skip


def conditions(version: StrategyVersion) -> Conditions:
    """What the version asks of an entry, a re-entry and a roll."""
    values: dict[str, Any] = {name: getattr(version, name) for name in CONDITION_FIELDS}
    return Conditions(**values | {"skip_days": tuple(version.skip_days)})


def exits_of(version: StrategyVersion) -> StrategyExits:
    """The exits of the whole strategy as a pure value."""
    return StrategyExits(**{field.name: getattr(version, field.name) for field in fields(StrategyExits)})


def watched_legs(version_ids: Iterable[int]) -> dict[int, dict[int, LegRule]]:
    """By version and number, the legs that have a stop or target of their own; one query."""
    legs = Leg.objects.filter(version__in=version_ids).exclude(stop=None, target=None)
    found: dict[int, dict[int, LegRule]] = defaultdict(dict)
    for leg in legs.select_related("version"):
        found[leg.version_id][leg.number] = _leg_rule(leg, leg.version)
    return found


def schedules_of(versions: Iterable[StrategyVersion]) -> dict[int, Schedule]:
    """By version id, on which days it enters (`is_due_day` answers); two queries for any number."""
    ids = [version.pk for version in versions]
    full = StrategyVersion.objects.filter(pk__in=ids).select_related("strategy")
    return {
        version.pk: terms(version).schedule(version.strategy.underlying)
        for version in full.prefetch_related("legs")
    }


def house(underlying: str, *, now: datetime) -> House:
    """What may be saved now: the session's hours of the market's day and the platform's limits."""
    day = market_day(now)
    opened, closed = _hours(underlying, day)
    return House(
        day=day, open=opened, close=closed, most_legs=settings.PLATFORM.max_legs_per_strategy
    )


def market_day(now: datetime) -> date:
    """The trading day of the active timeline's market time; of `now` while none has started."""
    timeline = Timeline.objects.filter(active=True).only("market_now", "first_day").first()
    if timeline is None:
        return ist_day(now)
    return timeline.first_day if timeline.market_now is None else ist_day(timeline.market_now)


def _hours(underlying: str, day: date) -> tuple[time, time]:
    exchange = contracts.exchange_of(underlying)
    while calendar.unknown_hours(exchange, day) or (session := calendar.session(exchange, day)) is None:
        day = calendar.next_trading_day(exchange, day)
    config = settings.PLATFORM.indian_market_config
    start, end = config["trading_start_time"], config["trading_end_time"]
    return (
        time.fromisoformat(start) if start else session.open.astimezone(IST).time(),
        time.fromisoformat(end) if end else session.close.astimezone(IST).time(),
    )


def _leg_rule(leg: Leg, version: StrategyVersion) -> LegRule:
    values: dict[str, Any] = {name: getattr(leg, name) for name in LEG_FIELDS}
    return LegRule(**values, atm_base=version.atm_base)  # type: ignore[arg-type]  # a choice of the column


def _newest_ids(strategy_ids: Iterable[int]) -> QuerySet[Any]:
    return (
        StrategyVersion.objects.filter(strategy__in=strategy_ids)
        .order_by("strategy_id", "-number")
        .distinct("strategy_id")
        .values("pk")
    )


def _last_published(basket_ids: set[int], strategy_ids: set[int]) -> dict[int, int]:
    newest = (
        BasketVersion.objects.filter(basket__in=basket_ids)
        .order_by("basket_id", "-number")
        .distinct("basket_id")
    )
    pins: dict[int, int] = {}
    for version in newest:
        pins |= _pinned(version)
    return {pk: version for pk, version in pins.items() if pk in strategy_ids}


def _newest_version(basket: Basket) -> BasketVersion | None:
    return basket.versions.order_by("-number").first()


def _pinned(version: BasketVersion | None) -> dict[int, int]:
    if version is None:
        return {}
    return {row["strategy"]: row["strategy_version"] for row in version.contents}


def next_number(strategy: Strategy) -> int:
    return (strategy.versions.aggregate(newest=Max("number"))["newest"] or 0) + 1


def newest_versions(strategy_ids: Iterable[int]) -> dict[int, StrategyVersion]:
    """The newest version of each strategy, with its legs, for the engine's next entries."""
    found = StrategyVersion.objects.filter(pk__in=_newest_ids(strategy_ids))
    rows = found.select_related("strategy").prefetch_related("legs")
    return {version.strategy_id: version for version in rows}


def versions_by_id(version_ids: Iterable[int]) -> dict[int, StrategyVersion]:
    """These versions with their legs, by their own id."""
    found = StrategyVersion.objects.filter(pk__in=set(version_ids))
    return {row.pk: row for row in found.select_related("strategy").prefetch_related("legs")}
