"""Payoff drawings as SVG: the geometry, the sentence and the table that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from django import template

from market.kernel import calendar, payoff, pricing
from market.kernel.frame import Frame
from market.kernel.payoff import PayoffLeg
from strategies.presets import Preset
from strategies.rules import ResolvedLeg
from users.templatetags.money import grouped

register = template.Library()

WIDTH, HEIGHT, PAD = 640, 300, 26
THUMB_SPOT, THUMB_STEP, THUMB_VOL, THUMB_YEARS, FAR_YEARS = 100.0, 1.0, 0.45, 7 / 365, 28 / 365


@dataclass(frozen=True, slots=True)
class Drawing:
    """One profit line over spots, in SVG units."""

    width: int
    height: int
    zero: float
    line: str
    gain: str
    drop: str
    today: str
    spot_x: float
    x_marks: tuple[tuple[float, str], ...]
    y_marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Payoff:
    """What a payoff figure needs: the drawing, a sentence, and rows (spot, at expiry, now)."""

    drawing: Drawing
    sentence: str
    rows: tuple[tuple[str, Decimal, Decimal], ...]
    summary: payoff.PayoffSummary


def of_legs(
    legs: Sequence[PayoffLeg],
    *,
    spot: float,
    years: Sequence[float],
    vols: Sequence[float],
    basis: Sequence[float] | None = None,
) -> Payoff:
    """The payoff of one lot at the nearest expiry (solid) and now (dashed)."""
    summary = payoff.summary(legs)
    nearest = min(years)
    left = [t - nearest for t in years]
    spots = _spots(spot, summary)
    at_expiry = payoff.curve(legs, spots, left, vols)
    now = payoff.curve(legs, spots, years, vols, basis=None if basis is None else list(basis))
    points = sorted({*summary.kinks, *(b for b in summary.breakevens if b > 0), spot})
    return Payoff(
        drawing=_drawing(spots, at_expiry, now, spot=spot, size=(WIDTH, HEIGHT, PAD)),
        sentence=_sentence(summary, mixed=max(left) > 0),
        rows=_rows(legs, points, years=years, vols=vols, left=left),
        summary=summary,
    )


def of_resolved(legs: Sequence[ResolvedLeg], frame: Frame) -> Payoff:
    """The payoff of one lot of these legs at the frame's prices."""
    priced = [
        PayoffLeg(
            1 if leg.side == "BUY" else -1,
            leg.quantity_per_lot,
            leg.contract.option_type,
            None if leg.contract.strike is None else float(leg.contract.strike),
            float(leg.reference),
        )
        for leg in legs
    ]
    forwards = [_forward(leg, frame) for leg in legs]
    years = [_years(leg, frame) for leg in legs]
    nearest = min(range(len(legs)), key=lambda n: years[n])
    spot = float(frame.spots.get(legs[0].contract.underlying) or forwards[nearest])
    vols = [_vol(leg, f, t) for leg, f, t in zip(legs, forwards, years, strict=True)]
    return of_legs(priced, spot=spot, years=years, vols=vols, basis=[f / spot for f in forwards])


def _forward(leg: ResolvedLeg, frame: Frame) -> float:
    contract = leg.contract
    known = frame.forwards.get((contract.underlying, contract.expiry))
    return float(leg.reference if not contract.is_option or known is None else known)


def _years(leg: ResolvedLeg, frame: Frame) -> float:
    contract = leg.contract
    ends = calendar.settlement_time(contract.exchange, contract.expiry)
    return pricing.year_fraction(frame.now, ends)


def _vol(leg: ResolvedLeg, forward: float, years: float) -> float:
    """The volatility that the mid implies; 0, so intrinsic value, where it implies none."""
    contract = leg.contract
    if contract.strike is None:
        return 0.0
    vol, _ = pricing.implied_vol(
        float(leg.reference), forward, float(contract.strike), years,
        float(np.exp(-pricing.RATE * years)), contract.is_call,
    )  # fmt: skip
    return 0.0 if np.isnan(vol) else float(vol)


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
    return {"drawing": _drawing(spots, profit, None, spot=THUMB_SPOT, size=(150, 56, 4))}


