"""POST /options/market/payoff: target date, bands and odds in the API's units."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest

from market import quotes
from market.kernel.clock import at
from market.kernel.outlook import DEFINITION
from market.sources.simulated import World

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 4)


def publish(timeline, clock):
    now = at(DAY, clock)
    found = World(7, DAY).frame_at(now, timeline=timeline.key, n=12, cadence=30)
    quotes.publish(found)
    return found


@pytest.fixture
def frame(timeline, valkey):
    return publish(timeline, time(11, 0))


def leg(side, option_type, strike, expiry="2026-08-11"):
    return {"side": side, "lots": 1, "option_type": option_type, "expiry": expiry, "strike": strike}


def ask(api, *legs, **more):
    body = {"underlying": "NIFTY", "legs": list(legs), **more}
    return api.post("/options/market/payoff", body, format="json")


def strangle(api, **more):
    return ask(api, leg("SELL", "CE", "24900"), leg("SELL", "PE", "24300"), **more)


def test_bands_and_odds_come_with_their_definition(api, frame):
    body = strangle(api).json()

    assert body["probability_definition"] == DEFINITION
    assert body["day_count"] == "calendar/365"
    assert 0.08 < body["atm_iv"] < 0.25
    assert [(b["sigma"], b["probability"]) for b in body["bands"]] == [(1, 0.6827), (2, 0.9545)]
    assert 0 < body["probability_of_profit"] < 1
    lows = [Decimal(b["low"]) for b in body["bands"]]
    highs = [Decimal(b["high"]) for b in body["bands"]]
    assert lows[1] < lows[0] < Decimal(body["spot"]) < highs[0] < highs[1]


def test_the_curve_is_also_given_on_the_target_date(api, frame):
    body = strangle(api, target_date="2026-08-07").json()

    assert (body["target"]["day"], body["target"]["at"]) == (
        "2026-08-07", "2026-08-07T15:35:00+05:30",
    )  # fmt: skip
    assert all(point["target"] is not None for point in body["curve"])
    narrow, wide = body["target"]["bands"][0], body["bands"][0]
    assert Decimal(wide["low"]) < Decimal(narrow["low"]) < Decimal(narrow["high"]) < Decimal(wide["high"])


def test_on_the_day_of_expiry_there_is_no_target(api, frame):
    body = ask(api, leg("BUY", "CE", "24600", "2026-08-04")).json()

    assert body["target"] is None
    assert {point["target"] for point in body["curve"]} == {None}


@pytest.mark.parametrize("day", ["2026-08-03", "2026-08-08", "2026-08-12", "2031-01-01"])
def test_a_target_that_is_no_trading_day_before_the_expiry_is_a_422_that_names_it(api, frame, day):
    answer = strangle(api, target_date=day)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/target_date"]


def test_a_calendar_has_breakevens_between_its_bounds_and_says_how_far_it_looked(api, frame):
    body = ask(api, leg("SELL", "CE", "24600"), leg("BUY", "CE", "24600", "2026-08-25")).json()

    assert body["exact"] is False
    assert Decimal(body["searched_to"]) > 2 * 24_000
    low, high = map(Decimal, body["breakevens"])
    assert low < Decimal("24600") < high
    assert Decimal(body["max_profit"]) > 0 > Decimal(body["max_loss"])
    assert abs(Decimal(body["max_loss"]) - Decimal(body["premium"])) < 400


def test_after_1515_the_payoff_stands_on_the_expiring_series(api, timeline, valkey):
    frame = publish(timeline, time(15, 20))

    body = ask(api, leg("SELL", "CE", "24600", "2026-08-04")).json()

    assert "NIFTY" not in frame.spots
    forward = frame.forwards["NIFTY", DAY]
    assert abs(Decimal(body["spot"]) - forward) < Decimal("0.10")


def test_scenarios_are_todays_profit_without_a_move_and_the_payoff_after_the_expiry(api, frame):
    moves = {"percents": ["0", "3"], "days": [0, 8], "points": ["0", "10"]}
    body = strangle(api, scenarios=moves).json()

    grid = body["scenarios"]
    spot, premium = Decimal(body["spot"]), Decimal(body["premium"])
    assert (grid["days"], grid["points"], grid["spots"][0]) == ([0, 8], [0.0, 10.0], body["spot"])
    assert abs(Decimal(grid["profit"][0][0][0])) <= Decimal("0.05")  # sold at today's middle
    assert Decimal(grid["profit"][0][0][1]) < -1000  # volatility rises on what is sold
    risen = max(spot * Decimal("1.03") - 24900, Decimal(0)) * 65
    for profit in grid["profit"][1][1]:
        assert abs(Decimal(profit) - (premium - risen)) <= Decimal("0.05")


@pytest.mark.parametrize(
    ("moves", "pointer"),
    [
        ({"percents": ["90"], "days": [0], "points": ["0"]}, "/scenarios/percents/0"),
        ({"percents": ["0"], "days": [-1], "points": ["0"]}, "/scenarios/days/0"),
        ({"percents": ["0"], "days": [0]}, "/scenarios/points"),
    ],
)
def test_a_scenario_that_cannot_be_is_named(moves, pointer, api, frame):
    answer = strangle(api, scenarios=moves)

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
