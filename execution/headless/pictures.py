"""The report's two curves as points of an SVG that is stretched to its place; labels stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from execution.headless.returns import Point, percent

WIDTH, HEIGHT = 1000, 100
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`line` joins the values, `area` closes it to the base line at height `base` (0 is the top)."""

    line: str
    area: str
    base: str
    top: Decimal
    bottom: Decimal


def equity(points: Sequence[Point]) -> Picture:
    """Rupees won or lost since the start, which is the base line."""
    start = points[0].equity - points[0].net
    return _picture([ZERO, *(point.equity - start for point in points)])


def underwater(points: Sequence[Point], capital: Decimal) -> Picture:
    """Percent of the capital below the highest equity so far; the base line is the high."""
    return _picture([ZERO, *(percent(point.drawdown, capital) for point in points)])


def _picture(values: Sequence[Decimal]) -> Picture:
    top, bottom = max(*values, ZERO), min(*values, ZERO)
    span = (top - bottom) or Decimal(1)
    step = Decimal(WIDTH) / (len(values) - 1)
    heights = [_short((top - value) / span * HEIGHT) for value in values]
    base = _short(top / span * HEIGHT)
    line = " ".join(f"{_short(step * at)},{height}" for at, height in enumerate(heights))
    return Picture(
        line=line, area=f"0,{base} {line} {WIDTH},{base}", base=base, top=top, bottom=bottom
    )


def _short(value: Decimal) -> str:
    return f"{value:.2f}"
