"""A leg moved by listed strikes or into the next expiry, and how many shorts a book still covers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.contracts import Contract
from strategies.rules import Held, Unresolvable, coverable_lots, shifted, uncovered_lots
from tests.unit.strategies.frames import DAY, MONTH, NEXT_WEEK, WEEK, make_frame, make_resolved

CALL = Contract("NIFTY", WEEK, "CE", Decimal(24600))
SIDES = st.sampled_from(["BUY", "SELL"])


def moved(contract: Contract, **where) -> Contract:
    return shifted(contract, make_frame(), DAY, **({"steps": 0, "next_expiry": False} | where))


@pytest.mark.parametrize(
    ("where", "expiry", "strike"),
    [
        ({"steps": 2}, WEEK, 24700),
        ({"steps": 3}, WEEK, 24800),  # 24750 is not listed: a step is a listed strike
        ({"steps": -1}, WEEK, 24550),
        ({"next_expiry": True}, NEXT_WEEK, 24600),
        ({"next_expiry": True, "steps": -1}, NEXT_WEEK, 24500),
    ],
)
def test_a_leg_is_shifted_over_what_is_listed(where, expiry, strike):
    assert moved(CALL, **where) == Contract("NIFTY", expiry, "CE", Decimal(strike))


@pytest.mark.parametrize("where", [{"steps": 4}, {"steps": -20}])
def test_beyond_the_listed_strikes_there_is_nothing(where):
    with pytest.raises(Unresolvable, match="has no strike for"):
        moved(CALL, **where)


def test_a_strike_that_the_next_expiry_does_not_list_is_not_guessed():
    with pytest.raises(Unresolvable, match="24650"):
        moved(Contract("NIFTY", WEEK, "CE", Decimal(24650)), next_expiry=True)


def test_a_future_moves_to_the_next_month():
    assert moved(Contract("NIFTY", MONTH, "FUT"), next_expiry=True).expiry == date(2026, 9, 29)


@given(
    held=st.lists(st.tuples(SIDES, st.integers(1, 6), st.sampled_from([WEEK, NEXT_WEEK])), max_size=5),
    most=st.integers(1, 8),
    naked=st.integers(0, 3),
)
def test_as_many_shorts_are_released_as_are_covered_or_declared_and_no_more(held, most, naked):
    book = [
        Held(make_resolved(number, side, "CE", 24500 + 50 * number, expiry), lots * 65)
        for number, (side, lots, expiry) in enumerate(held, start=1)
    ]
    leg = make_resolved(9, "SELL", "CE", 24900, WEEK)

    def uncovered(lots: int) -> int:
        return uncovered_lots([*book, Held(leg, lots * 65)], "CE")

    released = coverable_lots(book, leg, most, naked)

    assert released == 0 or uncovered(released) <= naked
    assert all(uncovered(lots) > naked for lots in range(released + 1, most + 1))
