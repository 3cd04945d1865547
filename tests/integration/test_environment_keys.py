"""Each key of environments.json, flipped, and the effect where it applies.

| key | flipped in |
|---|---|
| market_data_ttl_seconds | integration/market/test_settings.py; below: what a restart may bring back |
| enable_realtime_websocket | unit/optionsplatform/test_sockets.py, integration/execution/live/test_socket.py |
| max_strategies_per_basket | integration/strategies/test_api.py |
| max_legs_per_strategy | integration/strategies/test_api.py |
| execution_timeout_seconds | below; what is done at the time-out: integration/execution/test_engine_entries.py |
| enable_paper_trading | below; integration/brokers/test_accounts.py, integration/allocations/test_services.py, integration/execution/test_engine_entries.py |
| log_retention_days | unit/optionsplatform/test_logs.py; below: what processes are started with |
| cors_allowed_origins | below |
| market_profile | below; refused for live accounts: integration/brokers/test_accounts.py |
| indian_market_config | integration/market/test_settings.py, integration/strategies/test_api.py; below |
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.test import Client

from brokers.simulator import asgi
from execution.models import StrategyExecution
from market import services
from market.facts import tables
from market.kernel import contracts
from market.kernel.clock import at
from market.models import Quote
from market.sources.simulated import World
from optionsplatform import environments
from optionsplatform.supervisor import Desk as RunningDesk
from optionsplatform.supervisor import parse
from tests.integration.execution.conftest import Desk, one_strategy, open_world

TESTS = Path(__file__).resolve().parent.parent
MONDAY, THURSDAY = date(2026, 8, 3), date(2026, 8, 6)
FRIEND, FOE = "https://charts.example.com", "https://evil.example.com"


def desk_of(name: str, *, broker: str, lots: int) -> Desk:
    return Desk(open_world(one_strategy(name, broker=broker, lots=lots), first_day=MONDAY), MONDAY)


def file_with(tmp_path: Path, **values) -> Path:
    document = json.loads(environments.FILE.read_text())
    document["dev"] |= values
    file = tmp_path / "environments.json"
    file.write_text(json.dumps(document))
    return file


@contextmanager
def configured(settings, **values):
    """The market as a process sees it that was started with these keys."""
    settings.PLATFORM = replace(settings.PLATFORM, **values)
    try:
        apps.get_app_config("market").ready()
        yield
    finally:
        tables.install(None)


def test_the_table_above_names_every_key_and_files_that_exist():
    rows = re.findall(r"^\| (\w+) \| (.*) \|$", __doc__, re.MULTILINE)[1:]

    assert {key for key, _ in rows} == {field.name for field in fields(environments.Environment)}
    named = {name for _, where in rows for name in re.findall(r"[\w/]+\.py", where)}
    assert [name for name in named if not (TESTS / name).exists()] == []


# market_data_ttl_seconds


@pytest.mark.parametrize("seconds", [300, 60])
def test_the_snapshot_of_a_restart_lives_as_long_as_market_data(db, settings, seconds):
    settings.PLATFORM = replace(settings.PLATFORM, market_data_ttl_seconds=seconds)
    timeline = services.create_timeline(key="ttl", source="simulated", first_day=MONDAY)
    now = at(MONDAY, time(11, 0))

    services.save_snapshot(
        timeline=timeline,
        frame=World(7, MONDAY).frame_at(now, timeline="ttl", n=1, cadence=1),
        wall=now,
    )

    assert set(Quote.objects.values_list("expires_at", flat=True)) == {now + timedelta(seconds=seconds)}


# execution_timeout_seconds


@pytest.mark.parametrize(("seconds", "status"), [(30, "failed"), (300, "running")])
def test_an_entry_may_take_as_long_as_the_environment_says(db, settings, seconds, status):
    settings.PLATFORM = replace(settings.PLATFORM, execution_timeout_seconds=seconds)
    desk = desk_of("Cash Secured Put", broker="finvasia", lots=3)

    def no_bid(quotes):
        return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}

    desk.at(9, 20, change=no_bid)
    desk.at(9, 21, change=no_bid)

    run = StrategyExecution.objects.get()
    assert run.status == status
    assert run.code == ("TIMED_OUT" if status == "failed" else "")


# enable_paper_trading


def test_what_is_open_on_paper_is_still_exited_when_paper_trading_is_switched_off(db, settings):
    desk = desk_of("Iron Condor", broker="zerodha", lots=2)
    pair = desk.pair("Iron Condor", "zerodha")
    desk.at(9, 20)
    assert len(desk.held(pair)) == 4

    settings.PLATFORM = replace(settings.PLATFORM, enable_paper_trading=False)
    desk.at(15, 10)

    assert (desk.run(pair, "exit").status, desk.held(pair)) == ("done", {})


# log_retention_days


@pytest.mark.parametrize(("environment", "days"), [("dev", "7"), ("staging", "30"), ("prod", "90")])
def test_every_process_is_started_with_the_log_retention_of_its_environment(tmp_path, environment, days):
    desk = RunningDesk(parse(["-e", environment, "--data-dir", str(tmp_path)]))
    (tmp_path / "pids").mkdir()
    desk._make_children()

    assert desk._environment["LOG_RETENTION_DAYS"] == days


# cors_allowed_origins


def test_the_platforms_origins_are_those_of_the_cors_headers(settings):
    assert settings.PLATFORM.cors_allowed_origins == settings.CORS_ALLOWED_ORIGINS


@pytest.mark.parametrize(
    ("listed", "origin", "path", "answered"),
    [
        ([FRIEND], FRIEND, "/options/presets", FRIEND),
        ([], FRIEND, "/options/presets", None),
        ([FRIEND], FOE, "/options/presets", None),
        ([FRIEND], FRIEND, "/healthz", None),
        ([FRIEND], FRIEND, "/accounts/login/", None),
    ],
    ids=["a listed origin", "no list", "another origin", "not the API", "not the sign-in"],
)
def test_only_listed_origins_and_only_the_api_have_cors_headers(db, settings, listed, origin, path, answered):
    settings.CORS_ALLOWED_ORIGINS = listed

    answer = Client().get(path, headers={"Origin": origin})

    assert answer.headers.get("Access-Control-Allow-Origin") == answered
    assert "Access-Control-Allow-Credentials" not in answer.headers


# market_profile


def test_the_brief_profile_trades_lots_of_25_that_expire_on_thursday(db, settings, tmp_path):
    brief = environments.load("dev", file=file_with(tmp_path, market_profile="brief"))

    with configured(settings, market_profile="brief", indian_market_config=brief.indian_market_config):
        lots = brief.indian_market_config["indices"]
        nearest = {name: contracts.expiries(name, MONDAY)[0].day for name in lots}
        assert {name: (contracts.lot_size(name, day), f"{day:%A}") for name, day in nearest.items()} == {
            "NIFTY": (25, "Thursday"),
            "BANKNIFTY": (15, "Wednesday"),
            "FINNIFTY": (25, "Tuesday"),
            "MIDCPNIFTY": (75, "Monday"),
            "SENSEX": (10, "Friday"),
        }
        desk = desk_of("Cash Secured Put", broker="finvasia", lots=3)
        desk.at(9, 20)

        (order,) = desk.orders(desk.pair("Cash Secured Put", "finvasia"))
        assert (order.status, order.quantity, order.contract.expiry) == ("FILLED", 75, THURSDAY)


def test_a_simulator_of_its_own_process_is_told_the_same_market(monkeypatch):
    config = {"trading_end_time": "15:30", "indices": {"NIFTY": {"lot_size": 25, "weekly_expiry": "Thursday"}}}
    monkeypatch.setenv("INDIAN_MARKET_CONFIG", json.dumps(config))
    try:
        asgi.create()

        assert contracts.lot_size("NIFTY", THURSDAY) == 25
    finally:
        tables.install(None)


def test_the_supervisor_tells_the_simulator_the_market_of_its_environment(tmp_path):
    desk = RunningDesk(parse(["-e", "dev", "--data-dir", str(tmp_path)]))
    desk._make_children()

    told = json.loads(desk._environment["INDIAN_MARKET_CONFIG"])
    assert told == environments.load("dev").indian_market_config


# indian_market_config


@pytest.mark.parametrize(
    ("key", "value", "runs"),
    [
        ("trading_start_time", "09:30", {("entry", "missed", "OUTSIDE_SESSION")}),
        ("trading_end_time", "15:00", {("entry", "done", ""), ("exit", "due", "")}),
    ],
    ids=["the entry of 09:20 comes before the start", "the exit of 15:10 waits for the next open"],
)
def test_orders_go_between_the_stated_times_only(db, settings, key, value, runs):
    desk = desk_of("Iron Condor", broker="zerodha", lots=2)
    timeline = desk.player.timeline.key
    frames = [
        desk.market.frame_at(at(MONDAY, moment), timeline=timeline, n=n, cadence=60)
        for n, moment in enumerate((time(9, 20), time(15, 10)), start=1)
    ]

    config = settings.PLATFORM.indian_market_config | {key: value}
    with configured(settings, indian_market_config=config):
        for frame in frames:
            desk.player.push(frame)

    assert set(StrategyExecution.objects.values_list("phase", "status", "code")) == runs


def test_an_index_that_the_stated_table_does_not_name_is_not_traded(db, settings):
    config = settings.PLATFORM.indian_market_config | {
        "indices": {"SENSEX": {"lot_size": 10, "weekly_expiry": "Friday"}}
    }

    with configured(settings, indian_market_config=config), pytest.raises(LookupError):
        contracts.lot_size("NIFTY", THURSDAY)
