"""/options/market: answers from the last frame, in the API's units, and problems with their field."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal

import pytest

from market import feed, quotes
from market.kernel.clock import at
from market.sources.simulated import World
from tests.integration.market.conftest import KEY, WALL

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 4)
NOW = at(DAY, time(11, 0))


@pytest.fixture
def frame(timeline, valkey):
    found = World(7, DAY).frame_at(NOW, timeline=timeline.key, n=12, cadence=30)
    quotes.publish(found)
    return found


def pointers(response):
    assert response.headers["content-type"].startswith("application/problem+json")
    return [error["pointer"] for error in response.json()["errors"]]


def test_the_chain_has_both_sides_with_iv_and_greeks(api, frame):
    answer = api.get("/options/market/chain?underlying=NIFTY&expiry=2026-08-11")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["source"], body["asof"], body["frame"]) == ("simulated", NOW.isoformat(), 12)
    assert body["forward"] == str(frame.forwards["NIFTY", date(2026, 8, 11)])
    assert body["spot"] == str(frame.spots["NIFTY"])
    assert body["expiries"][:2] == ["2026-08-04", "2026-08-11"]
    (row,) = [row for row in body["data"] if row["at_the_money"]]
    call, put = row["call"], row["put"]
    quote = frame.quotes[call["symbol"]]
    assert (call["bid"], call["ask"], call["ltp"]) == tuple(
        f"{value:.2f}" for value in (quote.bid, quote.ask, quote.ltp)
    )
    assert call["iv_flag"] == "ok"
    assert 0.08 < call["iv"] < 0.25
    assert abs(call["iv"] - put["iv"]) < 0.01
    assert 0.4 < call["delta"] < 0.6
    assert -0.6 < put["delta"] < -0.4
    assert call["gamma"] > 0
    assert call["theta"] < 0
    assert call["vega"] > 0
    assert abs(row["moneyness"] - 1) < 0.002


def test_without_an_expiry_the_chain_is_the_nearest(api, frame):
    body = api.get("/options/market/chain?underlying=SENSEX").json()

    assert body["expiry"] == "2026-08-06"
    assert body["lot_size"] == 20


def test_an_option_whose_price_implies_no_volatility_has_no_greeks(api, frame):
    rows = api.get("/options/market/chain?underlying=NIFTY&expiry=2026-08-04").json()["data"]

    for row in rows:
        for side in (row["call"], row["put"]):
            if side["iv_flag"] not in ("ok", "ill_conditioned"):
                assert side["iv"] is side["delta"] is side["theta"] is None


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("chain", "/underlying"),
        ("chain?underlying=GOLD", "/underlying"),
        ("chain?underlying=NIFTY&expiry=soon", "/expiry"),
        ("chain?underlying=NIFTY&expiry=2026-08-05", "/expiry"),
        ("chain?underlying=BANKEX", "/underlying"),
        ("chain?underlying=NIFTY&strike=1", "/strike"),
        ("contracts?underlying=NIFTY&limit=101", "/limit"),
        ("calendar?exchange=NSE&from=2026-08-01&to=2027-02-01", "/to"),
        ("calendar?exchange=NSE&from=2020-08-01&to=2026-08-01", "/from"),
        ("calendar?exchange=NSE&from=2026-08-02&to=2026-08-01", "/to"),
        ("calendar?exchange=MCX&from=2026-08-01&to=2026-08-02", "/exchange"),
    ],
)
def test_bad_input_is_a_422_that_names_the_field(api, frame, path, pointer):
    answer = api.get(f"/options/market/{path}")

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


def test_contracts_come_in_pages_with_the_facts_of_the_day(api, frame):
    url = "/options/market/contracts?underlying=NIFTY&expiry=2026-08-25"
    first = api.get(f"{url}&limit=50").json()

    assert first["exchange"] == "NSE"
    assert first["freeze_quantity"] == 1800
    nearest = first["expiries"][0]
    assert (nearest["day"], nearest["kind"], nearest["lot_size"]) == ("2026-08-04", "weekly", 65)
    assert nearest["largest_order"] == 1755
    assert nearest["settles_at"] == "2026-08-04T15:35:00+05:30"
    symbols = [row["symbol"] for row in first["data"]]
    while first["next_cursor"]:
        first = api.get(f"{url}&limit=50&cursor={first['next_cursor']}").json()
        symbols += [row["symbol"] for row in first["data"]]
    assert len(symbols) == len(set(symbols)) == 2 * 45 + 1
    assert symbols[-1] == "NIFTY-20260825-FUT"


def test_the_calendar_has_sessions_and_holidays(api):
    body = api.get("/options/market/calendar?exchange=NSE&from=2026-11-06&to=2026-11-11").json()

    assert [row["day"] for row in body["sessions"]] == [
        "2026-11-06", "2026-11-08", "2026-11-09", "2026-11-11",
    ]  # fmt: skip
    assert body["sessions"][0]["close"] == "2026-11-06T15:40:00+05:30"
    assert body["sessions"][1] == {
        "day": "2026-11-08", "kind": "hours unknown", "open": None, "close": None,
    }  # fmt: skip
    assert body["holidays"] == ["2026-11-10"]


def leg(side, option_type, strike, **fields):
    return {
        "side": side, "lots": 1, "option_type": option_type, "expiry": "2026-08-11",
        "strike": strike, **fields,
    }  # fmt: skip


def payoff(api, *legs):
    return api.post(
        "/options/market/payoff", {"underlying": "NIFTY", "legs": list(legs)}, format="json"
    )


def test_the_payoff_of_a_priced_strangle_is_exact(api, frame):
    answer = payoff(
        api,
        leg("SELL", "CE", "24900", price="100.00"),
        leg("SELL", "PE", "24300", price="80.00"),
    )

    assert answer.status_code == 200
    body = answer.json()
    assert body["exact"] is True
    assert body["premium"] == "11700.00"  # 180 x 65
    assert body["breakevens"] == ["24120.00", "25080.00"]
    assert (body["max_profit"], body["max_loss"]) == ("11700.00", None)
    at_strike = next(p for p in body["curve"] if p["spot"] == "24900.00")
    assert at_strike["expiry"] == "11700.00"
    assert Decimal(at_strike["today"]) < Decimal("11700")
    assert [each["quantity"] for each in body["legs"]] == [-65, -65]


def test_a_leg_without_a_price_takes_the_middle_and_is_worth_nothing_today(api, frame):
    body = payoff(api, leg("BUY", "CE", "24500")).json()

    quote = frame.quotes["NIFTY-20260811-24500-CE"]
    assert body["legs"][0]["price_given"] is False
    assert abs(Decimal(body["legs"][0]["price"]) - quote.mid) <= Decimal("0.01")
    spot = float(body["spot"])
    near = min(body["curve"], key=lambda point: abs(float(point["spot"]) - spot))
    assert abs(float(near["today"])) < 65 * abs(float(near["spot"]) - spot) + 65


def test_a_covered_call_has_a_bounded_profit_and_a_loss_to_zero(api, frame):
    body = payoff(
        api,
        {"side": "BUY", "lots": 1, "option_type": "FUT", "expiry": "2026-08-25", "price": "24600.00"},
        leg("SELL", "CE", "24900", expiry="2026-08-25", price="200.00"),
    ).json()

    assert body["max_profit"] == "32500.00"  # (300 + 200) x 65
    assert body["max_loss"] == str(-65 * 24400) + ".00"
    assert body["breakevens"] == ["24400.00"]


def test_a_calendar_is_charted_to_its_first_expiry_and_says_it_is_not_exact(api, frame):
    body = payoff(
        api, leg("SELL", "CE", "24500"), leg("BUY", "CE", "24500", expiry="2026-08-25")
    ).json()

    assert body["exact"] is False
    assert body["searched_to"] is not None
    assert Decimal(body["max_loss"]) < 0 < Decimal(body["max_profit"])
    assert len(body["breakevens"]) == 2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"lots": 0}, "/legs/0/lots"),
        ({"lots": 1.5}, "/legs/0/lots"),
        ({"strike": None}, "/legs/0/strike"),
        ({"strike": "24513"}, "/legs/0/price"),
        ({"expiry": "2026-07-28"}, "/legs/0/expiry"),
        ({"expiry": "2026-08-12", "price": "1.00"}, "/legs/0/expiry"),
        ({"expiry": "2030-08-12", "price": "1.00"}, "/legs/0/expiry"),
        ({"strike": "0"}, "/legs/0/strike"),
        ({"option_type": "FUT"}, "/legs/0/strike"),
        ({"colour": "red"}, "/legs/0/colour"),
    ],
)
def test_a_wrong_leg_is_a_422_that_names_it(api, frame, change, pointer):
    answer = payoff(api, leg("BUY", "CE", "24500") | change)

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


def test_a_read_key_may_calculate_a_payoff(key_api, frame):
    assert payoff(key_api("read"), leg("BUY", "CE", "24500")).status_code == 200


def test_the_clock_is_market_time_with_the_state_of_its_session_and_feed(api, frame, valkey):
    feed.Pulse(valkey, lambda: WALL).say("playing", timeline=KEY)

    body = api.get("/options/market/clock").json()

    assert body["market_now"] == NOW.isoformat()
    assert (body["timeline"], body["source"], body["speed"]) == (KEY, "simulated", 60)
    assert body["feed"]["state"] == "playing"
    assert body["feed"]["age_seconds"] > 0
    assert body["session"] == {
        "exchange": "NSE",
        "open": True,
        "next_open": "2026-08-05T09:15:00+05:30",
        "next_close": "2026-08-04T15:40:00+05:30",
        "spot_is_live": True,
    }


def test_a_market_that_is_silent_or_absent_is_a_503_that_may_be_retried(api, timeline, valkey):
    silent = api.get("/options/market/chain?underlying=NIFTY")
    type(timeline).objects.update(active=False)
    absent = api.get("/options/market/chain?underlying=NIFTY")

    assert (silent.status_code, silent.json()["code"]) == (503, "market_silent")
    assert (absent.status_code, absent.json()["code"]) == (503, "no_timeline")
    assert silent.json()["retryable"] is absent.json()["retryable"] is True


def test_a_quote_that_aged_is_called_stale(api, timeline, valkey):
    seen = World(7, DAY).frame_at(NOW, timeline=timeline.key, n=1, cadence=30)
    symbol = "NIFTY-20260811-24500-CE"
    old = seen.quotes[symbol]._replace(at=NOW - timedelta(seconds=61))
    seen.quotes[symbol] = old
    quotes.publish(seen)

    rows = api.get("/options/market/chain?underlying=NIFTY&expiry=2026-08-11").json()["data"]

    stale = [side["symbol"] for row in rows for side in (row["call"], row["put"]) if side["stale"]]
    assert stale == [symbol]


@pytest.mark.parametrize("name", ["chain", "contracts", "calendar", "clock", "payoff"])
def test_a_stranger_must_sign_in(client, name):
    assert client.get(f"/options/market/{name}").status_code in (401, 403)
