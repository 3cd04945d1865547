"""The main pages in Debian's chromium: axe finds nothing, nothing is wider than the screen, and the
script's rupees are the server's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import sync_playwright

from market.quotes import connection
from tests.factories import UserFactory
from tests.integration.pages import world as story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
GOLDEN = Path(__file__).parent.parent / "golden" / "money.json"
SIZES = {"desktop": {"width": 1366, "height": 768}, "phone": {"width": 390, "height": 844}}
PAGES = [
    "/", "/baskets", "/baskets/{basket}", "/baskets/{basket}/allocations",
    "/baskets/{basket}/strategies/new", "/baskets/{basket}/strategies/new?preset=iron_condor",
    "/strategies/{strategy}", "/strategies/{strategy}/edit", "/executions", "/executions/{run}",
    "/orders", "/performance", "/risk", "/risk/limits", "/risk/limits/edit?scope=user&target=", "/risk/kill?scope=user&target=", "/marketplace",
    "/accounts-broker", "/notices", "/settings", "/market", "/not-there",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # playwright's loop runs in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def desk(live_server, chromium):
    """Opens pages as the user of the demo story: desk("phone", "dark")."""
    world = story.build(UserFactory())
    client = Client()
    client.force_login(world.user)
    cookie = {
        "name": settings.SESSION_COOKIE_NAME,
        "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        "url": live_server.url,
    }
    opened = []

    def page(size: str, scheme: str, **options):
        context = chromium.new_context(viewport=SIZES[size], color_scheme=scheme, **options)
        context.add_cookies([cookie])
        opened.append(context)
        return context.new_page()

    page.world, page.url = world, live_server.url
    yield page
    for context in opened:
        context.close()
    connection().delete("frame:demo", "frame-number:demo", "heartbeat:market")


def paths(world) -> list[str]:
    names = {
        "basket": world.basket.pk,
        "strategy": world.strategies["iron_condor"].pk,
        "run": world.runs[0].pk,
    }
    return [path.format(**names) for path in PAGES]


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(size, scheme, desk):
    page, axe, found = desk(size, scheme), Axe(), []
    for path in paths(desk.world):
        page.goto(desk.url + path)
        wider = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        violations = axe.run(page).response["violations"]
        found += [f"{path}: {v['id']} {v['nodes'][0]['html'][:160]}" for v in violations]
        found += [f"{path}: {wider} px too wide"] if wider > 0 else []

    assert found == []


def test_the_script_writes_rupees_as_the_server_does(desk):
    page = desk("desktop", "light")
    page.goto(desk.url + "/settings")
    rows = json.loads(GOLDEN.read_text())

    shown = page.evaluate(
        """async (rows) => {
          const { rupees } = await import("/static/js/money.js");
          return rows.map((row) => rupees(row.value, { places: row.places, sign: row.sign }));
        }""",
        rows,
    )

    assert shown == [row["shown"] for row in rows]


def test_kill_works_without_script(desk):
    page = desk("phone", "light", java_script_enabled=False)
    page.goto(desk.url + "/")
    page.get_by_role("link", name="KILL", exact=True).click()
    page.get_by_role("link", name="Kill Everything you run").click()
    page.get_by_role("button", name="Kill: stop and close everything listed").click()

    assert page.get_by_role("heading", level=1).inner_text() == "Killed: Everything you run"


def test_a_condor_is_two_clicks_from_the_palette(desk):
    page = desk("desktop", "dark")
    page.goto(f"{desk.url}/baskets/{desk.world.basket.pk}/strategies/new")
    page.get_by_role("link", name="Iron Fly").click()
    page.get_by_role("button", name="Create Iron Fly").click()

    assert page.get_by_role("heading", level=1).inner_text() == "Iron Fly"
    assert page.get_by_role("img").first.get_attribute("aria-label").startswith("On Tue 4 Aug, for one lot before charges, the best result is ")
