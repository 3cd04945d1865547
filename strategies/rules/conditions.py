"""What an entry, a re-entry and a roll must find: the conditions that a version states besides its
schedule, and what of them must not be saved.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from users.errors import Refused

if TYPE_CHECKING:
    from strategies.rules.terms import House, Terms

MOST_JITTER = 1800
MOST_REENTRIES = 20
MOST_SKIPPED = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Rupees are a lot of the strategy. What is None is not asked."""

    min_credit: Decimal | None = None
    max_debit: Decimal | None = None
    max_spread_points: Decimal | None = None
    max_spread_percent: Decimal | None = None
    max_slippage_percent: Decimal | None = None
    vix_min: Decimal | None = None
    vix_max: Decimal | None = None
    gap_min: Decimal | None = None
    gap_max: Decimal | None = None
    skip_days: tuple[date, ...] = ()
    jitter_seconds: int = 0
    wait_for: str = "nothing"
    wait_leg: int | None = None
    wait_move: Decimal | None = None
    wait_unit: str = "points"
    wait_until: time | None = None
    reentry: str = "none"
    reentry_after: str = "stop"
    reentry_of: str = "trade"
    reentry_count: int = 0
    reentry_until: time | None = None
    roll_premium: Decimal | None = None
    roll_min_credit: Decimal | None = None
    roll_max_debit: Decimal | None = None
    roll_else: str = "hold"


CONDITION_FIELDS = tuple(field.name for field in fields(Conditions))

Bounds = tuple[str, str]
#: (least, most) pairs of fields.
ORDERED: tuple[Bounds, ...] = (("vix_min", "vix_max"), ("gap_min", "gap_max"))
ABOVE_ZERO = (
    "min_credit", "max_debit", "max_spread_points", "max_spread_percent", "max_slippage_percent",
    "vix_min", "vix_max", "roll_premium", "roll_min_credit", "roll_max_debit",
)  # fmt: skip


def check_conditions(terms: Terms, house: House) -> None:
    """Refused, naming the field and the fix, for the first condition that must not be saved."""
    _check_amounts(terms)
    _check_clock(terms, house)
    _check_wait(terms, house)
    _check_reentry(terms, house)
    _check_roll(terms)


def _check_amounts(terms: Terms) -> None:
    for name in ABOVE_ZERO:
        value = getattr(terms, name)
        if value is not None and value <= 0:
            raise Refused("not_above_zero", f"{name} is above 0.",
                          fix="Send a positive number, or none.", field=name)  # fmt: skip
    for least, most in ORDERED:
        low, high = getattr(terms, least), getattr(terms, most)
        if low is not None and high is not None and low > high:
            raise Refused("bounds_crossed", f"{least} {low:f} is above {most} {high:f}.",
                          fix="Exchange them, or remove one.", field=least)  # fmt: skip
    for one, other in (("min_credit", "max_debit"), ("roll_min_credit", "roll_max_debit")):
        if getattr(terms, one) is not None and getattr(terms, other) is not None:
            raise Refused("credit_and_debit", f"{one} and {other} cannot both hold.",
                          fix="Send the one that decides.", field=other)  # fmt: skip


def _check_clock(terms: Terms, house: House) -> None:
    if not 0 <= terms.jitter_seconds <= MOST_JITTER:
        raise Refused("jitter", f"Jitter is 0 to {MOST_JITTER} seconds.",
                      fix="Send fewer seconds.", field="jitter_seconds")  # fmt: skip
    latest = _moved(terms.entry_time, terms.jitter_seconds)
    end = min(terms.exit_time or house.close, house.close)
    if terms.jitter_seconds and latest >= end:
        raise Refused("jitter", f"With jitter the entry could come at {latest:%H:%M:%S}.",
                      fix=f"Keep it before {end:%H:%M}.", field="jitter_seconds")  # fmt: skip
    if len(terms.skip_days) > MOST_SKIPPED or len(set(terms.skip_days)) < len(terms.skip_days):
        raise Refused("skip_days", f"Days to skip are at most {MOST_SKIPPED}, each once.",
                      fix="Remove days that have passed or repeat.", field="skip_days")  # fmt: skip


