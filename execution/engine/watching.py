"""Stops, targets and trailing of all that is held, judged at each frame, remembered when they move.

Stale and crossed quotes are not judged, nor the index while it stands still; a trade is judged when
each of its open legs has a usable quote. What has fired stays fired until the leg is flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from execution.engine import closes, marks, unjudged
from execution.engine.desk import Desk
from execution.engine.sights import (
    KEY,
    MEMORY,
    WRITTEN,
    Known,
    LegSight,
    Sight,
    TradeSight,
    stored,
)
from execution.engine.snapshot import Snapshot
from execution.engine.trades import has_bounds
from execution.models import Position, StopWatch
from market.kernel.frame import Quote
from strategies.models import StrategyVersion
from strategies.rules import LegRule, exits
from strategies.selectors import exits_of

Key = tuple[int, str]
Rows = Mapping[Key, StopWatch]


@dataclass(frozen=True, slots=True)
class Leave:
    """Why a pair leaves now: as a whole, or these legs."""

    cause: str
    detail: str
    legs: tuple[int, ...] | None = None


def judge(desk: Desk, seen: Snapshot) -> dict[int, Leave]:
    """By pair that must leave by a stop, target or lock. What its levels saw is committed first."""
    market = _Market(seen, desk)
    unjudged.note(_needed(seen, market), market.quote, seen, desk)
    found = {
        pair: sights
        for pair, rows in seen.held.items()
        if (sights := _sights(pair, rows, seen, desk, market))
    }
    known = {pair: _judged(sights, seen.watches, seen) for pair, sights in found.items()}
    moved = {pair: found[pair] for pair in found if any(each.moved for each in known[pair].values())}
    if moved:
        known |= _remember(moved, seen, desk)
    leaves = {pair: _leave(found[pair], known[pair], seen) for pair in found}
    return {pair: leave for pair, leave in leaves.items() if leave is not None}


class _Market:
    """The frame as stops may see it; many pairs hold the same contracts, each is looked at once."""

    def __init__(self, seen: Snapshot, desk: Desk) -> None:
        names = {rows[0].allocation.strategy.underlying for rows in seen.held.values()}
        self.spots = {name: desk.frame.spot(name) for name in names if desk.is_open(name)}
        self._desk = desk
        self._quotes: dict[str, Quote | None] = {}

    def quote(self, symbol: str) -> Quote | None:
        """The contract's quote if it may be judged."""
        if symbol not in self._quotes:
            quote, now = self._desk.frame.quote(symbol), self._desk.now
            usable = exits.is_usable(quote, now, self._desk.frame.cadence)
            self._quotes[symbol] = quote if usable else None
        return self._quotes[symbol]


def _needed(seen: Snapshot, market: _Market) -> dict[int, list[Position]]:
    """By pair that stays and whose market is open, the positions that its stops need prices of."""
    needed = {}
    for pair, rows in seen.held.items():
        allocation = rows[0].allocation
        if seen.leaving.get(pair, ()) is None or allocation.strategy.underlying not in market.spots:
            continue
        legs, whole = seen.watched_legs.get(allocation.strategy_version_id, {}), has_bounds(allocation)
        needed[pair] = [row for row in rows if whole or row.leg_number in legs]
    return needed


def _sights(
    pair: int, rows: list[Position], seen: Snapshot, desk: Desk, market: _Market
) -> list[Sight]:
    allocation = rows[0].allocation
    legs = seen.watched_legs.get(allocation.strategy_version_id, {})
    bound = has_bounds(allocation)
    underlying = allocation.strategy.underlying
    if not (legs or bound) or seen.leaving.get(pair, ()) is None or underlying not in market.spots:
        return []
    frames = allocation.strategy_version.confirm_frames
    shared = {"pair": pair, "frames": frames, "spot": market.spots[underlying]}
    sights: list[Sight] = []
    if bound and (whole := _of_trade(rows, seen, desk, market, shared)) is not None:
        sights.append(whole)
    for row in rows:
        rule = legs.get(row.leg_number)
        if rule is not None and (leg := _of_leg(row, rule, desk, market, shared)) is not None:
            sights.append(leg)
    return sights


def _of_leg(
    row: Position, rule: LegRule, desk: Desk, market: _Market, shared: dict[str, Any]
) -> LegSight | None:
    quote = market.quote(row.contract.symbol)
    if quote is None or closes.is_worthless(row, desk) or row.opened_at is None:
        return None
    return LegSight(
        symbol=row.contract.symbol,
        since=row.opened_at,
        rule=rule,
        entry=row.average_price,
        mark=marks.exit_mark(quote, row.quantity),
        quote=quote,
        **shared,
    )


