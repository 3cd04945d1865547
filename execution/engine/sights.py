"""What one frame says of an open trade to its stops: each leg that has some, and the trade as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from execution.models import StopWatch
from execution.models.watches import Of
from market.kernel.frame import Quote
from strategies.rules import LegRule, StrategyExits, exits, stops
from strategies.rules.stops import Bounds, Watch

Rules = list[dict[str, str]]  # exits of the pair that were in force in this trade, as they are stored


MEMORY = tuple(field.name for field in fields(Watch))
_memory = attrgetter(*MEMORY)
#: By which a row is found, and its columns but for what is noted of prices that lack.
KEY = ("allocation", "timeline", "symbol")
WRITTEN = (
    "leg_number", "since", "stop_at", "stop_of", "target_at", "target_of", "rules", "updated_at",
    *MEMORY,
)  # fmt: skip


class Known(NamedTuple):
    """What is remembered of one leg or trade; `moved` when that is more than its row says."""

    watch: Watch
    rules: Rules
    moved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Of one pair: `symbol` "" is the whole trade; `spot` the live index, None while it is dead."""

    pair: int
    symbol: str
    since: datetime
    frames: int
    spot: Decimal | None

    def held(self, row: StopWatch | None) -> Known:
        """What the row remembers of this very trade."""
        if row is None or row.since != self.since:
            return Known(Watch(), [])
        return Known(Watch(**dict(zip(MEMORY, _memory(row), strict=True))), row.rules, moved=False)

    def has_fired(self, known: Known) -> bool:
        return stops.has_fired(known.watch, self.frames)

    def _moved(self, watch: Watch) -> Decimal | None:
        if self.spot is None or watch.reference is None:
            return None
        return self.spot - watch.reference

    def _referred(self, watch: Watch) -> Watch:
        """With where the underlying was at the first frame of the trade that knew it."""
        if watch.reference is not None or self.spot is None:
            return watch
        return replace(watch, reference=stops.grained(self.spot))


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSight(Sight):
    """A leg with stops of its own, at a quote that may be judged."""

    rule: LegRule
    entry: Decimal
    mark: Decimal
    quote: Quote

    @property
    def bounds(self) -> Bounds:
        return exits.leg_bounds(self.rule, self.entry)

    def after(self, row: StopWatch | None) -> Known:
        held = self.held(row)
        watch = self._referred(held.watch) if exits.needs_underlying(self.rule) else held.watch
        gains = exits.leg_gains(
            self.rule, entry=self.entry, mark=self.mark, at=self.quote.at, moved=self._moved(watch)
        )
        after = stops.observed([self.bounds], watch, gains, frames=self.frames)
        return Known(after, [], held.moved or after is not held.watch)

    def at_cost(self, known: Known) -> Known:
        in_price = self.rule.stop_unit != "underlying"
        after = stops.moved_to_cost(known.watch, in_price=in_price)
        return Known(after, [], known.moved or after != known.watch)

    def shown(self, watch: Watch) -> dict[str, Any]:
        """The columns for people."""
        return {
            "leg_number": self.rule.number,
            "stop_at": self._price(watch.stop, self.rule.stop_unit, watch),
            "target_at": self._price(self.bounds.target, self.rule.target_unit, watch),
            "stop_of": _of(self.rule.stop_unit),
            "target_of": _of(self.rule.target_unit),
        }

    def words(self, watch: Watch) -> str:
        """Leg 2 stop at 132.00: ask 133.10."""
        side = self.quote.ask if self.rule.side == "SELL" else self.quote.bid
        name = "last" if side is None else "ask" if self.rule.side == "SELL" else "bid"
        price = f"{name} {self.mark:.2f}"
        if watch.crossed == "stop" and self._costs_nothing(watch):
            return f"Leg {self.rule.number} stop at cost {self.entry:.2f}: {price}"
        shown, unit = self.shown(watch), getattr(self.rule, f"{watch.crossed}_unit")
        level = shown[f"{watch.crossed}_at"]
        if unit == "underlying":
            return f"Leg {self.rule.number} {watch.crossed} at {level:.2f} of the underlying: {self._index()}, {price}"
        return f"Leg {self.rule.number} {watch.crossed} at {level:.2f}: {price}"

    def _index(self) -> str:
        return "no index now" if self.spot is None else f"{self.spot:.2f}"

    def _costs_nothing(self, watch: Watch) -> bool:
        """Whether it is cost that stops it, not a level of its own."""
        if self.rule.stop_unit != "underlying":
            return watch.at_cost and watch.stop == 0
        return watch.at_cost and (self.mark - self.entry) * (1 if self.rule.side == "BUY" else -1) <= 0

    def _price(self, gain: Decimal | None, unit: str, watch: Watch) -> Decimal | None:
        if gain is None:
            return None
        found = exits.level_at(self.rule, gain, unit=unit, entry=self.entry, watch=watch)
        return None if found is None else stops.grained(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSight(Sight):
    """The whole trade: `a_lot` is what it has earned, `premium` what its options took in, a lot."""

    exits: StrategyExits
    pair_exits: dict[str, str]
    premium: Decimal | None
    a_lot: Decimal
    first: datetime
    last: datetime

    def after(self, row: StopWatch | None) -> Known:
        held = self.held(row)
        away = self.exits.stop_loss_unit == "underlying"
        watch = self._referred(held.watch) if away else held.watch
        # a looser one joins the others and waits for the next trade
        rules = held.rules if self.pair_exits in held.rules else [*held.rules, self.pair_exits]
        gains = exits.strategy_gains(
            self.a_lot, first=self.first, last=self.last, moved=self._moved(watch)
        )
        after = stops.observed(self.bounds(rules), watch, gains, frames=self.frames)
        moved = held.moved or after is not held.watch or rules is not held.rules
        return Known(after, rules, moved)

    def bounds(self, rules: Rules) -> list[Bounds]:
        own = self.exits.bounds(self.premium)
        return [exits.overridden(own, read(rule)) for rule in rules]

    def shown(self, watch: Watch, rules: Rules) -> dict[str, Any]:
        targets = [b.target for b in self.bounds(rules) if b.target is not None]
        levels = {"stop_at": watch.stop, "target_at": min(targets, default=None)}
        return {**levels, "stop_of": Of.LOT, "target_of": Of.LOT}

    def words(self, watch: Watch, rules: Rules) -> str:
        """Stop at -1000.00 rupees a lot: -1040.00."""
        found = f"{self.a_lot:.2f}"
        if watch.crossed == "lock":
            return f"Locked profit of {watch.locked:.2f} rupees a lot: {found}"
        if watch.crossed == "target":
            return f"Target of {self.shown(watch, rules)['target_at']:.2f} rupees a lot: {found}"
        if watch.stop is None or self.a_lot > watch.stop:
            away = self._moved(watch)
            return f"Stop at {self.exits.stop_loss:.2f} points of the underlying: it has moved {away or 0:+.2f}"
        return f"Stop at {watch.stop:.2f} rupees a lot: {found}"


def _of(unit: str) -> Of:
    return Of.UNDERLYING if unit == "underlying" else Of.LEG


def stored(pair_exits: Mapping[str, Any]) -> dict[str, str]:
    """The exits that a pair has set for itself, as a row keeps them."""
    return {
        name: str(pair_exits[name])
        for name in exits.PAIR_EXITS
        if pair_exits[name] not in (None, "")
    }


def read(rule: Mapping[str, str]) -> dict[str, Any]:
    return {name: value if name == "trail" else Decimal(value) for name, value in rule.items()}
