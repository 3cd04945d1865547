"""A chain is live at up to ten times a second, whatever pace the market has."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from execution.live.chains import Board
from tests.unit.execution.live.worlds import CALL, frame, quote

CHAIN = "chain:NIFTY:2026-08-11"
STEPS = 64  # a second, in exact binary fractions


class Watchers:
    """Stands for Valkey: somebody always watches the one chain."""

    def eval(self, *_):
        return [CHAIN.encode()]


@dataclass
class Told:
    """Stands for the outlet: what was told, and when by the board's clock."""

    clock: float = 0.0
    said: list = field(default_factory=list)

    def publish(self, deltas):
        self.said += [(self.clock, delta.channel, delta.changes) for delta in deltas]


def played(seconds, price_at):
    """What a board tells of a market that makes a frame at each of the steps."""
    told = Told()
    board = Board(Watchers(), told, lambda: told.clock)
    for n in range(seconds * STEPS + 1):
        told.clock = n / STEPS
        price = price_at(told.clock)
        seen = frame({CALL: quote(price, price, price)}, n=n + 1)
        board.step(seen, fresh=True, announced=n == 0)
    return told.said


def test_a_chain_that_changes_at_every_frame_is_told_ten_times_a_second_and_no_more():
    said = played(2, lambda clock: f"{70 + clock:.2f}")
    moments = [clock for clock, _, _ in said]

    assert {channel for _, channel, _ in said} == {CHAIN}
    assert moments[0] == 0.0
    assert min(later - earlier for earlier, later in pairwise(moments)) >= 0.1
    assert max(later - earlier for earlier, later in pairwise(moments)) < 0.1 + 1 / STEPS
    assert len(said) == 19  # at every seventh of the 64 steps of a second
    assert said[-1][2]["24700CE"]["ltp"] == f"{70 + moments[-1]:.2f}"  # the newest, not one kept back


def test_a_chain_that_stands_still_is_told_once():
    assert len(played(1, lambda _: "71.20")) == 1
