"""A version's rules of exit as bounds and gains of one trade: units are resolved here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from market.kernel.frame import Quote
from strategies.rules.stops import Bounds, Gains, Trail, Watch, grained
from strategies.rules.values import LegRule, StopUnit, TargetUnit

#: What a pair may set for itself over its strategy's; rupees a lot.
PAIR_EXITS = ("stop_loss", "take_profit", "trail", "trail_every", "trail_by")
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyExits:
    """The exits of a whole strategy as its version has them."""

    take_profit: Decimal | None = None
    take_profit_unit: TargetUnit = "rupees"
    stop_loss: Decimal | None = None
    stop_loss_unit: StopUnit = "rupees"
    trail: Trail = "none"
    trail_every: Decimal | None = None
    trail_by: Decimal | None = None
    lock_at: Decimal | None = None
    lock_profit: Decimal | None = None
    lock_every: Decimal | None = None
    lock_by: Decimal | None = None

    @lru_cache(maxsize=2048)  # noqa: B019 - a frozen value, kept for what trades now
    def bounds(self, premium: Decimal | None) -> Bounds:
        """In rupees a lot; `premium` is the trade's net premium a lot, for what is a share of it."""
        percent, away = self.stop_loss_unit == "percent", self.stop_loss_unit == "underlying"
        of_stop = _share(premium) if percent else Decimal(1)
        of_target = _share(premium) if self.take_profit_unit == "percent" else Decimal(1)
        stop = None if away else _times(self.stop_loss, of_stop)
        return Bounds(
            stop=stop,
            target=_times(self.take_profit, of_target),
            away=self.stop_loss if away else None,
            trail="none" if stop is None else self.trail,
            trail_every=_times(self.trail_every, of_stop),
            trail_by=_times(self.trail_by, of_stop),
            lock_at=self.lock_at,
            lock_profit=self.lock_profit,
            lock_every=self.lock_every,
            lock_by=self.lock_by,
        )


def overridden(bounds: Bounds, pair: Mapping[str, Any]) -> Bounds:
    """With what the pair has set for itself in place of the strategy's."""
    changed = bounds
    if pair.get("stop_loss") is not None:
        changed = replace(changed, stop=pair["stop_loss"])
    if pair.get("take_profit") is not None:
        changed = replace(changed, target=pair["take_profit"])
    if pair.get("trail"):
        steps = {"trail_every": pair.get("trail_every"), "trail_by": pair.get("trail_by")}
        changed = replace(changed, trail=pair["trail"], **steps)
    return changed


@lru_cache(maxsize=8192)
def leg_bounds(rule: LegRule, entry: Decimal) -> Bounds:
    """In points of the leg's price, or of the underlying; `entry` is its average price."""
    of_stop = entry / HUNDRED if rule.stop_unit == "percent" else Decimal(1)
    of_target = entry / HUNDRED if rule.target_unit == "percent" else Decimal(1)
    return Bounds(
        stop=_times(rule.stop, of_stop),
        target=_times(rule.target, of_target),
        trail=rule.trail,
        trail_every=_times(rule.trail_every, of_stop),
        trail_by=_times(rule.trail_by, of_stop),
    )


def leg_gains(
    rule: LegRule, *, entry: Decimal, mark: Decimal, at: datetime, moved: Decimal | None
) -> Gains:
    """`moved` is by how much the underlying has risen since entry, None while it has no price."""
    points = grained(mark - entry if rule.side == "BUY" else entry - mark)
    underlying = None if moved is None else grained(moved * gains_by_rise(rule))
    return Gains(
        first=at,
        last=at,
        price=points,
        stop=underlying if rule.stop_unit == "underlying" else points,
        target=underlying if rule.target_unit == "underlying" else points,
    )


def strategy_gains(
    a_lot: Decimal, *, first: datetime, last: datetime, moved: Decimal | None
) -> Gains:
    """Of a whole strategy that has earned so many rupees a lot."""
    gain = grained(a_lot)
    away = None if moved is None else abs(moved)
    return Gains(first=first, last=last, price=gain, stop=gain, target=gain, away=away)


def gains_by_rise(rule: LegRule) -> int:
    """1 where the leg gains when the underlying rises, -1 where it loses."""
    rises = rule.option_type != "PE"
    return 1 if rises == (rule.side == "BUY") else -1


def level_at(rule: LegRule, gain: Decimal, *, unit: str, entry: Decimal, watch: Watch) -> Decimal | None:
    """The price, of the leg or of the underlying, at which a leg has gained so much."""
    if unit != "underlying":
        return entry + gain if rule.side == "BUY" else entry - gain
    return None if watch.reference is None else watch.reference + gain * gains_by_rise(rule)


def needs_underlying(rule: LegRule) -> bool:
    """Whether a level of the leg is one of the underlying."""
    in_stop = rule.stop is not None and rule.stop_unit == "underlying"
    return in_stop or (rule.target is not None and rule.target_unit == "underlying")


def may_rest_at_broker(rule: LegRule) -> bool:
    """Whether the leg's stop can be an order at the exchange: of a short option, by its own price."""
    in_price = rule.stop is not None and rule.stop_unit != "underlying"
    return in_price and rule.side == "SELL" and rule.is_option


def is_usable(quote: Quote | None, now: datetime, cadence: float) -> bool:
    """Whether a stop may be judged at it: fresh, above zero, and not crossed."""
    if quote is None or quote.stale(now, cadence) or quote.ltp <= 0:
        return False
    return quote.bid is None or quote.ask is None or quote.bid <= quote.ask


def told_after(cadence: float) -> timedelta:
    """For how long a leg may have no usable price before its owner is told: a minute, or two frames."""
    return timedelta(seconds=max(60.0, 2 * cadence))


def _share(premium: Decimal | None) -> Decimal | None:
    return None if not premium else abs(premium) / HUNDRED


def _times(value: Decimal | None, factor: Decimal | None) -> Decimal | None:
    return None if value is None or factor is None else grained(value * factor)
