"""Ready-made strategies. Pure data: legs as distances from the money, in steps of the strike grid.

`offset` is how far the short strikes of a strangle or condor stand from the money, `width` how far
the wings stand beyond the shorts, both in listed strikes. "near" is this week, or this month on an
index without weeklies; "far" the expiry after it; "month" this month always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from typing import Literal

from market.kernel.contracts import has_weeklies
from strategies.rules import LegRule, Terms

EXPIRY_RULES = {
    "weekly": {"near": "this_week", "far": "next_week", "month": "this_month"},
    "monthly": {"near": "this_month", "far": "next_month", "month": "this_month"},
}


@dataclass(frozen=True, slots=True)
class PresetLeg:
    """A leg at ATM + offsets x offset + widths x width."""

    side: Literal["BUY", "SELL"]
    option_type: Literal["CE", "PE", "FUT"]
    offsets: int = 0
    widths: int = 0
    ratio: int = 1
    expiry: Literal["near", "far", "month"] = "near"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A strategy that can be created in seconds."""

    key: str
    name: str
    view: str
    cash_flow: Literal["credit", "debit"]
    description: str
    legs: tuple[PresetLeg, ...]
    naked_calls: int = 0
    naked_puts: int = 0
    offset: int = 4
    width: int = 4
    exit_time: time | None = time(15, 10)
    at_expiry: str = "settle"
    roll_time: time | None = None
    cash_secured: bool = False
    entry_time: time = time(9, 20)
    weekdays: tuple[int, ...] = field(default=(0, 1, 2, 3, 4))


def legs_of(
    preset: Preset, *, underlying: str, on: date, offset: int | None = None, width: int | None = None
) -> list[LegRule]:
    """The preset's legs for an underlying; expiries by whether it has weeklies on that day."""
    rules = EXPIRY_RULES["weekly" if has_weeklies(underlying, on) else "monthly"]
    offset = preset.offset if offset is None else offset
    width = preset.width if width is None else width
    return [
        _leg(number, leg, rules[leg.expiry], leg.offsets * offset + leg.widths * width)
        for number, leg in enumerate(preset.legs, start=1)
    ]


def terms_of(
    preset: Preset, *, underlying: str, on: date, offset: int | None = None, width: int | None = None
) -> Terms:
    """A complete strategy: the preset's legs with its usual schedule."""
    return Terms(
        legs=tuple(legs_of(preset, underlying=underlying, on=on, offset=offset, width=width)),
        entry_time=preset.entry_time,
        exit_time=preset.exit_time,
        weekdays=preset.weekdays,
        at_expiry=preset.at_expiry,
        roll_time=preset.roll_time,
        naked_calls=preset.naked_calls,
        naked_puts=preset.naked_puts,
        cash_secured=preset.cash_secured,
    )


def _leg(number: int, leg: PresetLeg, expiry_rule: str, steps: int) -> LegRule:
    future = leg.option_type == "FUT"
    return LegRule(
        number=number,
        side=leg.side,
        ratio=leg.ratio,
        option_type=leg.option_type,
        strike_rule="none" if future else "atm",
        strike_value=None if future else Decimal(steps),
        expiry_rule=expiry_rule,
        expiry_date=None,
    )


