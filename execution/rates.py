"""The calls of an account against every window of its broker: pure arithmetic, no clock of its own.

A call counts from the moment it is allowed until its answer, and from the answer for the length of
each window. Whenever the broker saw it, in between, it was counted: so no window is exceeded at the
broker either, however long a call was on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from brokers.limits import MINUTE, CallWindow

PARTS = 50  # of a window, in which answers are counted together; a part counts until it is wholly over
LONGEST_FLIGHT_US = 17_000_000  # above the wire's time-outs; then a call without an answer has ended
AHEAD_US = 2_000_000  # two machines' clocks may differ so much; more is a clock that was set back


class Kind(StrEnum):
    """What a call does, the most urgent first."""

    CANCEL = "cancel"
    EXIT = "exit"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls on their way, answers not counted yet, and counted ones by window and part. Microseconds."""

    flying: Mapping[str, int] = field(default_factory=dict)
    landed: Sequence[int] = ()
    counts: Mapping[int, Mapping[int, int]] = field(default_factory=dict)


def ask(
    spent: Spent, windows: Sequence[CallWindow], kind: Kind, *, call: str, at: int
) -> Spent | None:
    """What is spent once this call is allowed; None when it must wait."""
    now = tidy(spent, windows, at=at)
    if any(used(now, window, at=at) >= share(window, kind) for window in windows):
        return None
    return Spent({**now.flying, call: at}, now.landed, now.counts)


def share(window: CallWindow, kind: Kind) -> int:
    """How far a kind may fill the window: exits leave a place for cancels, entries more for both.

    What was opened within an hour or a day must be closable within it, so entries take half of those.
    """
    if kind is Kind.CANCEL:
        return window.most
    if kind is Kind.EXIT:
        return window.most - max(1, window.most // 20)
    if window.seconds > MINUTE:
        return window.most // 2
    return window.most - max(2, window.most // 5)


def used(spent: Spent, window: CallWindow, *, at: int) -> int:
    """Calls that the broker may have seen within the window that ends now."""
    part = _part(window.seconds)
    since = at - window.seconds * 1_000_000
    counted = spent.counts.get(window.seconds, {})
    return len(spent.flying) + sum(n for b, n in counted.items() if (b + 1) * part > since)


def tidy(spent: Spent, windows: Sequence[CallWindow], *, at: int) -> Spent:
    """The same with answers counted, old parts forgotten, and nothing in the future.

    After the clock was set back, what lies ahead happened an unknown while ago: it counts as now.
    """
    latest = at + AHEAD_US
    flying = {call: at if since > latest else since for call, since in spent.flying.items()}
    lost = {call for call, since in flying.items() if at - since > LONGEST_FLIGHT_US}
    ended = [*spent.landed, *(flying[call] + LONGEST_FLIGHT_US for call in lost)]
    landed = [at if end > latest else end for end in ended]
    counts = {w.seconds: _counted(spent, w.seconds, landed, at=at) for w in windows}
    return Spent({c: since for c, since in flying.items() if c not in lost}, (), counts)


def _counted(spent: Spent, seconds: int, landed: Sequence[int], *, at: int) -> dict[int, int]:
    part, since = _part(seconds), at - seconds * 1_000_000
    counts: dict[int, int] = {}
    for number, calls in spent.counts.get(seconds, {}).items():
        kept = at // part if number * part > at + AHEAD_US else number
        if (kept + 1) * part > since:
            counts[kept] = counts.get(kept, 0) + calls
    for end in landed:
        if (end // part + 1) * part > since:
            counts[end // part] = counts.get(end // part, 0) + 1
    return counts


def _part(seconds: int) -> int:
    return seconds * 1_000_000 // PARTS
