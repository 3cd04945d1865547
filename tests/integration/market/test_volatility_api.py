"""Open interest, windows and pages of the chain; the smile and the term structure."""

from __future__ import annotations

from datetime import date, time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from market import quotes
from market.catalogue import chain as catalogue
from market.kernel.clock import at
from market.kernel.contracts import parse
from market.sources.simulated import World

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 4)
NEXT = date(2026, 8, 11)
CHAIN = "/options/market/chain?underlying=NIFTY&expiry=2026-08-11"
SMILE = "/options/market/smile?underlying=NIFTY&expiry=2026-08-11"
TERM = "/options/market/term-structure?underlying=NIFTY"


def told(seen):
    """The frame with 100 units of open interest and 7 of volume on a call, three times that on a put."""
    for symbol in list(seen.quotes):
        contract = parse(symbol)
        times = 1 if contract.is_call else 3
        if contract.is_option:
            seen.quotes[symbol] = seen.quotes[symbol]._replace(oi=100 * times, volume=7 * times)
    return seen


def untold(seen):
    for symbol in list(seen.quotes):
        seen.quotes[symbol] = seen.quotes[symbol]._replace(oi=None, volume=None)
    return seen


def publish(timeline, clock=time(11, 0), change=lambda seen: seen):
    seen = change(World(7, DAY).frame_at(at(DAY, clock), timeline=timeline.key, n=12, cadence=30))
    quotes.publish(seen)
    return seen


@pytest.fixture
def frame(timeline, valkey):
    return publish(timeline, change=told)


def test_the_chain_has_open_interest_volume_and_what_they_say(api, frame):
    body = api.get(CHAIN).json()

    strikes = len(body["data"])
    assert body["interest"] == {
        "call_oi": 100 * strikes, "put_oi": 300 * strikes, "pcr_oi": 3.0,
        "call_volume": 7 * strikes, "put_volume": 21 * strikes, "pcr_volume": 3.0,
        "max_pain": body["interest"]["max_pain"], "oi_unknown": 0,
    }  # fmt: skip
    assert body["interest"]["max_pain"] in [row["strike"] for row in body["data"]]
    assert {row["call"]["oi"] for row in body["data"]} == {100}
    assert {row["put"]["volume"] for row in body["data"]} == {21}
    assert body["spot_is_live"] is True


def test_a_source_without_open_interest_leaves_nulls(api, timeline, valkey):
    publish(timeline, change=untold)

    body = api.get(CHAIN).json()

    assert body["interest"]["pcr_oi"] is body["interest"]["max_pain"] is None
    assert body["interest"]["oi_unknown"] == 2 * len(body["data"])
    assert body["data"][0]["call"]["oi"] is None


def test_a_window_is_around_the_money_and_the_figures_stay_those_of_the_expiry(api, frame):
    whole, near = api.get(CHAIN).json(), api.get(f"{CHAIN}&window=2").json()

    assert [row["at_the_money"] for row in near["data"]] == [False, False, True, False, False]
    assert near["interest"] == whole["interest"]


def test_the_strikes_come_in_pages(api, frame):
    whole = [row["strike"] for row in api.get(CHAIN).json()["data"]]
    body = api.get(f"{CHAIN}&limit=10").json()
    found = [row["strike"] for row in body["data"]]
    while body["next_cursor"]:
        assert body["next_cursor"] == found[-1]
        body = api.get(f"{CHAIN}&limit=10&cursor={body['next_cursor']}").json()
        found += [row["strike"] for row in body["data"]]

    assert found == whole
    assert len(whole) > 20


def test_in_the_money_calls_are_below_the_forward_and_puts_above(api, frame):
    body = api.get(CHAIN).json()

    for row in body["data"]:
        below = float(row["strike"]) < float(body["forward"])
        assert (row["call"]["in_the_money"], row["put"]["in_the_money"]) == (below, not below)


def test_after_fifteen_past_three_the_chain_has_no_spot(api, timeline, valkey):
    publish(timeline, time(15, 20))

    body = api.get(CHAIN).json()

    assert (body["spot"], body["spot_is_live"]) == (None, False)


def test_the_smile_is_the_chains_volatility_by_strike(api, frame):
    chain, smile = api.get(CHAIN).json(), api.get(SMILE).json()

    assert [(p["strike"], p["iv"]) for p in smile["data"]] == [
        (row["strike"], row["call"]["iv"]) for row in chain["data"] if row["call"]["iv"] is not None
    ]
    assert smile["forward"] == chain["forward"]
    assert len(api.get(f"{SMILE}&window=3").json()["data"]) == 7


def test_the_term_structure_has_every_expiry_and_on_expiry_day_the_next_series(api, frame):
    body = api.get(TERM).json()

    expiries = catalogue.expiries_in(frame, "NIFTY")
    assert [row["expiry"] for row in body["data"]] == [day.isoformat() for day in expiries]
    assert all(0.05 < row["iv"] < 0.4 for row in body["data"])
    expiring = body["expiring"]
    assert (expiring["expiry"], expiring["next_expiry"]) == ("2026-08-04", "2026-08-11")
    assert expiring["difference"] == str(frame.forwards["NIFTY", NEXT] - frame.forwards["NIFTY", DAY])
    assert expiring["spot_is_live"] is True
    assert api.get(f"{TERM}&limit=2").json()["next_cursor"] == expiries[1].isoformat()


def test_on_another_day_nothing_is_expiring(api, frame):
    assert api.get("/options/market/term-structure?underlying=SENSEX").json()["expiring"] is None


@pytest.mark.parametrize(
    ("url", "pointer"),
    [
        (f"{CHAIN}&window=-1", "/window"),
        (f"{CHAIN}&limit=101", "/limit"),
        ("/options/market/smile?underlying=NIFTY&expiry=2026-08-05", "/expiry"),
        ("/options/market/smile?underlying=BANKEX", "/underlying"),
        ("/options/market/term-structure?underlying=BANKEX", "/underlying"),
        (f"{TERM}&expiry=2026-08-11", "/expiry"),
    ],
)
def test_bad_input_is_a_422_that_names_the_field(api, frame, url, pointer):
    answer = api.get(url)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("url", [CHAIN, SMILE, TERM])
def test_the_queries_do_not_grow_with_what_is_listed(api, timeline, valkey, url):
    publish(timeline)
    with CaptureQueriesContext(connection) as many:
        assert api.get(url).status_code == 200
    quotes.publish(_with_one_strike(publish(timeline)))
    with CaptureQueriesContext(connection) as few:
        assert api.get(url).status_code == 200

    assert len(many) == len(few)


def _with_one_strike(seen):
    for symbol in list(seen.quotes):
        if parse(symbol).strike not in (24500, None):
            del seen.quotes[symbol]
    return seen


@pytest.mark.parametrize("url", [SMILE, TERM])
def test_a_stranger_must_sign_in(client, url):
    assert client.get(url).status_code in (401, 403)
