"""Delta and vega for limits are those of the live feed's rows, in rupees."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest

from execution.engine import greeks
from execution.live import lines, valuation
from market.kernel.clock import at
from market.kernel.contracts import Contract, parse
from market.sources.simulated import World
from tests.unit.execution.live import worlds

MONDAY = date(2026, 8, 3)


@pytest.fixture(scope="module")
def frame():
    return World(14, MONDAY).frame_at(at(MONDAY, time(10, 0)), timeline="t", n=1, cadence=1.0)


def near(frame, kind: str, steps: int = 0) -> Contract:
    """The weekly option so many strikes from the money."""
    (expiry, forward) = min((e, f) for (u, e), f in frame.forwards.items() if u == "NIFTY")
    strike = round(float(forward) / 50) * 50 + 50 * steps
    return parse(f"NIFTY-{expiry:%Y%m%d}-{strike}-{kind}")


def test_nothing_held_has_no_delta_and_no_vega(frame):
    assert greeks.amounts({}, frame) == (Decimal("0.00"), Decimal("0.00"))


def test_a_future_has_a_rupee_a_point_a_unit_and_shorts_count_by_their_amount(frame):
    future = replace(near(frame, "CE"), option_type="FUT", strike=None)

    assert greeks.amounts({future: -130}, frame) == (Decimal("130.00"), Decimal("0.00"))


def test_a_straddle_nets_delta_and_adds_vega_and_a_conversion_has_one_a_unit(frame):
    call, put = near(frame, "CE"), near(frame, "PE")
    of_call, vega_of_call = greeks.amounts({call: 65}, frame)
    of_both, vega = greeks.amounts({call: 65, put: 65}, frame)
    synthetic, no_vega = greeks.amounts({call: 65, put: -65}, frame)

    assert 20 < of_call < 45
    assert of_both < 15
    assert abs(vega - 2 * vega_of_call) <= Decimal("0.01")
    assert abs(synthetic - 65) < Decimal("0.5")
    assert no_vega == Decimal("0.00")


def test_underlyings_do_not_offset_each_other(frame):
    futures = [replace(near(frame, "CE"), underlying=name, option_type="FUT", strike=None)
               for name in ("NIFTY", "BANKNIFTY")]  # fmt: skip

    assert greeks.amounts({futures[0]: 65, futures[1]: -30}, frame)[0] == Decimal("95.00")


def test_an_option_without_a_quote_or_a_vol_is_not_known(frame):
    call = near(frame, "CE", 2)
    gone = replace(frame, quotes={s: q for s, q in frame.quotes.items() if s != call.symbol})
    absurd = frame.quotes[call.symbol]._replace(bid=None, ask=None, ltp=Decimal(10**6))

    assert greeks.amounts({call: 65}, gone) == greeks.UNKNOWN
    assert greeks.amounts({call: 65}, replace(frame, quotes={**frame.quotes, call.symbol: absurd})) == greeks.UNKNOWN
    assert greeks.amounts({call: 65}, replace(frame, forwards={})) == greeks.UNKNOWN


def test_it_is_the_arithmetic_of_the_live_feed(frame):
    """The same contracts as lines of the live book: in the money, out of it, long and short."""
    held = {near(frame, "CE", -4): 65, near(frame, "PE", -6): -130, near(frame, "CE", 5): -65}
    book = lines.build([worlds.line(c.symbol, units, id=n) for n, (c, units) in enumerate(held.items(), 1)])
    sums = valuation.totals(book, valuation.revalue(book, frame))
    everything = book.groups.index((1, "all"))

    delta, vega = greeks.amounts(held, frame)

    assert abs(delta - Decimal(abs(sums.greeks["delta"][everything]))) < Decimal("0.01")
    assert abs(vega - Decimal(abs(sums.greeks["vega"][everything]))) < Decimal("0.01")
