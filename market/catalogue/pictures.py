"""The smile and the term structure as drawings: SVG geometry, and a sentence and rows that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil, floor

from market.catalogue.surface import SmilePoint, TermPoint

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 12, 30
X_LABELS = 5
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # vol points between two grid lines
MOST_LINES = 5

Point = tuple[float, float]
Mark = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Coordinates are SVG units from the upper left; `marked_x` is where the money is, None where
    that lies outside. `rows` are the cells of the table that stands for the drawing."""

    width: int
    height: int
    line: str
    dots: tuple[Point, ...]
    x_marks: tuple[tuple[float, str, str], ...]
    y_marks: tuple[Mark, ...]
    left: int
    right: int
    floor: int
    marked_x: float | None
    sentence: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def smile_picture(points: Sequence[SmilePoint], forward: Decimal) -> Picture | None:
    """Volatility over strikes; weak points are left out. None with fewer than two."""
    solid = [each for each in points if not each.weak]
    if len(solid) < 2:
        return None
    spots = [(float(each.strike), 100 * each.iv) for each in solid]
    return _picture(
        spots,
        labels=[_plain(each.strike) for each in solid],
        marked=float(forward),
        sentence=_smile_words(solid, forward),
        columns=("Strike", "Strike / forward", "Implied volatility"),
        rows=[(_plain(p.strike), f"{p.moneyness:.4f}", _percent(p.iv)) for p in solid],
    )


def term_picture(points: Sequence[TermPoint]) -> Picture | None:
    """At-the-money volatility over days to expiry. None with fewer than two known ones."""
    known = [(each, each.iv) for each in points if each.iv is not None]
    if len(known) < 2:
        return None
    return _picture(
        [(each.days, 100 * iv) for each, iv in known],
        labels=[_day(each.expiry) for each, _ in known],
        marked=None,
        sentence=_term_words([(each.expiry, iv) for each, iv in known]),
        columns=("Expiry", "Days", "Strike", "Implied volatility"),
        rows=[
            (_day(each.expiry), f"{each.days:.1f}", _plain(each.strike), _percent(iv))
            for each, iv in known
        ],
    )


def grid(low: float, high: float) -> list[float]:
    """At most five round levels, of which the first is at or below low and the last at or above high."""
    for step in STEPS:
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        last = max(last, first + 1)
        if last - first < MOST_LINES:
            return [round(n * step, 1) for n in range(first, last + 1)]
    return [floor(low), ceil(high)]


def _picture(
    points: Sequence[Point],
    *,
    labels: Sequence[str],
    marked: float | None,
    sentence: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Picture:
    first, last = points[0][0], points[-1][0]
    levels = grid(min(y for _, y in points), max(y for _, y in points))
    places = [_place(point, (first, last), levels) for point in points]
    inside = marked is not None and first <= marked <= last
    return Picture(
        width=WIDTH,
        height=HEIGHT,
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
        dots=tuple(places),
        x_marks=_apart([(x, label) for (x, _), label in zip(places, labels, strict=True)]),
        y_marks=tuple((_place((first, y), (first, last), levels)[1], f"{y:g}%") for y in levels),
        left=LEFT,
        right=WIDTH - RIGHT,
        floor=HEIGHT - BOTTOM,
        marked_x=_place((marked, levels[0]), (first, last), levels)[0]
        if inside and marked is not None
        else None,
        sentence=sentence,
        columns=columns,
        rows=tuple(rows),
    )


def _place(point: Point, across: tuple[float, float], levels: Sequence[float]) -> Point:
    x = (point[0] - across[0]) / (across[1] - across[0])
    y = (point[1] - levels[0]) / (levels[-1] - levels[0])
    return (
        round(LEFT + x * (WIDTH - LEFT - RIGHT), 1),
        round(HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM), 1),
    )


def _apart(marks: Sequence[Mark]) -> tuple[tuple[float, str, str], ...]:
    """(x, words, SVG anchor) of the marks that leave room for their words, from the left."""
    room = (WIDTH - LEFT - RIGHT) / X_LABELS
    kept: list[Mark] = []
    for x, label in marks:
        if not kept or x - kept[-1][0] >= room:
            kept.append((x, label))
    return tuple((x, label, "end" if x > WIDTH - 2 * RIGHT else "middle") for x, label in kept)


def _smile_words(points: Sequence[SmilePoint], forward: Decimal) -> str:
    money = min(points, key=lambda p: abs(p.strike - forward))
    lowest = min(points, key=lambda p: p.iv)
    low, high = points[0], points[-1]
    return (
        f"Implied volatility is {_percent(money.iv)} at the money ({_plain(money.strike)}), "
        f"lowest at {_plain(lowest.strike)} with {_percent(lowest.iv)}, "
        f"{_percent(low.iv)} at {_plain(low.strike)} and {_percent(high.iv)} at {_plain(high.strike)}."
    )


def _term_words(points: Sequence[tuple[date, float]]) -> str:
    (near, near_iv), (far, far_iv) = points[0], points[-1]
    shape = "falls" if far_iv < near_iv else "rises" if far_iv > near_iv else "stays"
    return (
        f"At the money, implied volatility {shape} from {_percent(near_iv)} for {_day(near)} "
        f"to {_percent(far_iv)} for {_day(far)}, over {len(points)} expiries."
    )


def _percent(iv: float) -> str:
    return f"{100 * iv:.1f}%"


def _plain(strike: Decimal) -> str:
    return f"{strike.normalize():f}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
