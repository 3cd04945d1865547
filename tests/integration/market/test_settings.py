"""The environment's keys that the market obeys, each flipped."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import pytest
from django.apps import apps

from market import quotes
from market.facts import tables
from market.kernel import calendar, contracts
from market.kernel.clock import at
from market.sources.simulated import World

DAY = date(2026, 8, 4)
THURSDAY_25 = {
    "trading_start_time": "09:15",
    "trading_end_time": "15:30",
    "indices": {"NIFTY": {"lot_size": 25, "weekly_expiry": "Thursday"}},
}


@pytest.mark.parametrize("seconds", [300, 60])
def test_market_data_lives_as_long_as_the_environment_says(settings, valkey, seconds):
    settings.PLATFORM = replace(settings.PLATFORM, market_data_ttl_seconds=seconds)
    now = at(DAY, time(11, 0))

    quotes.publish(World(7, DAY).frame_at(now, timeline="test-ttl", n=1, cadence=1))

    assert seconds - 5 < valkey.ttl("frame:test-ttl") <= seconds
    assert quotes.latest("test-ttl").now == now


def test_an_environments_index_table_replaces_the_dated_facts(settings):
    thursday = date(2026, 8, 6)
    assert contracts.lot_size("NIFTY", DAY) == 65
    assert calendar.session("NSE", DAY).close == at(DAY, time(15, 40))
    settings.PLATFORM = replace(settings.PLATFORM, indian_market_config=THURSDAY_25)
    try:
        apps.get_app_config("market").ready()

        assert contracts.lot_size("NIFTY", thursday) == 25
        assert contracts.expiries("NIFTY", DAY)[0].day == thursday
        assert calendar.session("NSE", DAY).close == at(DAY, time(15, 30))
    finally:
        tables.install(None)
