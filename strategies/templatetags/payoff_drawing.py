"""The geometry of a payoff picture in SVG units: lines, shaded bands, marks. No tag is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from market.kernel.outlook import Band
from users.templatetags.money import grouped

TICKS = 5
EDGE = 0.07  # of the width: a number nearer to a side would be cut off
STEPS = (
    1,
    2,
    5,
    10,
    20,
    25,
    50,
    100,
    200,
    250,
    500,
    1000,
    2000,
    2500,
    5000,
    10_000,
    20_000,
    50_000,
)
LABEL_ROOM = 58  # SVG units that a mark at the top needs to itself


@dataclass(frozen=True, slots=True)
class Shade:
    """A band from x to x + width; `name` says the sigma of its edges."""

    name: str
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One profit line over spots; `target` and `today` are empty where they are not drawn."""

    width: int
    height: int
    zero: float
    line: str
    gain: str
    drop: str
    target: str
    today: str
    spot_x: float
    evens: tuple[float, ...]
    shades: tuple[Shade, ...]
    edges: tuple[tuple[float, str], ...]
    x_marks: tuple[tuple[float, str], ...]
    y_marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Where spots and profits fall: 0 is at the left edge and at `zero` from the top."""

    spots: np.ndarray
    low: float
    high: float
    width: int
    height: int
    pad: int

    @classmethod
    def of(
        cls, spots: np.ndarray, lines: Sequence[np.ndarray], size: tuple[int, int, int]
    ) -> Canvas:
        seen = np.concatenate(lines)
        low, high = min(0.0, float(seen.min())), max(0.0, float(seen.max()))
        return cls(spots=spots, low=low, high=high, width=size[0], height=size[1], pad=size[2])

    @property
    def scale(self) -> float:
        return (self.height - 2 * self.pad) / ((self.high - self.low) or 1.0)

    @property
    def zero(self) -> float:
        return self.pad + self.high * self.scale

    def across(self, price: float) -> float:
        first, last = float(self.spots[0]), float(self.spots[-1])
        return round((price - first) / (last - first) * self.width, 1)

    def down(self, profit: float) -> float:
        return round(self.zero - profit * self.scale, 1)

    def points(self, values: np.ndarray) -> str:
        pairs = zip(self.spots.tolist(), values.tolist(), strict=True)
        return " ".join(f"{self.across(x):.1f},{self.down(y):.1f}" for x, y in pairs)

    def area(self, values: np.ndarray) -> str:
        return f"0,{self.zero:.1f} {self.points(values)} {self.width},{self.zero:.1f}"


def drawing(  # noqa: PLR0913 - a picture has that many parts
    spots: np.ndarray,
    profit: np.ndarray,
    *,
    spot: float,
    size: tuple[int, int, int],
    target: np.ndarray | None = None,
    today: np.ndarray | None = None,
    evens: Sequence[float] = (),
    bands: Sequence[Band] = (),
) -> Drawing:
    """The picture of these profits; width, height and the room above and below in `size`."""
    lines = [line for line in (profit, target, today) if line is not None]
    on = Canvas.of(spots, lines, size)
    levels = [
        level for level in (max(0.0, float(profit.max())), min(0.0, float(profit.min()))) if level
    ]
    return Drawing(
        width=on.width,
        height=on.height,
        zero=round(on.zero, 1),
        line=on.points(profit),
        gain=on.area(np.maximum(profit, 0)),
        drop=on.area(np.minimum(profit, 0)),
        target="" if target is None else on.points(target),
        today="" if today is None else on.points(today),
        spot_x=on.across(spot),
        evens=tuple(on.across(each) for each in evens if spots[0] <= each <= spots[-1]),
        shades=_shades(on, bands),
        edges=_edges(on, bands),
        x_marks=tuple((on.across(t), grouped(Decimal(t), places=0)) for t in _ticks(spots)),
        y_marks=tuple(
            (on.down(level), grouped(Decimal(round(level)), places=0, sign=True))
            for level in levels
        ),
    )


def _shades(on: Canvas, bands: Sequence[Band]) -> tuple[Shade, ...]:
    """The widest first, so that the narrower ones lie on it."""
    found = []
    for band in sorted(bands, key=lambda each: -each.sigma):
        left, right = max(on.across(band.low), 0.0), min(on.across(band.high), float(on.width))
        found.append(Shade(f"{band.sigma}σ", left, round(right - left, 1)))
    return tuple(found)


def _edges(on: Canvas, bands: Sequence[Band]) -> tuple[tuple[float, str], ...]:
    """A name at each edge, the outer ones first, left out where it would run into another."""
    kept: list[tuple[float, str]] = []
    for band in sorted(bands, key=lambda each: -each.sigma):
        for level, sign in ((band.low, "−"), (band.high, "+")):
            x = on.across(level)
            if 0 <= x <= on.width and all(abs(x - other) >= LABEL_ROOM for other, _ in kept):
                kept.append((x, f"{sign}{band.sigma}σ"))
    return tuple(kept)


def _ticks(spots: np.ndarray) -> list[int]:
    """Round levels inside the range, at most as many as there is room for."""
    first, last = float(spots[0]), float(spots[-1])
    step = next((step for step in STEPS if (last - first) / step <= TICKS + 1), STEPS[-1])
    side = (last - first) * EDGE
    levels = [n * step for n in range(int(first // step), int(last // step) + 1)]
    return [level for level in levels if first + side <= level <= last - side]