def _of_trade(
    rows: list[Position], seen: Snapshot, desk: Desk, market: _Market, shared: dict[str, Any]
) -> TradeSight | None:
    quotes = [market.quote(row.contract.symbol) for row in rows]
    times = [quote.at for quote in quotes if quote is not None]
    began = [row.opened_at for row in rows if row.opened_at is not None]
    if len(times) < len(rows) or not began:
        return None
    allocation, trade = rows[0].allocation, seen.trades[rows[0].allocation_id]
    held = max(abs(row.quantity) // row.contract.lot_size for row in rows)
    lots = max(1, min(trade.lots, held))  # an entry that was only partly filled holds fewer
    own = {name: getattr(allocation, name) for name in exits.PAIR_EXITS}
    return TradeSight(
        symbol="",
        since=trade.since or min(began),
        exits=exits_of(allocation.strategy_version),
        pair_exits=stored(own),
        premium=None if trade.premium is None else trade.premium / lots,
        a_lot=(marks.gross_pnl(rows, desk.frame) - trade.realised_before) / lots,
        first=min(times),
        last=max(times),
        **shared,
    )


def _judged(sights: Iterable[Sight], rows: Rows, seen: Snapshot) -> dict[Key, Known]:
    """What is known after this frame; a leg's stop takes the others to cost where they break even."""
    known: dict[Key, Known] = {}
    legs = []
    for sight in sights:
        assert isinstance(sight, LegSight | TradeSight)
        key = (sight.pair, sight.symbol)
        known[key] = sight.after(rows.get(key))
        if isinstance(sight, LegSight):
            legs.append((key, sight))
    stopped = {key for key, leg in legs if _is_stopped(leg, known[key])}
    if legs and _version(legs[0][1].pair, seen).break_even:
        for key, leg in legs:
            others = stopped or _stopped_at_broker(leg, seen)
            if others and leg.rule.stop is not None and key not in stopped and not leg.has_fired(known[key]):
                known[key] = leg.at_cost(known[key])
    return known


def _stopped_at_broker(leg: LegSight, seen: Snapshot) -> bool:
    """Whether a stop of this trade has filled at the broker since the leg was opened."""
    return any(at >= leg.since for at in seen.broker_stops.fired.get(leg.pair, ()))


def _is_stopped(leg: LegSight, known: Known) -> bool:
    return known.watch.crossed == "stop" and leg.has_fired(known)


def _version(pair: int, seen: Snapshot) -> StrategyVersion:
    return seen.held[pair][0].allocation.strategy_version


@transaction.atomic
def _remember(
    moved: dict[int, list[Sight]], seen: Snapshot, desk: Desk
) -> dict[int, dict[Key, Known]]:
    """Judge these pairs once more over their locked rows, and write what has moved: two statements."""
    rows = StopWatch.objects.select_for_update(no_key=True).filter(
        timeline=desk.timeline, allocation__in=moved
    )
    held = {(row.allocation_id, row.symbol): row for row in rows.order_by("pk")}
    after = {pair: _judged(sights, held, seen) for pair, sights in moved.items()}
    fresh = [
        _row(sight, after[pair][pair, sight.symbol], desk)
        for pair, sights in moved.items()
        for sight in sorted(sights, key=lambda sight: sight.symbol)
        if after[pair][pair, sight.symbol].moved
    ]
    StopWatch.objects.bulk_create(
        fresh, update_conflicts=True, unique_fields=KEY, update_fields=WRITTEN
    )
    seen.watches.update(held | {(row.allocation_id, row.symbol): row for row in fresh})
    return after


def _row(sight: Sight, known: Known, desk: Desk) -> StopWatch:
    assert isinstance(sight, LegSight | TradeSight)
    watch, rules, _ = known
    shown = sight.shown(watch) if isinstance(sight, LegSight) else sight.shown(watch, rules)
    return StopWatch(
        allocation_id=sight.pair,
        timeline=desk.timeline,
        symbol=sight.symbol,
        since=sight.since,
        rules=rules,
        updated_at=desk.now,
        **{name: getattr(watch, name) for name in MEMORY},
        **shown,
    )


def _leave(sights: list[Sight], known: dict[Key, Known], seen: Snapshot) -> Leave | None:
    pair = sights[0].pair
    legs: list[LegSight] = []
    leaving = seen.leaving.get(pair) or []
    for sight in sights:
        found = known[pair, sight.symbol]
        if not sight.has_fired(found):
            continue
        if isinstance(sight, TradeSight):
            return Leave(found.watch.crossed, sight.words(found.watch, found.rules))
        if isinstance(sight, LegSight) and sight.rule.number not in leaving:
            legs.append(sight)
    return _leave_of(legs, known, seen) if legs else None


def _leave_of(legs: list[LegSight], known: dict[Key, Known], seen: Snapshot) -> Leave:
    pair = legs[0].pair
    watches = [known[pair, leg.symbol].watch for leg in legs]
    stopped = any(watch.crossed == "stop" for watch in watches)
    detail = "; ".join(leg.words(watch) for leg, watch in zip(legs, watches, strict=True))
    cause = "leg_stop" if stopped else "leg_target"
    if stopped and _version(pair, seen).on_leg_stop == StrategyVersion.OnLegStop.STRATEGY:
        return Leave(cause, f"{detail}. The whole strategy leaves.")
    numbers = sorted({leg.rule.number for leg in legs})
    with_them = {p.leg_number for p in closes.leaving(seen.held[pair], numbers)} - set(numbers)
    also = "".join(f" Leg {number} leans on it and leaves first." for number in sorted(with_them))
    return Leave(cause, f"{detail}.{also}", tuple(numbers))
