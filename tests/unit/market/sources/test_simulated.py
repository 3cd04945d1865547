"""The simulated market: the same seed is the same market, and its quotes allow no free money."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernel import calendar
from market.kernel.clock import at
from market.kernel.contracts import exchange_of, parse
from market.kernel.frame import decode, encode
from market.kernel.pricing import RATE, year_fraction
from market.sources.paths import COMMON, Chain
from market.sources.simulated import IN_SESSION, NotSimulated, World

MONDAY, EXPIRY_DAY = date(2026, 8, 3), date(2026, 8, 4)
SECONDS = (15 * 60 + 40 - 9 * 60 - 15) * 60
UNDERLYINGS = {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX"}


def moment(text: str, day: date = EXPIRY_DAY) -> datetime:
    return at(day, time.fromisoformat(text))


@cache
def world(seed: int) -> World:
    return World(seed, MONDAY)


def frame(seed: int, now: datetime):
    return world(seed).frame_at(now, timeline="sim", n=1, cadence=0.5)


def test_the_same_seed_and_instant_give_the_same_frame():
    now = moment("11:23:45")

    again = World(7, MONDAY).frame_at(now, timeline="sim", n=1, cadence=0.5)

    assert encode(again) == encode(frame(7, now))
    assert encode(frame(7, now.astimezone(UTC))) == encode(frame(7, now))
    assert encode(frame(8, now)) != encode(frame(7, now))


def test_a_day_is_the_same_whether_or_not_its_earlier_days_were_played():
    played = World(3, MONDAY)
    for day in (MONDAY, EXPIRY_DAY, date(2026, 8, 6), MONDAY):
        played.day(day)

    now = moment("10:00", date(2026, 8, 6))
    fresh = World(3, MONDAY).frame_at(now, timeline="sim", n=1, cadence=1)
    assert encode(played.frame_at(now, timeline="sim", n=1, cadence=1)) == encode(fresh)


def test_a_frame_survives_its_wire_form():
    original = frame(7, moment("12:00"))

    assert decode(encode(original)) == original


def test_a_day_starts_near_where_the_last_one_ended():
    end = frame(7, moment("15:14:59", MONDAY)).spots
    start = frame(7, moment("09:15")).spots

    assert start.keys() == UNDERLYINGS
    assert all(abs(start[name] / end[name] - 1) < Decimal("0.03") for name in UNDERLYINGS)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(-(2**63), 2**63 - 1), second=st.integers(0, SECONDS))
def test_quotes_never_cross_and_keep_the_order_of_strikes_and_put_call_parity(seed, second):
    now = moment("09:15") + timedelta(seconds=second)
    seen = World(seed, EXPIRY_DAY).frame_at(now, timeline="sim", n=1, cadence=0.5)

    chains: dict = {}
    for symbol, quote in seen.quotes.items():
        assert quote.ask > 0
        assert quote.bid is None or 0 < quote.bid < quote.ask
        assert (quote.bid is None) == (quote.bid_quantity == 0)
        assert (quote.bid or 0) <= quote.ltp <= quote.ask
        contract = parse(symbol)
        assert quote.ask % contract.tick_size == 0
        assert quote.ask_quantity % contract.lot_size == 0
        if contract.is_option:
            chains.setdefault((contract.underlying, contract.expiry), {}).setdefault(
                contract.strike, {}
            )[contract.option_type] = quote
    for (underlying, expiry), strikes in chains.items():
        _check_chain(seen, underlying, expiry, strikes)


def _check_chain(seen, underlying, expiry, strikes):
    settles = calendar.settlement_time(exchange_of(underlying), expiry)
    df = exp(-RATE * year_fraction(seen.now, settles))
    forward = float(seen.forwards[underlying, expiry])
    ordered = [strikes[strike] for strike in sorted(strikes)]
    for low, high in zip(ordered, ordered[1:], strict=False):
        assert low["CE"].ask >= high["CE"].ask
        assert (low["CE"].bid or 0) >= (high["CE"].bid or 0)
        assert low["PE"].ask <= high["PE"].ask
        assert (low["PE"].bid or 0) <= (high["PE"].bid or 0)
    for (k1, low), (k2, high) in pairwise(sorted(strikes.items())):
        width = df * float(k2 - k1)
        assert float((low["CE"].bid or 0) - high["CE"].ask) <= width + 0.01
        assert float((high["PE"].bid or 0) - low["PE"].ask) <= width + 0.01
    for left, middle, right in zip(ordered, ordered[1:], ordered[2:], strict=False):
        for kind in ("CE", "PE"):  # a butterfly is never paid for taking it
            assert left[kind].ask + right[kind].ask >= 2 * (middle[kind].bid or 0)
    for strike, pair in strikes.items():
        worth = df * (forward - float(strike))
        cheapest = float(pair["CE"].bid or 0) - float(pair["PE"].ask)
        dearest = float(pair["CE"].ask) - float(pair["PE"].bid or 0)
        assert cheapest - 0.01 <= worth <= dearest + 0.01


def test_the_expiring_series_ends_at_its_intrinsic_value():
    settles = moment("15:35")
    settled = frame(7, settles)
    value = world(7).day(EXPIRY_DAY).settlement_value("NIFTY")

    assert settled.forwards["NIFTY", EXPIRY_DAY] == value
    for symbol, quote in settled.quotes.items():
        contract = parse(symbol)
        if (contract.underlying, contract.expiry) != ("NIFTY", EXPIRY_DAY):
            continue
        sign = 1 if contract.is_call else -1
        intrinsic = max(sign * (value - contract.strike), Decimal(0))
        assert (quote.bid or 0) <= intrinsic <= quote.ask
        assert abs(quote.ltp - intrinsic) <= Decimal("0.05")


def test_before_august_2026_the_settlement_value_is_the_average_of_the_last_half_hour():
    day = date(2026, 7, 28)
    earlier = World(5, day)
    at_close = earlier.frame_at(moment("15:30", day), timeline="sim", n=1, cadence=1)
    spots = [
        earlier.frame_at(moment("15:00", day) + timedelta(seconds=n), timeline="s", n=1, cadence=1)
        .spots["NIFTY"] for n in range(1, 1801, 60)
    ]  # fmt: skip

    value = earlier.day(day).settlement_value("NIFTY")

    assert at_close.forwards["NIFTY", day] == value
    assert min(spots) < value < max(spots)
    assert abs(value - sum(spots) / len(spots)) < 3


def test_the_index_is_shown_only_while_it_is_continuous():
    assert frame(7, moment("15:14:59")).spots.keys() == UNDERLYINGS
    dead = frame(7, moment("15:15"))
    assert dead.spots == {}
    assert {name for name, _ in dead.forwards} == UNDERLYINGS


def test_a_listed_strike_stays_until_its_expiry():
    monday = frame(7, moment("10:00", MONDAY)).quotes.keys()
    thursday = frame(7, moment("10:00", date(2026, 8, 6))).quotes.keys()

    living = {symbol for symbol in monday if parse(symbol).expiry >= date(2026, 8, 6)}
    assert living <= thursday


def test_weeklies_months_and_futures_are_listed():
    expiries = {e for u, e in frame(7, moment("10:00")).forwards if u == "NIFTY"}
    assert expiries == {
        EXPIRY_DAY, date(2026, 8, 11), date(2026, 8, 18), date(2026, 9, 1),
        date(2026, 8, 25), date(2026, 9, 29), date(2026, 10, 27),
    }  # fmt: skip
    futures = {s for s in frame(7, moment("10:00")).quotes if s.endswith("-FUT")}
    assert len(futures) == 15
    assert "NIFTY-20260825-FUT" in futures


def test_outside_the_session_there_is_no_frame():
    with pytest.raises(ValueError, match="outside the session"):
        frame(7, moment("09:14:59"))
    with pytest.raises(LookupError, match="2026-08-02 is not a day"):
        frame(7, moment("10:00", date(2026, 8, 2)))


def test_time_goes_on_from_the_close_to_the_next_open_without_days_between():
    step = timedelta(seconds=30)

    assert world(7).next_moment(None, step) == moment("09:15", MONDAY)
    assert world(7).next_moment(moment("10:00"), step) == moment("10:00:30")
    assert world(7).next_moment(moment("15:39:45"), step) == moment("15:40")
    friday = date(2026, 8, 7)
    assert world(7).next_moment(moment("15:40", friday), step) == moment("09:15", date(2026, 8, 10))
    # Sunday 8 November 2026 trades, but its hours are not in the facts; the 10th is a holiday
    assert world(7).next_moment(moment("15:40", date(2026, 11, 6)), step).date() == date(2026, 11, 9)


def moves(seed: int, days: int) -> np.ndarray:
    """NIFTY's changes of the logarithm a second, one row a day."""
    chain, found, day = Chain(seed, MONDAY), [], MONDAY
    while len(found) < days:
        if day.weekday() < 5:
            found.append(np.diff(np.log(chain.path(day).levels[:, 0])))
        day += timedelta(days=1)
    return np.array(found)