def _thumb_leg(preset: Preset, index: int, years: float) -> PayoffLeg:
    leg = preset.legs[index]
    side: Literal[1, -1] = 1 if leg.side == "BUY" else -1
    if leg.option_type == "FUT":
        return PayoffLeg(side, leg.ratio, "FUT", None, THUMB_SPOT)
    steps = leg.offsets * preset.offset + leg.widths * preset.width
    strike = THUMB_SPOT + steps * THUMB_STEP
    price = pricing.price(THUMB_SPOT, strike, years, 1.0, THUMB_VOL, leg.option_type == "CE")
    return PayoffLeg(side, leg.ratio, leg.option_type, strike, float(price))


def _spots(spot: float, summary: payoff.PayoffSummary) -> np.ndarray:
    marks = [spot, *summary.kinks, *(b for b in summary.breakevens if b > spot / 2)]
    reach = max(0.03 * spot, 1.35 * max(abs(mark - spot) for mark in marks))
    even = np.linspace(spot - reach, spot + reach, 121)
    inside = [mark for mark in marks if spot - reach < mark < spot + reach]
    return np.unique(np.concatenate([even, inside]))


def _drawing(
    spots: np.ndarray,
    profit: np.ndarray,
    now: np.ndarray | None,
    *,
    spot: float,
    size: tuple[int, int, int],
) -> Drawing:
    width, height, pad = size
    seen = profit if now is None else np.concatenate([profit, now])
    low, high = min(0.0, float(seen.min())), max(0.0, float(seen.max()))
    scale = (height - 2 * pad) / ((high - low) or 1.0)
    xs = (spots - spots[0]) / (spots[-1] - spots[0]) * width
    zero = pad + high * scale

    def points(values: np.ndarray) -> str:
        ys = zero - values * scale
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))

    def area(values: np.ndarray) -> str:
        return f"0,{zero:.1f} {points(values)} {width},{zero:.1f}"

    def across(price: float) -> float:
        return round(float((price - spots[0]) / (spots[-1] - spots[0]) * width), 1)

    ticks = np.linspace(spots[0], spots[-1], 7)[1:-1]
    levels = [level for level in (high, low) if level]
    return Drawing(
        width=width,
        height=height,
        zero=round(zero, 1),
        line=points(profit),
        gain=area(np.maximum(profit, 0)),
        drop=area(np.minimum(profit, 0)),
        today="" if now is None else points(now),
        spot_x=across(spot),
        x_marks=tuple((across(t), grouped(Decimal(round(t)), places=0)) for t in ticks),
        y_marks=tuple(
            (round(zero - level * scale, 1), grouped(Decimal(round(level)), places=0, sign=True))
            for level in levels
        ),
    )


def _sentence(summary: payoff.PayoffSummary, *, mixed: bool) -> str:
    if mixed:
        return "The legs expire on different days; the line is the value when the nearest expires."
    best = "has no upper bound" if summary.max_profit is None else f"is {_words(summary.max_profit)}"
    worst = "has no bound" if summary.max_loss is None else f"is {_words(min(0.0, summary.max_loss))}"
    evens = [grouped(Decimal(str(round(b))), places=0) for b in summary.breakevens if b > 0]
    where = f"It breaks even at {' and '.join(evens)}." if evens else "It has no breakeven."
    return f"At expiry, for one lot before charges, the best result {best} and the worst {worst}. {where}"


def _words(amount: float) -> str:
    return grouped(Decimal(str(round(amount))), places=0, sign=True) + " rupees"


def _rows(
    legs: Sequence[PayoffLeg],
    points: Sequence[float],
    *,
    years: Sequence[float],
    vols: Sequence[float],
    left: Sequence[float],
) -> tuple[tuple[str, Decimal, Decimal], ...]:
    spots = np.array(points)
    ends, nows = payoff.curve(legs, spots, left, vols), payoff.curve(legs, spots, years, vols)
    return tuple(
        (grouped(Decimal(round(x)), places=0), Decimal(round(e)), Decimal(round(n)))
        for x, e, n in zip(points, ends, nows, strict=True)
    )
