"""What a strategy version says: schedule, exits and legs; and what must not be saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal

from market.kernel import contracts
from strategies.rules.conditions import Conditions, check_conditions
from strategies.rules.dates import Schedule, expiry_of, nearest_rule
from strategies.rules.exit_checks import check_exits
from strategies.rules.stops import Trail
from strategies.rules.values import AtmBase, LegRule, StopUnit, TargetUnit, Unresolvable
from strategies.rules.written import naked_as_written
from users.errors import Refused

MOST_RATIO = 20
LONGEST_PATIENCE = 600  # seconds
MOST_DAYS_BEFORE = {"weekly": 4, "monthly": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Conditions):
    """Everything that one version of a strategy fixes; `legs` are numbered by their place."""

    legs: tuple[LegRule, ...]
    entry_time: time
    exit_time: time | None = None
    day_rule: str = "weekdays"
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    days_before: int = 0
    atm_base: AtmBase = "synthetic"
    entry_tolerance_seconds: int = 60
    completion: str = "hold_hedged"
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit_unit: TargetUnit = "rupees"
    stop_loss_unit: StopUnit = "rupees"
    trail: Trail = "none"
    trail_every: Decimal | None = None
    trail_by: Decimal | None = None
    lock_at: Decimal | None = None
    lock_profit: Decimal | None = None
    lock_every: Decimal | None = None
    lock_by: Decimal | None = None
    on_leg_stop: str = "leg"
    break_even: bool = False
    confirm_frames: int = 2
    stop_at_broker: bool = False
    at_expiry: str = "settle"
    roll_time: time | None = None
    roll_days_before: int = 0
    naked_calls: int = 0
    naked_puts: int = 0
    cash_secured: bool = False
    chase_after_seconds: int = 0
    all_or_none: bool = False

    @property
    def positional(self) -> bool:
        """Held overnight: no exit time."""
        return self.exit_time is None

    def schedule(self, underlying: str) -> Schedule:
        nearest = nearest_rule(self.legs)
        return Schedule(
            underlying=underlying,
            day_rule=self.day_rule,
            weekdays=self.weekdays,
            days_before=self.days_before,
            expiry_rule=nearest.expiry_rule,
            expiry_date=nearest.expiry_date,
        )

    def numbered(self) -> Terms:
        legs = (
            replace(leg, number=number, atm_base=self.atm_base)
            for number, leg in enumerate(self.legs, start=1)
        )
        return replace(self, legs=tuple(legs))


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the installation allows: the session's hours and the most legs; `day` is market time's."""

    day: date
    open: time
    close: time
    most_legs: int


def check(terms: Terms, *, underlying: str, house: House) -> None:
    """Refused, naming the field and the fix, for the first thing that must not be saved."""
    if underlying not in contracts.UNDERLYINGS:
        known = ", ".join(contracts.UNDERLYINGS)
        raise Refused("unknown_underlying", f"{underlying} is not an index we trade.",
                      fix=f"Use one of {known}.", field="underlying")  # fmt: skip
    _check_count(terms, house)
    for index, leg in enumerate(terms.legs):
        _check_leg(leg, f"legs/{index}", underlying, house)
    _check_times(terms, house)
    _check_days(terms)
    _check_at_expiry(terms)
    check_exits(terms)
    _check_naked(terms)
    check_conditions(terms, house)


def _check_count(terms: Terms, house: House) -> None:
    if not 1 <= len(terms.legs) <= house.most_legs:
        raise Refused(
            "leg_count",
            f"A strategy has 1 to {house.most_legs} legs, not {len(terms.legs)}.",
            fix="Remove legs, or split them into two strategies.",
            field="legs",
        )


def _check_leg(leg: LegRule, field: str, underlying: str, house: House) -> None:
    if not 1 <= leg.ratio <= MOST_RATIO:
        raise Refused("ratio", f"A leg's ratio is 1 to {MOST_RATIO}, not {leg.ratio}.",
                      fix="Use lots for size, the ratio for proportion.", field=f"{field}/ratio")  # fmt: skip
    _check_strike(leg, field, underlying)
    try:
        expiry_of(leg, underlying=underlying, day=house.day)
    except Unresolvable as error:
        name = "expiry_date" if leg.expiry_rule == "fixed" else "expiry_rule"
        raise Refused(error.code, error.message, fix="Choose a listed expiry.",
                      field=f"{field}/{name}") from error  # fmt: skip


