"""The option chain page: whole without script, its parts for htmx, and the panel of an expiry day."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from market import quotes
from market.catalogue.chain import chain
from market.kernel.contracts import parse
from market.services import ensure_contracts
from tests.integration.execution.live.rows_in_db import make_position

pytestmark = pytest.mark.django_db
PICTURES = "/market?part=pictures&underlying=NIFTY"
HTMX = {"HX-Request": "true"}


def nearest(world):
    return min(e for u, e in world.frame.forwards if u == "NIFTY")


def on_the_day_of(world, expiry, clock="11:00:00"):
    """The frame as if the first series expired today: the same prices, another date."""
    now = world.frame.now.fromisoformat(f"{expiry}T{clock}+05:30")
    seen = replace(world.frame, now=now, n=2)
    quotes.publish(seen)
    return seen


def cells(page, field):
    found = re.findall(rf'data-live="chain:[A-Z]+:[-0-9]+:(\w+):{field}"[^>]*>([^<]*)<', page)
    return dict(found)


def test_without_script_the_page_has_the_chain_its_facts_and_both_pictures(browser, world):
    page = browser.get("/market").content.decode()

    found = chain(world.frame, "NIFTY", nearest(world))
    money = found.at_the_money
    assert page.count('id="at-the-money"') == 1
    assert f'data-strike="{money.strike.normalize():f}"' in page.partition('id="at-the-money"')[2][:4000]
    assert cells(page, "ltp")[f"{money.strike.normalize():f}CE"] == f"{money.call.quote.ltp:.2f}"
    assert len(cells(page, "iv")) == 2 * 25
    assert page.count('class="volatility"') == 2
    assert "The same as a table" in page
    assert ">Refresh</a>" in page


def test_greeks_are_one_choice_away_and_the_window_too(browser, world):
    page = browser.get("/market?show=greeks&window=6").content.decode()

    assert len(cells(page, "vega")) == 2 * 13
    assert cells(page, "bid") == {}


@pytest.mark.parametrize("query", ["underlying=GOLD", "expiry=soon", "window=9999", "show=all", "part=x"])
def test_a_choice_that_is_not_there_gets_the_usual_page(browser, world, query):
    assert len(cells(browser.get(f"/market?{query}").content.decode(), "ltp")) == 2 * 25


def test_a_source_without_open_interest_says_so(browser, world):
    bare = {s: q._replace(oi=None, volume=None) for s, q in world.frame.quotes.items()}
    quotes.publish(replace(world.frame, quotes=bare))

    page = browser.get("/market").content.decode()

    assert page.count("the source tells none") == 2
    assert set(cells(page, "oi").values()) == {"\u2013"}


def test_htmx_gets_the_part_it_asks_for(browser, world):
    table = browser.get("/market?part=table", headers=HTMX).content.decode()
    drawn = browser.get(PICTURES, headers=HTMX).content.decode()

    assert "<html" not in table + drawn
    assert (table.count("<table"), table.count("<svg")) == (1, 0)
    assert (drawn.count("at-the-money"), drawn.count("<svg")) == (0, 2)


def test_on_other_days_there_is_no_expiry_panel(browser, world):
    assert "expires today" not in browser.get("/market").content.decode()


def test_on_expiry_day_the_panel_says_what_a_settlement_point_is_worth(browser, world):
    expiry = nearest(world)
    seen = on_the_day_of(world, expiry)
    strike = chain(seen, "NIFTY", expiry).strikes[0].strike  # deep in the money
    symbol = f"NIFTY-{expiry:%Y%m%d}-{strike.normalize():f}-CE"
    ensure_contracts([parse(symbol)])
    make_position(world.pairs[0], world.timeline, symbol, -130, day=date(2026, 7, 29))

    page = browser.get("/market").content.decode()

    panel = page.partition("NIFTY expires today")[2].partition("Smile,")[0]
    assert "\u2212130<small>rupees a point, in the money only" in panel
    assert "NIFTY 4 Aug" in panel
    assert "points beyond the" in panel
    assert "The spot is dead." not in panel


def test_a_strangers_positions_are_not_in_the_panel(client, stranger, world):
    expiry = nearest(world)
    on_the_day_of(world, expiry)
    client.force_login(stranger)

    assert "nothing of yours expires today" in client.get("/market").content.decode()


def test_from_fifteen_past_three_the_panel_says_that_the_spot_is_dead(browser, world):
    on_the_day_of(world, nearest(world), "15:20:00")

    page = browser.get("/market").content.decode()

    assert "The spot is dead." in page
    assert "not continuous now" in page


def test_the_page_costs_the_same_queries_for_more_positions(browser, world):
    expiry = nearest(world)
    seen = on_the_day_of(world, expiry)
    with CaptureQueriesContext(connection) as before:
        browser.get("/market")
    for row in chain(seen, "NIFTY", expiry).strikes[:6]:
        make_position(world.pairs[0], world.timeline, row.call.symbol, 65)
    with CaptureQueriesContext(connection) as after:
        browser.get("/market")

    assert len(after) == len(before)


def test_a_spread_of_the_day_shows_decimal_text_only(browser, world):
    page = browser.get("/market").content.decode()

    assert Decimal(cells(page, "forward")["head"].replace(",", "")) > 0
    assert "None" not in page
    assert "nan" not in page