_PRESETS = (
    Preset(
        key="short_straddle", name="Short Straddle", view="range-bound", cash_flow="credit",
        description="Sell the call and the put at the money. Earns when little moves; loss unlimited.",
        legs=(PresetLeg("SELL", "CE"), PresetLeg("SELL", "PE")),
        naked_calls=1, naked_puts=1,
    ),
    Preset(
        key="long_straddle", name="Long Straddle", view="large move", cash_flow="debit",
        description="Buy the call and the put at the money. Earns on a large move either way.",
        legs=(PresetLeg("BUY", "CE"), PresetLeg("BUY", "PE")),
    ),
    Preset(
        key="short_strangle", name="Short Strangle", view="range-bound", cash_flow="credit",
        description="Sell a call above and a put below the money. Wider than a straddle, less credit.",
        legs=(PresetLeg("SELL", "CE", 1), PresetLeg("SELL", "PE", -1)),
        naked_calls=1, naked_puts=1,
    ),
    Preset(
        key="long_strangle", name="Long Strangle", view="large move", cash_flow="debit",
        description="Buy a call above and a put below the money. Cheap, needs a large move.",
        legs=(PresetLeg("BUY", "CE", 1), PresetLeg("BUY", "PE", -1)),
    ),
    Preset(
        key="iron_condor", name="Iron Condor", view="range-bound", cash_flow="credit",
        description="A short strangle with wings bought beyond it. Loss is limited by the wings.",
        legs=(
            PresetLeg("BUY", "CE", 1, 1), PresetLeg("BUY", "PE", -1, -1),
            PresetLeg("SELL", "CE", 1), PresetLeg("SELL", "PE", -1),
        ),
    ),
    Preset(
        key="iron_fly", name="Iron Fly", view="range-bound", cash_flow="credit",
        description="A short straddle with wings bought around it. Loss is limited by the wings.",
        legs=(
            PresetLeg("BUY", "CE", 0, 1), PresetLeg("BUY", "PE", 0, -1),
            PresetLeg("SELL", "CE"), PresetLeg("SELL", "PE"),
        ),
    ),
    Preset(
        key="bull_call_spread", name="Bull Call Spread", view="bullish", cash_flow="debit",
        description="Buy a call at the money, sell one above. Limited cost, limited gain.",
        legs=(PresetLeg("BUY", "CE"), PresetLeg("SELL", "CE", 0, 1)),
    ),
    Preset(
        key="bear_call_spread", name="Bear Call Spread", view="bearish", cash_flow="credit",
        description="Sell a call at the money, buy one above. Earns when the index does not rise.",
        legs=(PresetLeg("BUY", "CE", 0, 1), PresetLeg("SELL", "CE")),
    ),
    Preset(
        key="bull_put_spread", name="Bull Put Spread", view="bullish", cash_flow="credit",
        description="Sell a put at the money, buy one below. Earns when the index does not fall.",
        legs=(PresetLeg("BUY", "PE", 0, -1), PresetLeg("SELL", "PE")),
    ),
    Preset(
        key="bear_put_spread", name="Bear Put Spread", view="bearish", cash_flow="debit",
        description="Buy a put at the money, sell one below. Limited cost, limited gain.",
        legs=(PresetLeg("BUY", "PE"), PresetLeg("SELL", "PE", 0, -1)),
    ),
    Preset(
        key="butterfly", name="Butterfly", view="range-bound", cash_flow="debit",
        description="Sell two calls at the money, buy one below and one above. Cheap bet on a pin.",
        legs=(
            PresetLeg("BUY", "CE", 0, -1), PresetLeg("BUY", "CE", 0, 1),
            PresetLeg("SELL", "CE", ratio=2),
        ),
    ),
    Preset(
        key="calendar", name="Calendar", view="range-bound", cash_flow="debit",
        description="Sell the near call at the money, buy the next expiry's. Closed before the near "
        "one expires, so that no short is left naked.",
        legs=(PresetLeg("BUY", "CE", expiry="far"), PresetLeg("SELL", "CE")),
        exit_time=None, at_expiry="close", roll_time=time(15, 0),
    ),
    Preset(
        key="covered_call", name="Covered Call", view="mildly bullish", cash_flow="credit",
        description="Hold the monthly future and sell a call above it; the call is rolled.",
        legs=(
            PresetLeg("BUY", "FUT", expiry="month"), PresetLeg("SELL", "CE", 1, expiry="month"),
        ),
        exit_time=None, at_expiry="roll", roll_time=time(15, 0),
    ),
    Preset(
        key="cash_secured_put", name="Cash Secured Put", view="mildly bullish", cash_flow="credit",
        description="Sell a put below the money and reserve the cash of its full loss: "
        "(strike - premium) x quantity.",
        legs=(PresetLeg("SELL", "PE", -1, expiry="month"),),
        naked_puts=1, exit_time=None, cash_secured=True,
    ),
    Preset(
        key="jade_lizard", name="Jade Lizard", view="mildly bullish", cash_flow="credit",
        description="A naked short put and a bear call spread. No loss upwards when the credit is "
        "larger than the call spread is wide.",
        legs=(
            PresetLeg("BUY", "CE", 1, 1), PresetLeg("SELL", "CE", 1), PresetLeg("SELL", "PE", -1),
        ),
        naked_puts=1, width=2,
    ),
    Preset(
        key="call_ratio_spread", name="Call Ratio Spread", view="mildly bullish", cash_flow="credit",
        description="Buy one call at the money, sell two above. One short call is naked.",
        legs=(PresetLeg("BUY", "CE"), PresetLeg("SELL", "CE", 1, ratio=2)),
        naked_calls=1,
    ),
    Preset(
        key="put_ratio_spread", name="Put Ratio Spread", view="mildly bearish", cash_flow="credit",
        description="Buy one put at the money, sell two below. One short put is naked.",
        legs=(PresetLeg("BUY", "PE"), PresetLeg("SELL", "PE", -1, ratio=2)),
        naked_puts=1,
    ),
)  # fmt: skip

PRESETS: Mapping[str, Preset] = {preset.key: preset for preset in _PRESETS}
