"""Payoff pictures as SVG: the drawing, the sentences and the table that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from django import template

from market.catalogue import payoff as catalogue
from market.catalogue.legs import Wanted
from market.kernel import payoff, pricing
from market.kernel.frame import Frame
from market.kernel.payoff import PayoffLeg
from strategies.presets import Preset
from strategies.rules import ResolvedLeg
from strategies.templatetags.payoff_drawing import Drawing, drawing
from users.templatetags.money import grouped

register = template.Library()

SIZE = (640, 352, 50)
THUMB_SIZE = (150, 56, 4)
THUMB_SPOT, THUMB_STEP, THUMB_VOL, THUMB_YEARS, FAR_YEARS = 100.0, 1.0, 0.45, 7 / 365, 28 / 365

Row = tuple[str, Decimal, Decimal | None, Decimal]


@dataclass(frozen=True, slots=True)
class Payoff:
    """What a payoff figure needs: the drawing, sentences, and rows (spot, at expiry, target, now)."""

    drawing: Drawing
    sentence: str
    odds: str
    target: str
    rows: tuple[Row, ...]
    summary: catalogue.Payoff


def of_resolved(legs: Sequence[ResolvedLeg], frame: Frame) -> Payoff:
    """The payoff of one lot of these legs, bought and sold at the prices they were chosen at."""
    wanted = [
        Wanted(
            leg.contract,
            1 if leg.side == "BUY" else -1,
            leg.quantity_per_lot,
            float(leg.reference),
        )
        for leg in legs
    ]
    found = catalogue.payoff_of(frame, wanted)
    target = found.target
    return Payoff(
        drawing=drawing(
            np.array(found.spots),
            np.array(found.at_expiry),
            spot=found.spot,
            size=SIZE,
            target=np.array(target.profit) if target else None,
            today=np.array(found.today),
            evens=found.breakevens,
            bands=found.bands,
        ),
        sentence=_sentence(found),
        odds=_odds(found),
        target=f"{target.day:%a %-d %b}" if target else "",
        rows=_rows(found),
        summary=found,
    )


@register.inclusion_tag("parts/payoff.html")
def payoff_figure(figure: Payoff) -> dict[str, Any]:
    return {"figure": figure, "drawing": figure.drawing}


@register.inclusion_tag("parts/thumb.html")
def payoff_thumb(preset: Preset) -> dict[str, Any]:
    """The preset's shape; nominal prices, so no figure is shown on it."""
    years = [FAR_YEARS if leg.expiry == "far" else THUMB_YEARS for leg in preset.legs]
    legs = [_thumb_leg(preset, i, t) for i, t in enumerate(years)]
    spots = np.linspace(THUMB_SPOT - 11, THUMB_SPOT + 11, 89)
    left = [t - min(years) for t in years]
    profit = payoff.curve(legs, spots, left, THUMB_VOL, rate=0.0)
    return {"drawing": drawing(spots, profit, spot=THUMB_SPOT, size=THUMB_SIZE)}


def _thumb_leg(preset: Preset, index: int, years: float) -> PayoffLeg:
    leg = preset.legs[index]
    side: Literal[1, -1] = 1 if leg.side == "BUY" else -1
    if leg.option_type == "FUT":
        return PayoffLeg(side, leg.ratio, "FUT", None, THUMB_SPOT)
    steps = leg.offsets * preset.offset + leg.widths * preset.width
    strike = THUMB_SPOT + steps * THUMB_STEP
    price = pricing.price(THUMB_SPOT, strike, years, 1.0, THUMB_VOL, leg.option_type == "CE")
    return PayoffLeg(side, leg.ratio, leg.option_type, strike, float(price))


def _sentence(found: catalogue.Payoff) -> str:
    best = "has no upper bound" if found.max_profit is None else f"is {_words(found.max_profit)}"
    worst = "has no bound" if found.max_loss is None else f"is {_words(min(0.0, found.max_loss))}"
    evens = [_points(each) for each in found.breakevens if each > 0]
    where = f"It breaks even at {' and '.join(evens)}." if evens else "It has no breakeven."
    when = f"On {found.expiry:%a %-d %b}, for one lot before charges,"
    if found.exact:
        return f"{when} the best result {best} and the worst {worst}. {where}"
    return (
        f"{when} when the first leg expires and the others are valued at today's volatility, "
        f"the best result {best} and the worst {worst}. {where}"
    )


def _odds(found: catalogue.Payoff) -> str:
    """The probability and the bands with their definition; empty where the market implies none."""
    if found.probability_of_profit is None or found.atm_vol is None:
        return ""
    one, two = found.bands
    return (
        f"Probability of profit {found.probability_of_profit:.0%}. Shaded: the index ends between "
        f"{_points(one.low)} and {_points(one.high)} with {one.probability:.0%}, between "
        f"{_points(two.low)} and {_points(two.high)} with {two.probability:.0%}. All of it is "
        f"lognormal on the forward at the at-the-money volatility of {found.atm_vol:.1%}: "
        "the market's price of risk, not a forecast."
    )


def _rows(found: catalogue.Payoff) -> tuple[Row, ...]:
    """Strikes, breakevens near the money, and the spot, where the chart has them."""
    spots = np.array(found.spots)
    strikes = {each.leg.strike for each in found.legs if each.leg.strike is not None}
    evens = {even for even in found.breakevens if spots[0] <= even <= spots[-1]}
    rows = []
    for point in sorted({*strikes, *evens, found.spot}):
        n = int(np.abs(spots - point).argmin())
        target = None if found.target is None else Decimal(round(found.target.profit[n]))
        end, now = Decimal(round(found.at_expiry[n])), Decimal(round(found.today[n]))
        rows.append((_points(point), end, target, now))
    return tuple(rows)


def _points(level: float) -> str:
    return grouped(Decimal(round(level)), places=0)


def _words(amount: float) -> str:
    return grouped(Decimal(str(round(amount))), places=0, sign=True) + " rupees"
