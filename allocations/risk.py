"""Limits and trading states of a scope: values in, a verdict out. No Django here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

LIMITS = ("max_lots", "max_day_loss", "max_margin", "max_open_positions", "max_delta", "max_vega")
#: What a change can loosen, so that it waits for the next trading day.
LOOSENABLE = (*LIMITS, "square_off_at_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimit:
    """What a scope may at most hold, lose in a day and block as margin; None: no limit of that kind.

    `max_delta` is in rupees an index point (delta x quantity), `max_vega` in rupees a vol point;
    both are of the amount, whatever its sign.
    """

    max_lots: int | None = None
    max_day_loss: Decimal | None = None
    max_margin: Decimal | None = None
    max_open_positions: int | None = None
    max_delta: Decimal | None = None
    max_vega: Decimal | None = None

    @property
    def asks_greeks(self) -> bool:
        return self.max_delta is not None or self.max_vega is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a scope has; `day_pnl` is of the trading day, after charges, at the exit side.

    `delta` in rupees an index point and `vega` in rupees a vol point are amounts without a sign,
    added up over underlyings; None while one of its contracts has no implied vol.
    """

    open_lots: int = 0
    day_pnl: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    open_positions: int = 0
    delta: Decimal | None = Decimal(0)
    vega: Decimal | None = Decimal(0)


class Denial(StrEnum):
    """Why we do not send an entry. Exits are never denied by these."""

    LOTS_ABOVE_LIMIT = "LOTS_ABOVE_LIMIT"
    DAY_LOSS_REACHED = "DAY_LOSS_REACHED"
    MARGIN_ABOVE_LIMIT = "MARGIN_ABOVE_LIMIT"
    TOO_MANY_POSITIONS = "TOO_MANY_POSITIONS"
    DELTA_ABOVE_LIMIT = "DELTA_ABOVE_LIMIT"
    VEGA_ABOVE_LIMIT = "VEGA_ABOVE_LIMIT"
    GREEKS_UNKNOWN = "GREEKS_UNKNOWN"
    REDUCING = "REDUCING"
    FROZEN = "FROZEN"
    HALTED = "HALTED"

    @property
    def text(self) -> str:
        return _WORDS[self][0]

    @property
    def fix(self) -> str:
        return _WORDS[self][1]


_WORDS: dict[Denial, tuple[str, str]] = {
    Denial.LOTS_ABOVE_LIMIT: (
        "This entry would go above the maximum lots.",
        "Close open lots, enter fewer, or raise max_lots.",
    ),
    Denial.DAY_LOSS_REACHED: (
        "The maximum loss of the day is reached.",
        "Entries may go again on the next trading day; a raised max_day_loss holds from then too.",
    ),
    Denial.MARGIN_ABOVE_LIMIT: (
        "This entry would block more than the maximum margin.",
        "Enter fewer lots, narrow the wings, or raise max_margin.",
    ),
    Denial.TOO_MANY_POSITIONS: (
        "This entry would open more positions than the maximum.",
        "Close a position, or raise max_open_positions.",
    ),
    Denial.DELTA_ABOVE_LIMIT: (
        "Delta before or after this entry is above its maximum, in rupees an index point.",
        "Enter fewer lots, choose a more neutral strategy, or raise max_delta.",
    ),
    Denial.VEGA_ABOVE_LIMIT: (
        "Vega before or after this entry is above its maximum, in rupees a vol point.",
        "Enter fewer lots, or raise max_vega.",
    ),
    Denial.GREEKS_UNKNOWN: (
        "A delta or vega limit stands, and a contract has no implied vol now.",
        "It is tried again at the next frames; or remove max_delta and max_vega.",
    ),
    Denial.REDUCING: (
        "Trading is paused: exits and stops run, entries do not.",
        "Resume the scope that is paused.",
    ),
    Denial.FROZEN: (
        "The engine has frozen entries until a question about an order is settled.",
        "Settle the named order with the broker, then resume.",
    ),
    Denial.HALTED: (
        "Trading was killed: only cancels and closing orders pass.",
        "Resume the scope that was killed when you are ready to trade again.",
    ),
}

