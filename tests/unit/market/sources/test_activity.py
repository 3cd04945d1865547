"""Depth, open interest and volume of simulated contracts."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernel.clock import at
from market.kernel.contracts import parse
from market.sources.activity import keys, uniform
from market.sources.simulated import World

DAY = date(2026, 8, 3)  # the day before an expiry


def moment(text: str, day: date = DAY) -> datetime:
    return at(day, time.fromisoformat(text))


@cache
def world(seed: int = 7) -> World:
    return World(seed, DAY)


def quotes(text: str, day: date = DAY):
    return world().frame_at(moment(text, day), timeline="sim", n=1, cadence=1).quotes


@settings(max_examples=10, deadline=None)
@given(second=st.integers(0, 22_800), later=st.integers(0, 300))
def test_volume_never_falls_and_everything_is_whole_lots(second, later):
    now = moment("09:15") + timedelta(seconds=second)
    first = world().frame_at(now, timeline="sim", n=1, cadence=1).quotes
    second_look = (
        world().frame_at(now + timedelta(seconds=later), timeline="sim", n=2, cadence=1).quotes
    )

    for symbol, quote in first.items():
        lot = parse(symbol).lot_size
        assert second_look[symbol].volume >= quote.volume >= 0
        assert quote.oi >= 0
        shown = (quote.oi, quote.volume, quote.bid_quantity, quote.ask_quantity)
        assert [units % lot for units in shown] == [0, 0, 0, 0]


def test_the_day_begins_with_no_volume_and_grows_most_at_both_ends():
    taken = [
        sum(quote.volume for quote in quotes(text).values())
        for text in ("09:15", "09:45", "12:00", "12:30", "15:10", "15:40")
    ]

    assert taken[0] == 0
    opening, midday, closing = taken[1] - taken[0], taken[3] - taken[2], taken[5] - taken[4]
    assert min(opening, closing) > 2 * midday


def test_open_interest_is_highest_near_the_money_and_in_the_nearest_expiry():
    shown = quotes("11:00")

    def interest(low: int, high: int, expiry: date) -> int:
        return sum(
            quote.oi for symbol, quote in shown.items()
            if (c := parse(symbol)).is_option and c.underlying == "NIFTY" and c.expiry == expiry
            and low <= abs(c.strike - 24500) <= high
        )  # fmt: skip

    assert interest(0, 300, date(2026, 8, 4)) > interest(500, 800, date(2026, 8, 4))
    assert interest(0, 800, date(2026, 8, 4)) > interest(0, 800, date(2026, 8, 18))


def test_the_last_day_unwinds_open_interest():
    expiry_day = date(2026, 8, 4)
    symbol = next(s for s in quotes("09:15", expiry_day) if s.startswith("NIFTY-20260804"))

    held = [quotes(text, expiry_day)[symbol].oi for text in ("09:15", "12:00", "15:30")]

    assert all(later < earlier for earlier, later in pairwise(held))


def test_a_world_of_one_index_quotes_it_as_the_whole_market_does():
    alone = World(7, DAY, underlyings={"NIFTY"}).frame_at(
        moment("11:00"), timeline="s", n=1, cadence=1
    )
    whole = quotes("11:00")

    assert alone.quotes == {symbol: q for symbol, q in whole.items() if symbol.startswith("NIFTY-")}
    assert alone.spots.keys() == {"NIFTY"}
    assert {name for name, _ in alone.forwards} == {"NIFTY"}


@given(st.lists(st.integers(0, 2**40), min_size=2, unique=True))
def test_different_contracts_draw_differently(numbers):
    drawn = uniform(keys(7, np.array(numbers)), 3)

    assert len(set(drawn.tolist())) == len(numbers)
    assert ((drawn >= 0) & (drawn < 1)).all()
