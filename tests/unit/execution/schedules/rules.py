"""The functions of the engine that decide. A mutant of the proof replaces one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from execution import gates, moves, resting


@dataclass(slots=True)
class Rules:
    """As the engine has them."""

    refusal: Callable = moves.refusal
    must_wait: Callable = moves.must_wait
    answered: Callable = moves.answered
    after_absence: Callable = moves.after_absence
    says_more: Callable = moves.says_more
    reported: Callable = moves.reported
    after_fill: Callable = moves.after_fill
    sum_fills: Callable = moves.sum_fills
    moved: Callable = moves.moved
    openings: Callable = gates.openings
    closings: Callable = gates.closings
    is_naked: Callable = resting.is_naked
    stops_of: Callable = resting.stops_of
    stop_step: Callable = resting.step
