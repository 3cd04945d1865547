"""What an armed entry waits for: the level from the reference, and when it is reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.rules import (
    Conditions,
    Unresolvable,
    premium_of,
    restored,
    stored,
    value_of,
    watch_of,
)
from strategies.rules.watching import PREMIUM, Watch
from tests.unit.strategies.frames import FORWARD, NOW, WEEK, make_frame, make_resolved, make_stale

SHORT = make_resolved(1, "SELL", "CE", 24500)  # at 122, a lot of 65
LONG = make_resolved(2, "BUY", "CE", 24600)  # at 74
LEGS = [SHORT, LONG]
PRICES = st.decimals("0.05", "5000", places=2)


def watching(**terms) -> Watch:
    return watch_of(Conditions(**terms), LEGS, frame=make_frame(), base="synthetic", until=NOW)


@pytest.mark.parametrize(
    ("terms", "of", "reference", "level"),
    [
        ({"wait_for": "leg", "wait_leg": 1, "wait_move": Decimal(10)}, SHORT.contract.symbol, "122", "132"),
        ({"wait_for": "leg", "wait_leg": 2, "wait_move": Decimal(-10), "wait_unit": "percent"},
         LONG.contract.symbol, "74", "66.6"),
        ({"wait_for": "underlying", "wait_move": Decimal(-50)}, "NIFTY", str(FORWARD), "24462.30"),
        ({"wait_for": "underlying", "wait_move": Decimal(1), "wait_unit": "percent"}, "NIFTY",
         str(FORWARD), "24757.423"),
    ],
)  # fmt: skip
def test_the_level_lies_as_far_from_the_reference_as_was_said(terms, of, reference, level):
    watch = watching(**terms)

    assert (watch.of, watch.reference, watch.level) == (of, Decimal(reference), Decimal(level))
    assert value_of(watch, LEGS, frame=make_frame(), base="synthetic") == Decimal(reference)


@pytest.mark.parametrize(
    ("level", "value", "reached"),
    [("110", "109.99", False), ("110", "110", True), ("90", "90.01", False), ("90", "90", True), ("100", "100", True)],
)
def test_it_is_reached_at_the_level_and_beyond_from_its_own_side(level, value, reached):
    watch = Watch(of="NIFTY", reference=Decimal(100), level=Decimal(level), until=NOW)

    assert watch.reached(Decimal(value)) is reached


def test_a_stale_price_is_not_waited_on():
    frame = make_stale(make_frame(), SHORT.contract.symbol)

    with pytest.raises(Unresolvable, match="last quote"):
        value_of(watching(wait_for="leg", wait_leg=1, wait_move=Decimal(1)), LEGS, frame=frame, base="spot")


def test_the_premium_counts_what_is_sold_up_and_what_is_bought_down():
    watch = Watch(of=PREMIUM, reference=Decimal(0), level=Decimal(1), until=NOW)
    doubled = [SHORT, replace(LONG, ratio=2)]

    assert value_of(watch, LEGS, frame=make_frame(), base="synthetic") == (122 - 74) * 65
    assert premium_of(doubled, {1: Decimal(122), 2: Decimal(74)}) == (122 - 148) * 65


@given(reference=PRICES, level=PRICES, expiry=st.one_of(st.none(), st.just(WEEK), st.dates(date(2026, 1, 1))))
def test_a_watch_is_read_back_as_it_was_stored(reference, level, expiry):
    watch = Watch(of="NIFTY", expiry=expiry, reference=reference, level=level, until=NOW)

    assert restored(stored(watch)) == watch
    assert watch.reached(level)