#: From loose to tight; the tightest state of all that apply wins.
TIGHTNESS = ("active", "reducing", "frozen", "halted")
_DENIED_BY_STATE = {
    "reducing": Denial.REDUCING,
    "frozen": Denial.FROZEN,
    "halted": Denial.HALTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The state that applies and where it comes from; scope "" when nothing was ever set."""

    state: str = "active"
    scope: str = ""
    reason: str = ""

    @property
    def denial(self) -> Denial | None:
        """Why an entry must not be sent in this state."""
        return _DENIED_BY_STATE.get(self.state)


def tightest(states: Iterable[Effective]) -> Effective:
    """The tightest state, with its scope and reason; of equally tight ones the first given."""
    return max(states, key=lambda held: TIGHTNESS.index(held.state), default=Effective())


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that stands against an entry: what would be used of it; None while it is not known."""

    denial: Denial
    used: Decimal | None = None
    limit: Decimal = Decimal(0)

    @property
    def strain(self) -> Decimal:
        """How far beyond the limit, to compare limits of different kinds; the unknown comes last."""
        if self.used is None:
            return Decimal(-1)
        return self.used / self.limit if self.limit else Decimal("Infinity")


def breach(limit: RiskLimit, before: Exposure, after: Exposure) -> Breach | None:
    """The most strained limit that the entry would break, or None. Exits are never asked.

    `after` is `before` with the whole entry filled. Delta and vega are judged by the worse of the
    two: an entry may fill in part.
    """
    found = [*_counts(limit, before, after), *_greeks(limit, before, after)]
    return max(found, key=lambda each: each.strain, default=None)


def _counts(limit: RiskLimit, before: Exposure, after: Exposure) -> Iterable[Breach]:
    if limit.max_day_loss is not None and before.day_pnl <= -limit.max_day_loss:
        yield Breach(denial=Denial.DAY_LOSS_REACHED, used=-before.day_pnl, limit=limit.max_day_loss)
    for denied, most, used in (
        (Denial.LOTS_ABOVE_LIMIT, limit.max_lots, after.open_lots),
        (Denial.TOO_MANY_POSITIONS, limit.max_open_positions, after.open_positions),
        (Denial.MARGIN_ABOVE_LIMIT, limit.max_margin, after.margin),
    ):
        if most is not None and used > most:
            yield Breach(denial=denied, used=Decimal(used), limit=Decimal(most))


def _greeks(limit: RiskLimit, before: Exposure, after: Exposure) -> Iterable[Breach]:
    for denied, most, amounts in (
        (Denial.DELTA_ABOVE_LIMIT, limit.max_delta, (before.delta, after.delta)),
        (Denial.VEGA_ABOVE_LIMIT, limit.max_vega, (before.vega, after.vega)),
    ):
        if most is None:
            continue
        known = [abs(amount) for amount in amounts if amount is not None]
        if len(known) < len(amounts):
            yield Breach(denial=Denial.GREEKS_UNKNOWN)
        elif max(known) > most:
            yield Breach(denial=denied, used=max(known), limit=most)


def tightest_breach(found: Iterable[tuple[str, Breach | None]]) -> tuple[str, Breach] | None:
    """Of the scopes' breaches, by name, the most strained; of equally strained ones the first given."""
    standing = [(name, each) for name, each in found if each is not None]
    return max(standing, key=lambda pair: pair[1].strain, default=None)


def loosens(name: str, held: Any, wanted: Any) -> bool:
    """Whether a limit's new value allows more than the held one; None is no limit at all."""
    if name == "square_off_at_loss":
        return bool(held) and not wanted
    return held is not None and (wanted is None or wanted > held)


def split(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what holds at once, what waits for the next trading day) of a change of limits.

    Lots above the limit that still stands wait with it.
    """
    later = {n: wanted[n] for n in LOOSENABLE if n in wanted and loosens(n, held[n], wanted[n])}
    now = {name: held[name] if name in later else value for name, value in wanted.items()}
    if "lots" in wanted and wanted["lots"] > now["max_lots"]:
        later["lots"], now["lots"] = wanted["lots"], held["lots"]
    return now, later


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTerms:
    """What a user sets for one pair: lots, product, limits, and exits of its own."""

    lots: int
    max_lots: int
    max_day_loss: Decimal
    max_margin: Decimal
    max_open_positions: int
    max_delta: Decimal | None = None
    max_vega: Decimal | None = None
    square_off_at_loss: bool = False
    product: str = "NRML"
    stop_loss: Decimal | None = None  # rupees a lot, as what follows; None or "": the strategy's
    take_profit: Decimal | None = None
    trail: str = ""
    trail_every: Decimal | None = None
    trail_by: Decimal | None = None

    @property
    def limit(self) -> RiskLimit:
        return RiskLimit(**{name: getattr(self, name) for name in LIMITS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeTerms(RiskLimit):
    """What a user sets for one scope: its limits, and whether a reached day loss closes it."""

    square_off_at_loss: bool = False