def _check_wait(terms: Terms, house: House) -> None:
    if terms.wait_for == "nothing":
        return
    if not terms.wait_move:
        raise Refused("wait_move", "It does not say how far the price has to move.",
                      fix="Send a number above 0 to wait for a rise, below 0 for a fall.",
                      field="wait_move")  # fmt: skip
    if terms.wait_unit == "percent" and terms.wait_move <= -100:
        raise Refused("wait_move", "A price cannot fall by its whole value.",
                      fix="Send more than -100 per cent.", field="wait_move")  # fmt: skip
    _require_time(terms.wait_until, "wait_until", terms, house)
    if terms.wait_for == "leg" and terms.wait_leg not in {leg.number for leg in terms.legs}:
        raise Refused("wait_leg", f"There is no leg {terms.wait_leg} to wait for.",
                      fix=f"Send a leg's number, 1 to {len(terms.legs)}.", field="wait_leg")  # fmt: skip


def _check_reentry(terms: Terms, house: House) -> None:
    if terms.reentry_of == "leg":
        _check_legs_again(terms)
    if terms.reentry == "none":
        return
    if not 1 <= terms.reentry_count <= MOST_REENTRIES:
        raise Refused("reentry_count", f"Re-entries are 1 to {MOST_REENTRIES} a day.",
                      fix="Send how often it may enter again.", field="reentry_count")  # fmt: skip
    _require_time(terms.reentry_until, "reentry_until", terms, house)


def _check_legs_again(terms: Terms) -> None:
    """A leg enters again where it re-enters at all, leaves alone, and by a level of its own."""
    if terms.reentry == "none":
        raise Refused("no_reentry", "Nothing enters again, so no leg does.",
                      fix="Send reentry asap or cost, or reentry_of trade.", field="reentry_of")  # fmt: skip
    if terms.on_leg_stop == "strategy":
        raise Refused("no_leg_stays", "The whole strategy leaves at a leg's stop, so no leg enters again alone.",
                      fix="Send on_leg_stop leg, or reentry_of trade.", field="reentry_of")  # fmt: skip
    levels = {"stop": ("stop",), "target": ("target",), "either": ("stop", "target")}[terms.reentry_after]
    if not any(getattr(leg, level) is not None for leg in terms.legs for level in levels):
        words = " or ".join(levels)
        raise Refused("no_leg_leaves", f"No leg has a {words} of its own, so none enters again.",
                      fix=f"Give a leg a {words}, or send reentry_of trade.", field="reentry_of")  # fmt: skip


def _check_roll(terms: Terms) -> None:
    asked = (terms.roll_premium, terms.roll_min_credit, terms.roll_max_debit)
    if terms.at_expiry == "roll" or not any(value is not None for value in asked):
        return
    raise Refused("nothing_rolls", "It has conditions of a roll and does not roll.",
                  fix="Send at_expiry roll, or remove the roll's conditions.",
                  field="at_expiry")  # fmt: skip


def _require_time(value: time | None, name: str, terms: Terms, house: House) -> None:
    """A cut-off lies after the latest entry and not behind the exit or the session."""
    earliest = _moved(terms.entry_time, terms.jitter_seconds)
    end = min(terms.exit_time or house.close, house.close)
    if value is None or not earliest < value <= end:
        raise Refused("cut_off", "It has no cut-off time between the entry and the exit.",
                      fix=f"Send {name} after {earliest:%H:%M}, {end:%H:%M} at the latest.",
                      field=name)  # fmt: skip


def _moved(clock: time, seconds: int) -> time:
    moved = datetime.combine(date.min, clock) + timedelta(seconds=seconds)
    return moved.time() if moved.date() == date.min else time.max
