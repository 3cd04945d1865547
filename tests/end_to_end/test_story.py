"""The story of the demo on a running desk, seen in a browser, over REST and in the simulator's books;
the desk is destroyed and restored, and twice killed in the middle of a wave: nothing is lost or done twice.

One desk for the whole module; each test goes on where the one before it ended.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from optionsplatform.supervisor import DEMO_EMAIL, DEMO_PASSWORD
from tests.end_to_end.killed import CARRIED, LAST_ORDER, RUNS, SENT, only_unknown_is_open
from tests.end_to_end.running_desk import ROOT, eventually, running_desk

pytestmark = [pytest.mark.slow]

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip
RESULTS = ROOT / "test-results"
PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1366, "height": 900}
PATIENCE = 60_000  # milliseconds; another suite may be using the processor
PAIRS = {
    ("Iron Condor", "zerodha"): 2, ("Iron Condor", "angelone"): 1, ("Covered Call", "zerodha"): 5,
    ("Cash Secured Put", "finvasia"): 3, ("Cash Secured Put", "angelone"): 2,
}  # fmt: skip
POSITIONAL = ("Covered Call", "Cash Secured Put")
LEGS = {
    "Iron Condor": [("CE", -1), ("CE", 1), ("PE", -1), ("PE", 1)],
    "Covered Call": [("CE", -1), ("FUT", 1)],
    "Cash Secured Put": [("PE", -1)],
}


@pytest.fixture(scope="module")
def desk():
    with running_desk("--speed", "1") as desk:
        yield desk


@pytest.fixture(scope="module")
def api(desk):
    client = desk.client()
    yield lambda path: client.get(path).raise_for_status().json()["data"]
    client.close()


@pytest.fixture(scope="module")
def chromium():
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def login(chromium, desk):
    """Cookies of the demo trader, who has signed in on the page."""
    page = chromium.new_page(viewport=WIDE)
    page.set_default_timeout(PATIENCE)
    page.goto(f"{desk.url}/")
    page.get_by_label("Email").fill(DEMO_EMAIL)
    page.get_by_label("Password", exact=True).fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Desk", timeout=PATIENCE)
    cookies = page.context.cookies()
    page.close()
    return cookies


@pytest.fixture
def open_page(chromium, login, desk):
    """open_page("/", viewport=PHONE) as the demo trader."""
    contexts = []

    def go(path, **options):
        context = chromium.new_context(viewport=options.pop("viewport", WIDE), **options)
        context.set_default_timeout(PATIENCE)
        context.add_cookies(login)
        contexts.append(context)
        page = context.new_page()
        page.goto(desk.url + path)
        return page

    yield go
    for context in contexts:
        context.close()


def runs(api, phase, strategy=None):
    """Finished runs of a phase, by strategy and broker; {} while one is unfinished."""
    rows = [r for r in api(f"/options/executions?limit=100&phase={phase}")
            if strategy in (None, r["strategy"])]  # fmt: skip
    if any(row["status"] in ("due", "running") for row in rows):
        return {}
    return {(row["strategy"], row["broker"]): row for row in rows}


def held(api, *strategies):
    """(option type, lots) of what is open of these strategies, or of all, by strategy and broker."""
    found = {}
    rows = api("/options/positions?open=true&limit=100")
    for row in [row for row in rows if row["strategy"] in (strategies or LEGS)]:
        kind = row["contract"].rsplit("-", 1)[1]
        found.setdefault((row["strategy"], row["broker"]), []).append((kind, row["lots"]))
    return {pair: sorted(legs) for pair, legs in found.items()}


def planned(*strategies):
    return {
        (name, broker): sorted((kind, side * lots) for kind, side in LEGS[name])
        for (name, broker), lots in PAIRS.items()
        if name in strategies
    }


def test_at_0920_the_five_pairs_fill_exactly_their_lots(desk, api):
    assert api("/options/positions") == []
    desk.jump("09:19:58")

    entered = eventually(lambda: (found := runs(api, "entry")) and len(found) == 5 and found)

    assert {pair: (run["lots"], run["status"], run["code"]) for pair, run in entered.items()} == {
        pair: (lots, "done", "") for pair, lots in PAIRS.items()
    }
    assert held(api) == planned(*LEGS)


@pytest.mark.browser
def test_profit_and_greeks_move_on_the_page_without_a_reload(open_page):
    page = open_page("/")
    page.evaluate("window.neverReloaded = true")
    cells = ["summary:all:net", "summary:all:delta", "summary:all:theta", "summary:all:vega"]
    legs = page.locator("tr.leg [data-live$=':ltp']").count()
    first = {cell: page.locator(f"[data-live='{cell}']").inner_text() for cell in cells}

    for cell, text in first.items():
        expect(page.locator(f"[data-live='{cell}']")).not_to_have_text(text, timeout=PATIENCE)

    assert legs == 12
    assert page.evaluate("window.neverReloaded") is True
    expect(page.locator("[data-feed-age]")).to_have_text("Feed live", timeout=PATIENCE)


@pytest.mark.browser
@pytest.mark.parametrize(("name", "viewport"), [("desk-390", PHONE), ("desk-1366", WIDE)])
def test_the_desk_fits_its_screen_and_has_its_picture_taken(open_page, name, viewport):
    RESULTS.mkdir(exist_ok=True)
    page = open_page("/", viewport=viewport)
    expect(page.locator("[data-feed-age]")).to_have_text("Feed live", timeout=PATIENCE)
    page.screenshot(path=RESULTS / f"{name}.png", full_page=True)

    basket = page.get_by_role("link", name="Conservative Income Strategies").first
    page.goto(page.url.rstrip("/") + basket.get_attribute("href"))
    page.screenshot(path=RESULTS / f"{name.replace('desk', 'basket')}.png", full_page=True)

    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.browser
def test_a_strategy_is_made_from_a_preset_on_the_page(open_page, api):
    page = open_page("/baskets")
    page.get_by_role("link", name="Conservative Income Strategies").first.click()
    page.goto(f"{page.url}/strategies/new")
    page.get_by_role("link", name="Jade Lizard").click()
    page.get_by_role("button", name="Create Jade Lizard").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Jade Lizard")
    assert "Jade Lizard" in [row["name"] for row in api("/options/strategies")]


def test_a_destroyed_desk_comes_back_from_its_backup_with_both_ledgers(desk, tmp_path):
    desk.await_explained()
    before = desk.books()
    saved = desk.run("-m", "optionsplatform.backup", "save", str(tmp_path / "desk.tar"))
    assert saved.startswith("saved ")
    desk.stop()
    desk.destroy()
    desk.data_dir.mkdir(mode=0o755)

    desk.run("-m", "optionsplatform.backup", "restore", str(tmp_path / "desk.tar"))
    desk.start()

    assert desk.books() == before


def test_at_1510_the_intraday_strategy_exits_and_the_others_stay(desk, api):
    desk.jump("15:09:58")

    left = eventually(lambda: len(found := runs(api, "exit", "Iron Condor")) == 2 and found)

    assert {run["status"] for run in left.values()} == {"done"}
    assert held(api) == planned("Covered Call", "Cash Secured Put")


def test_the_close_writes_the_day_by_pair_strategy_basket_and_broker_after_charges(desk, api):
    desk.jump("15:39:55")
    eventually(lambda: desk.timeline()["market_now"].day == 4, what="the next day")

    sums = {by: api(f"/options/performance?by={by}") for by in ("pair", "strategy", "basket", "broker")}

    assert {by: len(rows) for by, rows in sums.items()} == {
        "pair": 5, "strategy": 3, "basket": 1, "broker": 3,
    }  # fmt: skip
    totals = {by: sum(Decimal(row["net"]) for row in rows) for by, rows in sums.items()}
    assert len(set(totals.values())) == 1
    for row in sums["pair"]:
        assert Decimal(row["charges"]) > 0
        assert Decimal(row["net"]) == Decimal(row["gross"]) - Decimal(row["charges"])
    assert [row["key"] for row in api("/options/performance?by=day")] == ["2026-08-03"]


def test_a_worker_killed_in_an_entry_wave_sends_no_order_twice(desk):
    (last,) = desk.rows(LAST_ORDER)
    desk.jump("09:19:58")
    eventually(lambda: desk.rows(SENT, last["id"]), what="the wave's first order")

    desk.kill_child("worker")

    eventually(lambda: desk.said.count("worker is up") == 3, within=120, what="the new worker")
    assert "worker died (signal 9); starting it again" in desk.said
    eventually(lambda: len(desk.rows(RUNS, "entry", "2026-08-04")) == 2, what="both entries")
    only_unknown_is_open(desk)


def test_on_expiry_day_the_covered_call_rolls(desk, api):
    desk.jump("14:59:58")

    rolled = eventually(lambda: runs(api, "roll", "Covered Call"))

    assert rolled["Covered Call", "zerodha"]["status"] == "done"
    assert held(api, *POSITIONAL) == planned(*POSITIONAL)


def test_a_start_after_a_supervisor_killed_in_an_exit_wave_finds_what_was_left_and_loses_nothing(desk):
    carried = desk.rows(CARRIED)
    assert len(carried) == 2
    (last,) = desk.rows(LAST_ORDER)
    desk.jump("15:09:58")
    eventually(lambda: desk.rows(SENT, last["id"]), what="the wave's first order")

    desk.kill_supervisor()
    assert desk.left_over() != []
    desk.start()

    assert "database is up to date (0 migrations applied)" in desk.said
    assert desk.rows(CARRIED) == carried
    (left,) = re.findall("stopped what an earlier run had left: (.*)", desk.said)
    assert {"beat", "market", "simulator", "web", "worker"} <= set(left.split(", "))
    only_unknown_is_open(desk)


def test_the_puts_are_settled_at_their_expiry(desk, api):
    desk.jump("15:39:55")
    eventually(lambda: desk.timeline()["market_now"].day == 5, what="the day after")

    assert eventually(lambda: held(api, *POSITIONAL) == planned("Covered Call"))
    settled = desk.rows("SELECT DISTINCT provisional FROM execution_settlement")
    assert settled == [{"provisional": False}]


def test_the_simulators_ledger_explains_every_order(desk):
    only_unknown_is_open(desk)
    orders = [order for account in desk.ledger() for order in account["orders"]]
    assert len(orders) == len({order["client_ref"] for order in orders})
    assert {order["status"] for order in orders} == {"FILLED"}


@pytest.mark.browser
def test_kill_without_script_ends_verified_flat(open_page, desk, api):
    assert held(api) == planned("Covered Call")
    page = open_page("/", viewport=PHONE, java_script_enabled=False)
    page.get_by_role("link", name="KILL", exact=True).click()
    page.get_by_role("link", name="Kill Everything you run").click()
    page.get_by_role("button", name="Kill: stop and close everything listed").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Killed: Everything you run"

    def is_flat():
        page.reload()
        return page.get_by_text("Verified flat.").count()

    eventually(is_flat)
    assert held(api) == {}
    desk.await_explained()


def test_ctrl_c_stops_everything(desk):
    desk.stop()

    assert desk.said.rstrip().endswith("everything is stopped")
    assert desk.said.count(" died ") == 1  # the worker that a test killed
