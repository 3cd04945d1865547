"""A payoff against a frame of flat volatility, where every figure can be worked out by hand."""

from datetime import date, datetime, time
from decimal import Decimal
from math import exp, sqrt

import numpy as np
import pytest

from market.catalogue.legs import Wanted
from market.catalogue.payoff import payoff_of
from market.kernel import calendar, pricing
from market.kernel.clock import at
from market.kernel.contracts import Contract
from market.kernel.frame import Frame, Quote
from users.errors import Refused

TUESDAY, NEXT, MONTHLY = date(2026, 8, 4), date(2026, 8, 11), date(2026, 8, 25)
NOW = at(TUESDAY, time(11, 0))
VOL = 0.13
FORWARDS = {TUESDAY: 24_600.0, NEXT: 24_630.0, MONTHLY: 24_690.0}
STRIKES = range(24_000, 25_250, 50)


def years(expiry: date, now: datetime = NOW) -> float:
    return pricing.year_fraction(now, calendar.settlement_time("NSE", expiry))


def flat(now: datetime = NOW, *, spot: str | None = "24590.00", vol: float = VOL) -> Frame:
    """Every strike of the three expiries at one vol, last prices only."""
    quotes = {}
    for expiry, forward in FORWARDS.items():
        t = years(expiry, now)
        for strike in STRIKES:
            for side in ("CE", "PE"):
                price = pricing.price(forward, strike, t, exp(-pricing.RATE * t), vol, side == "CE")
                symbol = Contract("NIFTY", expiry, side, Decimal(strike)).symbol
                ltp = Decimal(repr(float(price)))
                quotes[symbol] = Quote(None, None, ltp, 0, 0, now)
    return Frame(
        timeline="t", n=1, now=now, cadence=1.0, quotes=quotes,
        spots={} if spot is None else {"NIFTY": Decimal(spot)},
        forwards={("NIFTY", expiry): Decimal(str(f)) for expiry, f in FORWARDS.items()},
    )  # fmt: skip


def leg(side, option_type, strike, expiry=NEXT, price=None):
    sold = -1 if side == "SELL" else 1
    contract = Contract("NIFTY", expiry, option_type, None if strike is None else Decimal(strike))
    return Wanted(contract, sold, 65, price)


def test_bands_are_those_of_the_at_the_money_vol_to_the_first_expiry():
    found = payoff_of(flat(), [leg("SELL", "CE", 24_900), leg("SELL", "PE", 24_300)])

    deviation = VOL * sqrt(years(NEXT))
    median = 24_630.0 * exp(-(deviation**2) / 2)
    assert found.atm_vol == pytest.approx(VOL, rel=1e-9)
    assert [(b.sigma, b.low, b.high) for b in found.bands] == [
        (n, pytest.approx(median * exp(-n * deviation)), pytest.approx(median * exp(n * deviation)))
        for n in (1, 2)
    ]
    assert found.spots[0] < found.bands[1].low
    assert found.bands[1].high < found.spots[-1]


def test_fair_premiums_and_a_future_average_to_nothing_over_the_named_distribution():
    """The mean profit of options sold at model prices is the interest on their premium."""
    found = payoff_of(flat(), [leg("SELL", "CE", 24_600), leg("SELL", "PE", 24_600)])

    deviation = VOL * sqrt(years(NEXT))
    draws = np.linspace(-8, 8, 400_001)
    ends = 24_630.0 * exp(-(deviation**2) / 2) * np.exp(deviation * draws)
    weight = np.exp(-(draws**2) / 2)
    premium = found.premium / 65
    mean = np.average(premium - np.abs(ends - 24_600), weights=weight)
    assert mean == pytest.approx(-premium * (exp(pricing.RATE * years(NEXT)) - 1), abs=1e-4)
    below, above = found.breakevens
    inside = np.average((ends > below) & (ends < above), weights=weight)
    assert found.probability_of_profit == pytest.approx(inside, abs=1e-4)


def test_the_target_is_the_day_halfway_at_its_settlement_time():
    found = payoff_of(flat(), [leg("SELL", "CE", 24_900)])

    assert found.target is not None
    assert found.target.day == date(2026, 8, 6)
    assert found.target.at == at(date(2026, 8, 6), time(15, 35))


def test_the_target_curve_lies_between_now_and_expiry_at_the_strike():
    found = payoff_of(flat(), [leg("SELL", "CE", 24_600), leg("SELL", "PE", 24_600)], NEXT)
    n = found.spots.index(24_600.0)

    assert found.target is not None
    assert found.target.profit == pytest.approx(found.at_expiry)
    halfway = payoff_of(flat(), [leg("SELL", "CE", 24_600), leg("SELL", "PE", 24_600)]).target
    assert halfway is not None
    assert found.today[n] < halfway.profit[n] < found.at_expiry[n]


def test_a_target_today_is_today_at_the_settlement_time():
    wanted = [leg("SELL", "CE", 24_600)]
    found = payoff_of(flat(), wanted, TUESDAY)
    n = found.spots.index(24_590.0)

    left = years(NEXT) - pricing.year_fraction(NOW, at(TUESDAY, time(15, 35)))
    besides = 24_630.0 - 24_590.0 * exp(pricing.RATE * years(NEXT))
    forward = 24_590.0 * exp(pricing.RATE * left) + besides * left / years(NEXT)
    worth = pricing.price(forward, 24_600, left, exp(-pricing.RATE * left), VOL, is_call=True)
    assert found.target is not None
    assert found.target.profit[n] == pytest.approx(found.premium - 65 * worth, rel=1e-9)


