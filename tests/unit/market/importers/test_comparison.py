"""Our volatility beside the exchange's own."""

from datetime import date, datetime
from decimal import Decimal
from math import exp

import numpy as np
import pytest

from market.importers.comparison import NO_FORWARD, NOT_GIVEN, Gap, compare, gap
from market.importers.rows import Snapshot
from market.kernel import pricing
from market.kernel.clock import IST
from market.kernel.contracts import Contract
from market.kernel.frame import Frame, Quote

AT = datetime(2026, 7, 10, 15, 30, tzinfo=IST)
EXPIRY = date(2026, 7, 14)
YEARS = 4 / 365
SPOT = Decimal("24206.90")
KEY = ("NIFTY", EXPIRY)


def chain(forward, rate, vol, *, strikes=(24000, 24200, 24400), given=None):
    """Options priced exactly at this volatility, which the exchange gives too."""
    snapshot = Snapshot(spots={"NIFTY": SPOT})
    df = exp(-rate * YEARS)
    for strike in strikes:
        for side in ("CE", "PE"):
            contract = Contract("NIFTY", EXPIRY, side, Decimal(strike))
            price = pricing.price(forward, strike, YEARS, df, vol, side == "CE")
            snapshot.contracts[contract.symbol] = contract
            snapshot.quotes[contract.symbol] = Quote(None, None, Decimal(repr(price)), 0, 0, AT)
            snapshot.iv[contract.symbol] = given or vol
    return snapshot


def frame(snapshot, forward=None):
    return Frame(
        timeline="file", n=1, now=AT, cadence=60.0, quotes=snapshot.quotes, spots=snapshot.spots,
        forwards={} if forward is None else {KEY: Decimal(repr(forward))},
    )  # fmt: skip


def test_the_gap_is_the_distance_in_points_of_volatility():
    snapshot = chain(24216.7, pricing.RATE, 0.12, given=0.13)

    (found,) = compare(snapshot, frame(snapshot, 24216.7))

    assert (found.underlying, found.expiry, found.all.count, found.out.count) == (
        "NIFTY",
        EXPIRY,
        6,
        3,
    )
    assert found.all.median == pytest.approx(1.0, abs=1e-9)
    assert found.all.p95 == pytest.approx(1.0, abs=1e-9)
    assert found.without == {}


def test_the_exchanges_own_convention_is_the_spot_at_its_fixed_rate():
    carried = float(SPOT) * exp(0.10 * YEARS)
    snapshot = chain(carried, 0.10, 0.12)

    (found,) = compare(snapshot, frame(snapshot, 24216.7))

    assert found.own.count == 6
    assert found.own.p95 == pytest.approx(0, abs=1e-6)
    assert found.all.median > 0.05


def test_what_cannot_be_compared_is_counted_with_the_reason():
    snapshot = chain(24216.7, pricing.RATE, 0.12)
    call = "NIFTY-20260714-24000-CE"
    del snapshot.iv["NIFTY-20260714-24400-CE"]
    snapshot.quotes[call] = snapshot.quotes[call]._replace(ltp=Decimal("100.00"))

    (found,) = compare(snapshot, frame(snapshot, 24216.7))

    assert found.all.count == 4
    assert found.without == {
        NOT_GIVEN: 1,
        "last price below the intrinsic value on our forward": 1,
    }


def test_without_a_forward_nothing_of_ours_is_compared():
    snapshot = chain(24216.7, pricing.RATE, 0.12)

    (found,) = compare(snapshot, frame(snapshot))

    assert (found.all, found.out, found.without) == (None, None, {NO_FORWARD: 6})
    assert found.own is not None


def test_a_chain_without_the_exchanges_volatility_has_no_gap():
    snapshot = chain(24216.7, pricing.RATE, 0.12)
    snapshot.iv.clear()

    (found,) = compare(snapshot, frame(snapshot, 24216.7))

    assert (found.all, found.own, found.without) == (None, None, {NOT_GIVEN: 6})


def test_the_gap_of_nothing_is_none_and_of_something_its_median_and_95th_percentile():
    assert gap(np.array([])) is None
    assert gap(np.array([-0.01, 0.02, 0.03])) == Gap(3, 2.0, pytest.approx(2.9))
