"""The picture of a run: a lane for each slice, grouped by pair and leg, over market time. SVG units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template

from execution.lanes import Lane, PairLanes, Picture, Slice
from execution.views.words import ORDER_WORDS
from market.kernel.contracts import parse
from strategies.templatetags.strategy import contract_name
from users.templatetags.money import ist

register = template.Library()

WIDTH, LEFT, RIGHT = 900, 300, 872
ROW, HEAD, TOP = 22, 28, 30
STILL = 4  # the width of what began and ended at one moment


@dataclass(frozen=True, slots=True)
class Bar:
    """One slice: a dashed line until the broker answered, then a bar; a dot for each fill."""

    y: int
    label: str
    state: str
    tone: str
    ready_x: float
    answered_x: float
    width: float
    dots: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A pair: its heading and its slices."""

    y: int
    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    height: int
    groups: tuple[Group, ...]
    marks: tuple[tuple[float, str, str], ...]
    sentence: str
    width: int = WIDTH
    left: int = LEFT
    right: int = RIGHT


@register.inclusion_tag("execution/lanes.html")
def lanes(picture: Picture) -> dict[str, Any]:
    """Nothing before the first order."""
    return {"drawing": draw(picture)}


def draw(picture: Picture) -> Drawing | None:
    """The picture's geometry; None before the first order."""
    if picture.span is None:
        return None
    scale = _Scale(*picture.span)
    groups, y = [], TOP
    for pair in picture.pairs:
        bars = tuple(_bars(pair, y + HEAD, scale))
        title = f"{pair.run.allocation.broker_account.label}, {pair.run.lots} lots"
        groups.append(Group(y + 18, title, bars))
        y += HEAD + ROW * len(bars)
    return Drawing(y + 8, tuple(groups), scale.marks(), _sentence(picture))


class _Scale:
    def __init__(self, first: datetime, last: datetime) -> None:
        self._first, self._last = first, last
        self._seconds = max((last - first).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        return round(LEFT + (at - self._first).total_seconds() / self._seconds * (RIGHT - LEFT), 1)

    def marks(self) -> tuple[tuple[float, str, str], ...]:
        ends = [(self.x(self._first), ist(self._first), "start")]
        if self._last > self._first:
            ends.append((self.x(self._last), ist(self._last), "end"))
        return tuple(ends)

    def last(self) -> float:
        return self.x(self._last)


def _bars(pair: PairLanes, top: int, scale: _Scale) -> Iterator[Bar]:
    rows = [(lane, each) for lane in pair.lanes for each in lane.slices]
    for n, (lane, each) in enumerate(rows):
        ready = scale.x(each.order.created_at)
        answered = scale.x(each.answered_at) if each.answered_at else ready
        ended = scale.x(each.order.finished_at) if each.order.finished_at else scale.last()
        state, tone = ORDER_WORDS[each.order.status]
        yield Bar(
            y=top + n * ROW, label=_label(lane, each), state=state, tone=tone, ready_x=ready,
            answered_x=answered, width=max(round(ended - answered, 1), STILL),
            dots=tuple(scale.x(fill.at) for fill in each.fills),
        )  # fmt: skip


def _label(lane: Lane, each: Slice) -> str:
    number = f"{each.order.slice}" + (f".{each.order.attempt}" if each.order.attempt > 1 else "")
    return f"Leg {lane.leg_number} {lane.side[:1]} {contract_name(parse(lane.symbol))} #{number}"


def _sentence(picture: Picture) -> str:
    assert picture.span is not None
    first, last = picture.span
    sent = sum(pair.sent for pair in picture.pairs)
    filled = sum(pair.filled for pair in picture.pairs)
    twice = sum(sent_twice(pair) for pair in picture.pairs)
    again = f"{twice} went out more than once." if twice else "None was sent twice."
    orders = f"{sent} order{'' if sent == 1 else 's'} sent, {filled} filled"
    return f"{orders}, {ist(first)} to {ist(last)}. {again}"


def sent_twice(pair: PairLanes) -> int:
    """Slices of which more than one attempt may have reached the broker; by design there are none."""
    reached = Counter(
        (lane.leg_number, lane.action, each.order.slice)
        for lane in pair.lanes
        for each in lane.slices
        if each.was_sent and each.order.status != "NEVER_SENT"
    )
    return sum(count > 1 for count in reached.values())