def test_the_index_moves_most_at_the_open_and_at_the_close():
    seen = moves(11, 10)
    half_hour = 1800
    opening, closing = seen[:, :half_hour].var(), seen[:, -half_hour:].var()
    midday = seen[:, SECONDS // 2 - half_hour // 2 : SECONDS // 2 + half_hour // 2].var()

    assert 2 * midday < opening
    assert 2 * midday < closing


def test_jumps_come_on_some_days_and_all_indices_jump_together():
    chain = Chain(11, MONDAY)
    days = [day for n in range(28) if (day := MONDAY + timedelta(days=n)).weekday() < 5]
    most = []
    for day in days:
        changes = np.diff(np.log(chain.path(day).levels), axis=0)
        sizes = np.abs(changes) / changes.std(axis=0)
        if sizes[:, 0].max() > 12:
            most.append(sizes[sizes[:, 0].argmax()].min())

    assert 3 <= len(most) < len(days)
    assert min(most) > 5
    assert len(COMMON) == 5


def test_variance_falls_due_as_the_index_moves_and_none_of_it_at_a_weekend():
    friday, monday = world(7).day(date(2026, 8, 7)), date(2026, 8, 10)
    at_open, at_close = friday.variance_days(0)[0], friday.variance_days(SECONDS)[0]
    after = world(7).day(monday).variance_days(0)[0]

    assert at_open - at_close == pytest.approx(IN_SESSION)
    assert at_close - after == pytest.approx(1 - IN_SESSION)


def test_at_the_settlement_time_no_variance_is_left():
    today = world(7).day(EXPIRY_DAY)
    settled = int((moment("15:35") - moment("09:15")).total_seconds())

    assert today.variance_days(settled)[0] == 0
    assert today.variance_days(settled - 60)[0] > 0


def test_an_index_that_is_not_simulated_is_named():
    with pytest.raises(NotSimulated, match="BANKEX is not simulated; use NIFTY"):
        World(7, MONDAY, underlyings={"BANKEX"})


def test_where_no_expiry_is_known_any_more_nothing_is_quoted():
    last = date(2026, 12, 31)  # NIFTY's last known expiry is the 29th

    seen = World(7, last, underlyings={"NIFTY"}).frame_at(moment("10:00", last), timeline="s", n=1, cadence=1)

    assert (seen.quotes, seen.forwards) == ({}, {})
    assert seen.spots.keys() == {"NIFTY"}
