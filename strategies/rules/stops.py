"""When an open trade is left: stops, targets, trailing, locked profit, break-even.

All is measured as a *gain* since entry at the exit side, negative when it is a loss: points of a
leg's price or of the underlying, rupees a lot of a strategy. `Watch` is what must outlive a restart.
A price that shows once is a freak: whatever moves a level or reaches one must hold for so many
frames, each with newer quotes than the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

ZERO = Decimal(0)
GRAIN = Decimal("0.0001")  # what a row keeps
Trail = Literal["none", "stepped", "continuous"]
Crossing = Literal["", "stop", "target", "lock"]
Levels = tuple[Decimal | None, Decimal | None]  # stop, locked profit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where one rule leaves. Distances are positive and in the measure of the gain.

    `away` is a distance of the underlying from where it was at entry, either way.
    """

    stop: Decimal | None = None
    target: Decimal | None = None
    away: Decimal | None = None
    trail: Trail = "none"
    trail_every: Decimal | None = None
    trail_by: Decimal | None = None
    lock_at: Decimal | None = None
    lock_profit: Decimal | None = None
    lock_every: Decimal | None = None
    lock_by: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """One frame's view of a trade, from quotes between `first` and `last`.

    `stop` and `target` are in the measures of these rules, None while that measure has no price
    (a dead spot); `price` is always of the traded prices.
    """

    first: datetime
    last: datetime
    price: Decimal
    stop: Decimal | None
    target: Decimal | None
    away: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What has been seen of an open trade. `stop` and `locked` are gains, and never fall."""

    best: Decimal = ZERO  # the gain at which the levels last moved
    stop: Decimal | None = None
    locked: Decimal | None = None
    at_cost: bool = False
    reference: Decimal | None = None  # the underlying at entry
    crossed: Crossing = ""
    crossed_frames: int = 0
    higher: Decimal | None = None  # a gain that would move a level, not yet held for long enough
    higher_frames: int = 0
    counted_at: datetime | None = None  # the newest quote that was counted


def observed(bounds: Sequence[Bounds], watch: Watch, gains: Gains, *, frames: int) -> Watch:
    """The watch after one more frame; of several bounds the tightest holds. Once fired it stays so.

    The same frame again, or an older one, changes nothing; where nothing changes it is the same object.
    """
    if has_fired(watch, frames):
        return watch
    begun = _tightened(bounds, watch, watch.best)
    if begun.counted_at is not None and gains.first <= begun.counted_at:
        return begun
    after = _crossed(bounds, _raised(bounds, begun, gains, frames), gains)
    return after if after is begun else replace(after, counted_at=gains.last)


def has_fired(watch: Watch, frames: int) -> bool:
    """Whether a level has been crossed for as many frames as the strategy asks for."""
    return bool(watch.crossed) and watch.crossed_frames >= frames


def moved_to_cost(watch: Watch, *, in_price: bool) -> Watch:
    """Break-even: the trade is left where it costs nothing, or better if its stop is there already."""
    if not in_price or watch.stop is None:
        return replace(watch, at_cost=True)
    return replace(watch, at_cost=True, stop=max(watch.stop, ZERO))


def levels(bounds: Sequence[Bounds], gain: Decimal) -> Levels:
    """(stop, locked profit) that these rules give once the trade has gained so much."""
    stops = [_trailed(rule, rule.stop, gain) for rule in bounds if rule.stop is not None]
    locks = [lock for rule in bounds if (lock := _locked(rule, gain)) is not None]
    return max(stops, default=None), max(locks, default=None)


def grained(value: Decimal) -> Decimal:
    """To what a row keeps, so that a restart changes nothing."""
    return value.quantize(GRAIN)


def _trailed(rule: Bounds, stop: Decimal, gain: Decimal) -> Decimal:
    if rule.trail == "none":
        return -stop
    gained = max(gain, ZERO)
    if rule.trail == "stepped":
        assert rule.trail_every is not None
        assert rule.trail_by is not None
        return gained // rule.trail_every * rule.trail_by - stop
    return gained - stop


def _locked(rule: Bounds, gain: Decimal) -> Decimal | None:
    if rule.lock_at is None or rule.lock_profit is None or gain < rule.lock_at:
        return None
    if rule.lock_every is None or rule.lock_by is None:
        return rule.lock_profit
    return rule.lock_profit + (gain - rule.lock_at) // rule.lock_every * rule.lock_by


def _tightened(bounds: Sequence[Bounds], watch: Watch, gain: Decimal) -> Watch:
    stop, locked = _tighter_of(watch, levels(bounds, gain))
    if (stop, locked) == (watch.stop, watch.locked):
        return watch
    return replace(watch, best=max(watch.best, gain), stop=stop, locked=locked)


def _tighter_of(watch: Watch, found: Levels) -> Levels:
    return _tighter(watch.stop, found[0]), _tighter(watch.locked, found[1])


def _tighter(held: Decimal | None, found: Decimal | None) -> Decimal | None:
    if held is None or found is None:
        return found if held is None else held
    return max(held, found)


def _raised(bounds: Sequence[Bounds], watch: Watch, gains: Gains, frames: int) -> Watch:
    """Levels that follow the gain move to the least gain of so many frames."""
    gain = gains.stop
    quiet = watch if watch.higher is None else replace(watch, higher=None, higher_frames=0)
    if gain is None or not _moves(bounds, watch, gain):
        return quiet
    least = gain if watch.higher is None else min(watch.higher, gain)
    seen = watch.higher_frames + 1
    if seen < frames:
        return replace(watch, higher=least, higher_frames=seen)
    moved = _tightened(bounds, quiet, least)
    if frames > 1 and _moves(bounds, moved, gain):
        return replace(moved, higher=gain, higher_frames=1)
    return moved


def _moves(bounds: Sequence[Bounds], watch: Watch, gain: Decimal) -> bool:
    return _tighter_of(watch, levels(bounds, gain)) != (watch.stop, watch.locked)


def _crossed(bounds: Sequence[Bounds], watch: Watch, gains: Gains) -> Watch:
    now = _crossings(bounds, watch, gains)
    if not now:
        return replace(watch, crossed="", crossed_frames=0) if watch.crossed else watch
    if watch.crossed in now:
        return replace(watch, crossed_frames=watch.crossed_frames + 1)
    return replace(watch, crossed=now[0], crossed_frames=1)


def _crossings(bounds: Sequence[Bounds], watch: Watch, gains: Gains) -> list[Crossing]:
    found: list[Crossing] = []
    if watch.locked is not None and gains.price <= watch.locked:
        found.append("lock")
    if _is_stopped(bounds, watch, gains):
        found.append("stop")
    reached = gains.target
    if reached is not None and any(b.target is not None and reached >= b.target for b in bounds):
        found.append("target")
    return found


def _is_stopped(bounds: Sequence[Bounds], watch: Watch, gains: Gains) -> bool:
    if watch.at_cost and gains.price <= ZERO:
        return True
    if watch.stop is not None and gains.stop is not None and gains.stop <= watch.stop:
        return True
    away = gains.away
    return away is not None and any(b.away is not None and away >= b.away for b in bounds)