def _check_strike(leg: LegRule, field: str, underlying: str) -> None:
    if not leg.is_option:
        if leg.strike_rule != "none" or leg.strike_value is not None:
            raise Refused("future_with_strike", "A future has no strike.",
                          fix="Send strike_rule none and no strike_value.",
                          field=f"{field}/strike_rule")  # fmt: skip
        return
    if leg.strike_rule == "none" or leg.strike_value is None:
        raise Refused("strike_missing", "An option needs a strike rule and its value.",
                      fix="Send strike_rule atm with strike_value 0 for at the money.",
                      field=f"{field}/strike_value")  # fmt: skip
    fits, words = STRIKE_VALUES[leg.strike_rule]
    if not fits(leg.strike_value, underlying):
        step = contracts.strike_step(underlying)
        raise Refused("strike_value", f"{leg.strike_value:f} does not fit {leg.strike_rule}.",
                      fix=words.format(step=step), field=f"{field}/strike_value")  # fmt: skip


Fits = Callable[[Decimal, str], bool]
STRIKE_VALUES: dict[str, tuple[Fits, str]] = {
    "atm": (
        lambda v, _: v == v.to_integral_value() and abs(v) <= 200,
        "Send a whole number of steps, such as 2 or -2.",
    ),
    "fixed": (
        lambda v, u: v > 0 and v % contracts.strike_step(u) == 0,
        "Send a strike on the grid of {step} points.",
    ),
    "delta": (lambda v, _: 0 < abs(v) < 1, "Send a delta between 0 and 1, such as 0.20."),
    "premium_closest": (lambda v, _: v > 0, "Send a premium above 0."),
    "premium_at_least": (lambda v, _: v > 0, "Send a premium above 0."),
    "premium_at_most": (lambda v, _: v > 0, "Send a premium above 0."),
    "percent_of_atm": (lambda v, _: abs(v) <= 50, "Send a percentage from -50 to 50."),
    "straddle_width": (lambda v, _: abs(v) <= 10, "Send straddle prices from -10 to 10."),
    "percent_of_straddle": (lambda v, _: 0 < v <= 500, "Send a percentage above 0, up to 500."),
}


def _check_times(terms: Terms, house: House) -> None:
    times = {"entry_time": terms.entry_time, "exit_time": terms.exit_time, "roll_time": terms.roll_time}
    for field, at in times.items():
        if at is not None and not house.open <= at < house.close:
            raise Refused("outside_session", f"{at:%H:%M} is outside the session.",
                          fix=f"Choose a time from {house.open:%H:%M} to before {house.close:%H:%M}.",
                          field=field)  # fmt: skip
    if terms.exit_time is not None and terms.exit_time <= terms.entry_time:
        raise Refused("exit_before_entry", "The exit is not after the entry.",
                      fix="Choose a later exit time, or none to hold overnight.",
                      field="exit_time")  # fmt: skip
    if not 0 <= terms.chase_after_seconds <= LONGEST_PATIENCE:
        raise Refused("chase_after_seconds",
                      f"A resting order waits 0 to {LONGEST_PATIENCE} seconds before its price is moved.",
                      fix="Send 0 to follow every frame.", field="chase_after_seconds")  # fmt: skip


def _check_days(terms: Terms) -> None:
    if terms.day_rule == "weekdays":
        days = terms.weekdays
        if not days or len(set(days)) < len(days) or not set(days) <= set(range(7)):
            raise Refused("weekdays", "Weekdays are 0 Monday to 6 Sunday, each once.",
                          fix="Send at least one, such as [0, 1, 2, 3, 4].",
                          field="weekdays")  # fmt: skip
    if terms.day_rule == "days_before_expiry":
        weekly = nearest_rule(terms.legs).expiry_rule.endswith("week")
        most = MOST_DAYS_BEFORE["weekly" if weekly else "monthly"]
        if not 1 <= terms.days_before <= most:
            raise Refused("days_before", f"Days before expiry are 1 to {most} for these legs.",
                          fix="Choose fewer days, or the rule expiry_day.",
                          field="days_before")  # fmt: skip


def _check_at_expiry(terms: Terms) -> None:
    if terms.at_expiry == "settle":
        return
    if not terms.positional:
        raise Refused("intraday_roll", "A strategy that exits the same day is not rolled.",
                      fix="Remove the exit time, or settle at expiry.", field="at_expiry")  # fmt: skip
    if terms.roll_time is None:
        raise Refused("roll_time_missing", "It does not say at what time to roll or close.",
                      fix="Send roll_time, such as 15:00.", field="roll_time")  # fmt: skip


def _check_naked(terms: Terms) -> None:
    calls, puts = naked_as_written(terms.legs)
    for field, found, word in (("naked_calls", calls, "call"), ("naked_puts", puts, "put")):
        if found > getattr(terms, field):
            raise Refused("undeclared_naked_short",
                          f"{found} short {word} a lot can be left without a hedge.",
                          fix=f"Buy a hedge, or say so with {field} {found}.", field=field)  # fmt: skip
    if terms.cash_secured and puts == 0:
        raise Refused("nothing_to_secure", "No short put is left to be secured by cash.",
                      fix="Send cash_secured false.", field="cash_secured")  # fmt: skip