@pytest.mark.parametrize("day", [date(2026, 8, 3), date(2026, 8, 8), date(2026, 8, 12)])
def test_a_target_that_is_past_no_trading_day_or_after_the_expiry_is_refused(day):
    with pytest.raises(Refused) as refused:
        payoff_of(flat(), [leg("SELL", "CE", 24_600)], day)

    assert (refused.value.code, refused.value.field) == ("bad_target", "target_date")


def test_on_the_eve_of_the_expiry_the_target_is_tonight_until_that_has_passed():
    wanted = [leg("SELL", "CE", 24_600, TUESDAY)]
    monday = date(2026, 8, 3)

    tonight = payoff_of(flat(at(monday, time(11, 0))), wanted).target
    assert tonight is not None
    assert tonight.at == at(monday, time(15, 35))
    assert payoff_of(flat(at(monday, time(15, 36))), wanted).target is None


def test_on_the_day_of_expiry_there_is_no_day_in_between():
    assert payoff_of(flat(), [leg("SELL", "CE", 24_600, TUESDAY)]).target is None


def test_a_legs_profit_at_the_spot_of_now_is_nothing():
    wanted = [
        leg("BUY", "CE", 24_500),
        leg("SELL", "PE", 24_400, MONTHLY),
        leg("BUY", "CE", 24_900),
    ]
    found = payoff_of(flat(), wanted)

    assert found.today[found.spots.index(24_590.0)] == pytest.approx(0, abs=1e-6)


def test_a_calendars_breakevens_and_best_are_of_its_curve_at_the_near_expiry():
    found = payoff_of(flat(), [leg("SELL", "CE", 24_600), leg("BUY", "CE", 24_600, MONTHLY)])

    left = years(MONTHLY) - years(NEXT)

    def profit(end: float) -> float:
        growth = exp(pricing.RATE * left)
        forward = end * growth + 24_690.0 - 24_630.0 * growth
        far = pricing.price(forward, 24_600, left, 1 / growth, VOL, is_call=True)
        return found.premium + 65 * (far - max(end - 24_600, 0.0))

    assert (found.exact, found.expiry, found.searched_to) == (False, NEXT, 49_200.0)
    assert len(found.breakevens) == 2
    assert [profit(even) for even in found.breakevens] == pytest.approx([0, 0], abs=1e-3)
    assert found.max_profit == pytest.approx(profit(24_600), rel=1e-9)
    assert found.max_loss is not None
    assert found.max_loss == pytest.approx(found.premium, rel=0.02)  # what it cost, but for carry
    assert 0.2 < found.probability_of_profit < 0.8


def test_a_covered_call_with_a_later_future_has_a_best_and_no_false_strike():
    future = Wanted(Contract("NIFTY", MONTHLY, "FUT"), 1, 65, 24_690.0)
    found = payoff_of(flat(), [future, leg("SELL", "CE", 24_800)])

    assert found.exact is False
    # at the call's strike or above, the future 60 points dearer than the settlement
    assert found.max_profit == pytest.approx((24_800 + 60 - 24_690.0) * 65 + found.premium)
    assert found.max_loss == pytest.approx(-(24_690.0 - 60) * 65 + found.premium)


def test_more_sold_calls_than_bought_have_no_worst():
    legs = [leg("SELL", "CE", 24_900), leg("SELL", "CE", 24_950), leg("BUY", "CE", 24_600, MONTHLY)]

    assert payoff_of(flat(), legs).max_loss is None


def test_after_1515_the_spot_is_the_expiring_series_and_not_the_frozen_index():
    late = at(TUESDAY, time(15, 20))
    frozen = flat(late, spot="24463.45")

    found = payoff_of(frozen, [leg("SELL", "CE", 24_600, TUESDAY)])

    assert found.spot == pytest.approx(24_600.0 * exp(-pricing.RATE * years(TUESDAY, late)))


def test_a_leg_whose_own_price_implies_nothing_takes_the_vol_of_its_strikes_other_side():
    frame = flat()
    deep = Contract("NIFTY", NEXT, "CE", Decimal(24_000))
    quotes = dict(frame.quotes)
    quotes[deep.symbol] = Quote(None, None, Decimal("500.00"), 0, 0, NOW)  # below intrinsic
    broken = Frame(
        timeline="t", n=1, now=NOW, cadence=1.0, quotes=quotes, spots=frame.spots,
        forwards=frame.forwards,
    )  # fmt: skip

    (found,) = payoff_of(broken, [leg("BUY", "CE", 24_000)]).legs

    assert found.iv == pytest.approx(VOL, rel=1e-6)


def test_without_a_vol_at_the_money_there_are_no_bands_and_no_odds():
    frame = flat()
    quotes = {
        symbol: quote._replace(ltp=Decimal(0)) if "-24600-" in symbol else quote
        for symbol, quote in frame.quotes.items()
    }
    mute = Frame(
        timeline="t", n=1, now=NOW, cadence=1.0, quotes=quotes, spots=frame.spots,
        forwards={**frame.forwards, ("NIFTY", NEXT): Decimal("24600.00")},
    )  # fmt: skip

    found = payoff_of(mute, [leg("SELL", "CE", 24_900)])

    assert (found.atm_vol, found.bands, found.probability_of_profit) == (None, (), None)
