"""The operator's tables reach the pure functions of every process at its next unit of work."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from importlib import import_module

import httpx
import orjson
import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.simulator.ledger import Ledger
from brokers.simulator.simulator import Simulator
from brokers.simulator.wire import Answer
from execution.running import desk_now
from market import fact_selectors, facts_in_force, feed, quotes
from market.fact_services import import_facts, seed_facts
from market.facts import tables
from market.kernel import charges, contracts
from market.kernel.clock import at
from market.kernel.frame import encode
from market.kernel.margin import MarginLeg, requirement
from market.models import FACT_MODELS, MarginRate
from market.sources.simulated import World
from tests.integration.market.test_facts import (
    BY,
    HOLIDAYS_2027,
    HOURS_2027,
    NOW,
    TUESDAY,
    change_lot,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _packaged_facts():
    tables.install(None)
    yield
    tables.install(None)


def test_looking_costs_one_query_until_the_tables_change():
    facts_in_force.refresh()
    seed_facts(now=NOW)
    with CaptureQueriesContext(connection) as first:
        assert facts_in_force.refresh() == 1
    with CaptureQueriesContext(connection) as after:
        assert facts_in_force.refresh() == 1

    assert (len(first), len(after)) == (1 + 1 + len(FACT_MODELS) + 1, 1)


def test_a_changed_rate_is_charged_at_once():
    row = {
        "component": "stt", "exchange": "*", "instrument": "OPT", "side": "SELL",
        "first": "2026-04-01", "last": "2026-12-31", "rate": "0.003", "source": "a law", "confidence": "A",
    }  # fmt: skip
    before = stt_of_a_sale()

    import_facts(files=[("rates", ",".join(row) + "\n" + ",".join(row.values()))], by=BY)
    facts_in_force.refresh()

    assert (before, stt_of_a_sale()) == (Decimal("9.75"), Decimal("19.50"))


def test_a_changed_margin_parameter_is_asked_at_once():
    header = "component,first,last,rate,source,confidence"
    before = exposure_of_a_short()

    row = "exposure,2023-01-01,2026-12-31,0.03,a circular,A"
    import_facts(files=[("margin", f"{header}\n{row}")], by=BY)
    facts_in_force.refresh()

    assert (before, exposure_of_a_short()) == (Decimal("31200.00"), Decimal("46800.00"))


def exposure_of_a_short() -> Decimal:
    call = contracts.parse("NIFTY-20260811-24000-CE")
    short = MarginLeg(call, -65, 150.0, 0.12, 24_000.0)
    return requirement([short], 24_000.0, NOW).exposure


def test_a_desk_whose_tables_are_in_use_gets_the_packaged_margin_parameters():
    seed_facts(now=NOW)
    MarginRate.objects.all().delete()

    import_module("market.migrations.0005_margin_rates").fill(apps, None)

    assert set(fact_selectors.snapshot().margin_rates) == set(tables.packaged().margin_rates)


def stt_of_a_sale() -> Decimal:
    call = contracts.parse("NIFTY-20260804-24500-CE")
    sold = charges.for_order("zerodha", call, "SELL", 65, Decimal(100), on=TUESDAY)
    return sold.stt


def test_the_profile_of_the_environment_lies_over_the_tables(settings):
    change_lot(130)
    config = {"indices": {"NIFTY": {"lot_size": 25, "weekly_expiry": "Thursday"}}}
    settings.PLATFORM = replace(
        settings.PLATFORM, market_profile="brief", indian_market_config=config
    )

    facts_in_force.refresh()

    assert contracts.lot_size("NIFTY", date(2026, 8, 6)) == 25
    assert tables.in_force().revision == fact_selectors.revision()


def test_a_request_is_answered_by_the_tables_of_its_moment(api):
    url = "/options/market/calendar?exchange=NSE&from=2027-01-25&to=2027-01-27"
    refused = api.get(url)
    import_facts(files=[("hours", HOURS_2027), ("holidays", HOLIDAYS_2027)], by=BY)

    answered = api.get(url)

    assert (refused.status_code, answered.status_code) == (422, 200)
    assert answered.json()["holidays"] == ["2027-01-26"]


def test_the_probes_of_a_sick_platform_ask_no_table(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").status_code == 200


def test_the_engines_desk_has_the_tables_of_its_moment(timeline, valkey):
    quotes.publish(
        World(7, TUESDAY).frame_at(at(TUESDAY, time(10)), timeline=timeline.key, n=1, cadence=1)
    )
    change_lot(130)

    assert contracts.parse("NIFTY-20260804-24500-CE").lot_size == 65
    desk = desk_now()

    assert desk is not None
    assert contracts.parse("NIFTY-20260804-24500-CE").lot_size == 130


def test_the_market_process_plays_the_next_frame_by_the_new_tables(
    market, simulator, stop, timeline
):
    def after(frame):
        if frame.n == 1:
            change_lot(130)
        else:
            stop.set()

    simulator.after = after

    market.run()

    assert [frame.n for frame in simulator.frames] == [1, 2]
    assert contracts.parse("NIFTY-20260804-24500-CE").lot_size == 130
    sizes = {
        q.bid_quantity % 130
        for s, q in simulator.frames[1].quotes.items()
        if s.startswith("NIFTY-20260804-2")
    }
    assert sizes == {0}


def test_a_simulator_with_other_facts_is_given_ours_before_it_matches(timeline):
    change_lot(130)
    facts_in_force.refresh()
    asked: list[tuple[str, dict]] = []

    def restarted(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url.raw_path, "ascii"), orjson.loads(request.content)))
        wanted = len(asked) == 1
        return (
            httpx.Response(409, json={"code": "FACTS_WANTED"})
            if wanted
            else httpx.Response(200, json={"n": 1})
        )

    with httpx.Client(
        base_url="http://exchange", transport=httpx.MockTransport(restarted)
    ) as client:
        feed.hand_over(
            client,
            World(7, TUESDAY).frame_at(
                at(TUESDAY, time(10)), timeline=timeline.key, n=1, cadence=1
            ),
        )

    assert [path for path, _ in asked] == ["/frames?facts=2", "/admin/facts", "/frames?facts=2"]
    tables.install(None)  # as in a simulator's own process
    answer = operate("/admin/facts", orjson.dumps(asked[1][1]))
    assert (answer.status, orjson.loads(answer.body)) == (200, {"facts": 2})
    assert contracts.parse("NIFTY-20260804-24500-CE").lot_size == 130
    assert tables.in_force().charge_rates == fact_selectors.snapshot().charge_rates


def test_a_simulator_matches_no_frame_of_a_desk_with_other_facts(timeline):
    frame = World(7, TUESDAY).frame_at(at(TUESDAY, time(10)), timeline=timeline.key, n=1, cadence=1)

    refused, taken = (operate(f"/frames?facts={n}", orjson.dumps(encode(frame))) for n in (2, 0))

    assert (refused.status, orjson.loads(refused.body)["code"]) == (409, "FACTS_WANTED")
    assert (taken.status, orjson.loads(taken.body)) == (200, {"n": 1})


def operate(path: str, body: bytes) -> Answer:
    exchange = Simulator(Ledger(":memory:"), token="secret")
    return exchange.handle("POST", path, {"authorization": "Bearer secret"}, body, NOW)


def test_facts_that_are_none_are_refused_by_the_simulator():
    for body in (b"{}", b'{"revision": 2, "config": {}, "tables": {"lots": []}}'):
        assert operate("/admin/facts", body).status == 400
    assert tables.in_force() is tables.packaged()
