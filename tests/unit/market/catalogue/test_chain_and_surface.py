"""A chain of known volatilities gives them back; the smile, the term structure and the next series."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from math import exp

import pytest

from market.catalogue import chain as catalogue
from market.catalogue import pictures, surface
from market.kernel import calendar, pricing
from market.kernel.clock import at
from market.kernel.contracts import Contract
from market.kernel.frame import Frame, Quote

DAY = date(2026, 8, 4)
NOW = at(DAY, time(11, 0))
NEAR, FAR = date(2026, 8, 4), date(2026, 8, 11)
STRIKES = [24300, 24400, 24500, 24600, 24700]


def smiling(strike: int) -> float:
    return 0.13 + (strike - 24500) ** 2 * 2e-7


def quote(price: float, now: datetime, half: str = "0.0000001") -> Quote:
    middle = Decimal(repr(price))
    return Quote(middle - Decimal(half), middle + Decimal(half), round(middle, 2), 65, 65, now)


def series(expiry: date, forward: float, now: datetime, vol=smiling) -> dict[str, Quote]:
    t = pricing.year_fraction(now, calendar.settlement_time("NSE", expiry))
    df = exp(-pricing.RATE * t)
    return {
        Contract("NIFTY", expiry, kind, Decimal(k)).symbol: quote(
            float(pricing.price(forward, float(k), t, df, vol(k), kind == "CE")), now
        )
        for k in STRIKES
        for kind in ("CE", "PE")
    }


def frame(now: datetime = NOW, *, far_vol=smiling) -> Frame:
    return Frame(
        timeline="t",
        n=1,
        now=now,
        cadence=1.0,
        quotes=series(NEAR, 24510.0, now) | series(FAR, 24560.0, now, far_vol),
        spots={"NIFTY": Decimal("24508.00")},
        forwards={("NIFTY", NEAR): Decimal("24510.00"), ("NIFTY", FAR): Decimal("24560.00")},
    )


def test_call_and_put_of_a_strike_share_the_volatility_that_made_them():
    found = catalogue.chain(frame(), "NIFTY", FAR)

    for row in found.strikes:
        assert row.call.iv == row.put.iv == pytest.approx(smiling(int(row.strike)), abs=1e-6)
        assert row.call.iv_flag == row.put.iv_flag == "ok"
        assert row.call.delta - row.put.delta == pytest.approx(
            exp(-pricing.RATE * catalogue.years(NOW, "NIFTY", FAR))
        )


def test_an_in_the_money_price_below_its_worth_takes_the_other_sides_volatility():
    seen = frame()
    symbol = "NIFTY-20260811-24300-CE"
    quotes = dict(seen.quotes) | {symbol: seen.quotes[symbol]._replace(bid=Decimal(1), ask=Decimal(2))}

    row = catalogue.chain(replace(seen, quotes=quotes), "NIFTY", FAR).strikes[0]

    assert row.call.iv_flag == "ok"
    assert row.call.iv == pytest.approx(smiling(24300), abs=1e-6)


def test_where_the_other_side_has_no_two_way_quote_the_price_speaks_for_itself():
    seen = frame()
    call, put = "NIFTY-20260811-24300-CE", "NIFTY-20260811-24300-PE"
    quotes = dict(seen.quotes) | {
        call: seen.quotes[call]._replace(bid=Decimal(1), ask=Decimal(2)),
        put: seen.quotes[put]._replace(bid=None),
    }

    row = catalogue.chain(replace(seen, quotes=quotes), "NIFTY", FAR).strikes[0]

    assert (row.call.iv, row.call.delta, row.call.iv_flag) == (None, None, "below_intrinsic")


def test_the_money_is_the_strike_nearest_the_forward_and_the_lower_of_two():
    seen = replace(frame(), forwards={("NIFTY", FAR): Decimal("24550.00")})

    found = catalogue.chain(seen, "NIFTY", FAR)

    assert found.at_the_money.strike == 24500
    assert found.at_the_money.moneyness == pytest.approx(24500 / 24550)
    assert [row.call.in_the_money for row in found.strikes] == [True, True, True, False, False]
    assert [row.put.in_the_money for row in found.strikes] == [False, False, False, True, True]


def test_a_window_is_cut_around_the_money_and_at_the_ends():
    found = catalogue.chain(frame(), "NIFTY", FAR)  # the money: 24600

    assert [int(row.strike) for row in found.window(1)] == [24500, 24600, 24700]
    assert [int(row.strike) for row in found.window(0)] == [24600]
    assert found.window(50) == found.window(None) == found.strikes


def test_without_a_forward_there_is_neither_money_nor_volatility():
    found = catalogue.chain(replace(frame(), forwards={}), "NIFTY", FAR)

    assert found.at_the_money is None
    assert found.window(1) == found.strikes
    assert {(row.call.iv, row.moneyness, row.call.in_the_money) for row in found.strikes} == {(None,) * 3}
    assert surface.smile(found) == ()
    assert surface.term_structure(replace(frame(), forwards={}), "NIFTY") == ()


def test_the_smile_is_one_point_a_strike():
    points = surface.smile(catalogue.chain(frame(), "NIFTY", FAR))

    assert [int(p.strike) for p in points] == STRIKES
    assert [round(p.iv, 6) for p in points] == [round(smiling(k), 6) for k in STRIKES]


def test_a_strike_that_nobody_bids_for_is_a_weak_point_and_not_drawn():
    seen = frame()
    symbol = "NIFTY-20260811-24700-CE"
    quotes = dict(seen.quotes) | {symbol: seen.quotes[symbol]._replace(bid=None)}

    points = surface.smile(catalogue.chain(replace(seen, quotes=quotes), "NIFTY", FAR))

    assert [p.weak for p in points] == [False, False, False, False, True]
    assert len(pictures.smile_picture(points, Decimal(24560)).dots) == 4


def test_the_term_structure_is_the_money_of_each_expiry():
    near, far = surface.term_structure(frame(far_vol=lambda k: 0.15), "NIFTY")

    assert (near.expiry, near.strike, near.iv_flag) == (NEAR, 24500, "ok")
    assert (far.expiry, far.strike) == (FAR, 24600)
    assert near.iv == pytest.approx(0.13, abs=1e-6)
    assert far.iv == pytest.approx(0.15, abs=1e-6)
    assert near.days == pytest.approx(275 / 1440)  # 11:00 to 15:35
    assert far.days == pytest.approx(7 + 275 / 1440)


def test_on_expiry_day_the_next_series_is_measured_against_interest():
    found = surface.divergence(frame(), "NIFTY")

    assert (found.expiring, found.following) == (NEAR, FAR)
    assert found.difference == Decimal("50.00")
    assert found.carry == Decimal("30.57")  # 24510 x (e^(0.065 x 7/365) - 1)
    assert found.excess == Decimal("19.43")
    assert (found.spot, found.spot_is_live) == (Decimal("24508.00"), True)


def test_from_fifteen_past_three_the_spot_is_dead_whatever_the_source_sends():
    found = surface.divergence(frame(at(DAY, time(15, 15))), "NIFTY")

    assert (found.spot, found.spot_is_live) == (None, False)
    assert found.expiring_forward == Decimal("24510.00")


def test_on_other_days_nothing_expires():
    assert surface.divergence(frame(at(date(2026, 8, 5), time(11, 0))), "NIFTY") is None


def test_the_last_series_has_no_next_one():
    only = replace(frame(), forwards={("NIFTY", NEAR): Decimal("24510.00")})

    found = surface.divergence(only, "NIFTY")

    assert (found.following, found.difference, found.carry, found.excess) == (None,) * 4


def test_the_smiles_picture_says_in_words_and_rows_what_it_draws():
    points = surface.smile(catalogue.chain(frame(), "NIFTY", FAR))

    drawn = pictures.smile_picture(points, Decimal("24560.00"))

    assert drawn.sentence == (
        "Implied volatility is 13.2% at the money (24600), lowest at 24500 with 13.0%, "
        "13.8% at 24300 and 13.8% at 24700."
    )
    assert drawn.rows[2] == ("24500", "0.9976", "13.0%")
    assert [label for _, label in drawn.y_marks] == ["13%", "13.2%", "13.4%", "13.6%", "13.8%"]
    assert drawn.dots[0][0] == drawn.left
    assert drawn.dots[-1][0] == drawn.right
    assert drawn.left < drawn.marked_x < drawn.right


def test_the_term_pictures_words():
    drawn = pictures.term_picture(surface.term_structure(frame(far_vol=lambda k: 0.15), "NIFTY"))

    assert drawn.sentence == (
        "At the money, implied volatility rises from 13.0% for 4 Aug to 15.0% for 11 Aug, over 2 expiries."
    )
    assert drawn.marked_x is None


def test_one_point_is_no_picture():
    points = surface.smile(catalogue.chain(frame(), "NIFTY", FAR))

    assert pictures.smile_picture(points[:1], Decimal(24560)) is None
    assert pictures.smile_picture([replace(p, weak=True) for p in points], Decimal(24560)) is None
    assert pictures.term_picture(()) is None


@pytest.mark.parametrize(
    ("low", "high", "levels"),
    [(13.0, 13.8, [13.0, 13.2, 13.4, 13.6, 13.8]), (12.96, 13.04, [12.9, 13.0, 13.1]),
     (9, 61, [0, 20, 40, 60, 80]), (13, 13, [13, 13.1])],
)  # fmt: skip
def test_the_grid_is_round_and_holds_every_point(low, high, levels):
    assert pictures.grid(low, high) == levels
