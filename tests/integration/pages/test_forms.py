"""What the pages' forms do: the service's work when it agrees, its words at the field when not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from allocations.models import StrategyBrokerAllocation, TradingState
from baskets.models import Basket
from execution.models import StopWatch, StrategyExecution
from strategies.models import Strategy
from strategies.selectors import newest_version
from tests.integration.pages.world import DAY

pytestmark = pytest.mark.django_db


def test_naming_a_basket_leads_to_its_first_strategy(browser, user):
    answer = browser.post("/baskets/new", {"name": "Weekly income", "description": ""})

    basket = Basket.objects.get(owner=user)
    assert basket.name == "Weekly income"
    assert answer["Location"] == f"/baskets/{basket.pk}/strategies/new"


def test_a_name_that_is_taken_is_said_at_the_field_and_nothing_is_saved(browser, world):
    answer = browser.post("/baskets/new", {"name": world.basket.name})

    assert answer.status_code == 422
    assert "Choose another name." in answer.content.decode()
    assert Basket.objects.count() == 1


def test_a_preset_is_created_with_its_usual_values_by_one_post(browser, world):
    path = f"/baskets/{world.basket.pk}/strategies/new?preset=iron_fly"
    form = browser.get(path).context["form"]
    usual = {f.html_name: f.value() for f in form if f.value() is not None}
    usual["entry_time"], usual["exit_time"] = "09:20", "15:10"

    answer = browser.post(path, usual)

    made = Strategy.objects.get(name="Iron Fly")
    assert answer["Location"] == f"/strategies/{made.pk}"
    assert newest_version(made).legs.count() == 4


def test_an_exit_before_the_entry_is_refused_at_the_form(browser, world):
    path = f"/baskets/{world.basket.pk}/strategies/new?preset=iron_fly"
    form = browser.get(path).context["form"]
    sent = {f.html_name: f.value() for f in form if f.value() is not None}
    sent |= {"entry_time": "15:00", "exit_time": "10:00"}

    answer = browser.post(path, sent)

    assert answer.status_code == 422
    assert not Strategy.objects.filter(name="Iron Fly").exists()


def matrix_fields(browser, world) -> dict[str, object]:
    page = browser.get(f"/baskets/{world.basket.pk}/allocations")
    fields = {
        cell.form[name].html_name: cell.form[name].value()
        for row in page.context["rows"]
        for cell in row.cells
        for name in cell.form.fields
        if cell.form[name].value() is not None
    }
    return {**fields, "etag": page.context["etag"]}


def cell(world, preset: str, broker: str, field: str) -> str:
    return f"c{world.strategies[preset].pk}-{world.accounts[broker].pk}-{field}"


def test_the_matrix_is_saved_as_one(browser, world):
    fields = matrix_fields(browser, world)
    fields[cell(world, "iron_condor", "zerodha", "lots")] = 4
    fields[cell(world, "iron_condor", "zerodha", "max_lots")] = 4
    fields[cell(world, "covered_call", "finvasia", "lots")] = 1

    answer = browser.post(f"/baskets/{world.basket.pk}/allocations", fields)

    assert answer.status_code == 302
    lots = {
        (p.strategy.preset, p.broker_account.broker): p.lots
        for p in StrategyBrokerAllocation.objects.filter(archived_at=None)
    }
    assert lots == {
        ("iron_condor", "zerodha"): 4, ("iron_condor", "angelone"): 1, ("covered_call", "zerodha"): 5,
        ("covered_call", "finvasia"): 1, ("cash_secured_put", "finvasia"): 3,
        ("cash_secured_put", "angelone"): 2,
    }  # fmt: skip


def test_a_cell_takes_exits_of_its_own_and_says_what_is_wrong_with_them(browser, world):
    fields = matrix_fields(browser, world)
    fields[cell(world, "iron_condor", "zerodha", "trail")] = "continuous"
    path = f"/baskets/{world.basket.pk}/allocations"

    assert "There is no stop to trail." in browser.post(path, fields).content.decode()
    fields[cell(world, "iron_condor", "zerodha", "stop_loss")] = "1500"
    assert browser.post(path, fields).status_code == 302

    pair = StrategyBrokerAllocation.objects.get(pk=world.pairs[0].pk)
    assert (pair.stop_loss, pair.trail) == (1500, "continuous")
    assert "Own exits: stop 1,500 a lot" in browser.get(path).content.decode()


def test_the_edit_page_writes_stops_of_a_leg_and_the_strategy_page_shows_them(browser, world):
    strategy = world.strategies["iron_condor"]
    page = browser.get(f"/strategies/{strategy.pk}/edit")
    forms = [page.context["form"], page.context["legs"].management_form, *page.context["legs"]]
    sent = {f.html_name: f.value() for form in forms for f in form if f.value() not in (None, False)}
    sent |= {"legs-2-stop": "30", "legs-2-stop_unit": "percent", "legs-3-stop": "25",
             "legs-3-trail": "stepped", "legs-3-trail_every": "10", "legs-3-trail_by": "5",
             "break_even": "on"}  # fmt: skip

    wrong = browser.post(f"/strategies/{strategy.pk}/edit", {**sent, "legs-3-trail_by": "11"})
    assert (wrong.status_code, "Send at most 10" in wrong.content.decode()) == (422, True)
    assert browser.post(f"/strategies/{strategy.pk}/edit", sent).status_code == 302

    shown = browser.get(f"/strategies/{strategy.pk}").content.decode()
    assert "stop 30% of its premium" in shown
    assert "stop 25 points, moved by 5 for every 10 gained" in shown
    assert "the other legs' stops move to cost" in shown


def test_the_edit_page_shows_a_strike_without_the_zeros_of_its_column(browser, world):
    page = browser.get(f"/strategies/{world.strategies['iron_condor'].pk}/edit")

    values = [str(leg["strike_value"].value()) for leg in page.context["legs"].initial_forms]
    assert sorted(values) == ["-4", "-8", "4", "8"]


def test_the_edit_page_refuses_stops_at_the_broker_where_no_short_is_naked(browser, world):
    strategy = world.strategies["iron_condor"]
    page = browser.get(f"/strategies/{strategy.pk}/edit")
    forms = [page.context["form"], page.context["legs"].management_form, *page.context["legs"]]
    sent = {f.html_name: f.value() for form in forms for f in form if f.value() not in (None, False)}

    answer = browser.post(f"/strategies/{strategy.pk}/edit", {**sent, "stop_at_broker": "on"})

    assert answer.status_code == 422
    assert "No naked short has a stop that could rest at the broker." in answer.content.decode()


def test_the_strategy_page_shows_where_the_stops_of_an_open_trade_stand(browser, world):
    pair = world.pairs[0]
    held = pair.positions.select_related("contract").get(leg_number=3)
    StopWatch.objects.create(
        allocation=pair, timeline=world.timeline, symbol=held.contract.symbol, leg_number=3,
        since=held.opened_at, stop=-30, stop_at=Decimal("101.20"), crossed="stop", crossed_frames=1,
        updated_at=held.opened_at,
    )  # fmt: skip

    shown = browser.get(f"/strategies/{pair.strategy_id}").content.decode()
    assert "101.20" in shown
    assert "stop crossed, frame 1" in shown

    held.quantity = 0
    held.save()
    assert "Stops of what is open" not in browser.get(f"/strategies/{pair.strategy_id}").content.decode()


def test_an_empty_limit_of_a_new_pair_takes_what_the_field_showed(browser, world):
    fields = matrix_fields(browser, world)
    fields[cell(world, "covered_call", "finvasia", "lots")] = 1

    browser.post(f"/baskets/{world.basket.pk}/allocations", fields)

    pair = StrategyBrokerAllocation.objects.get(
        strategy=world.strategies["covered_call"], broker_account=world.accounts["finvasia"]
    )
    assert (pair.max_lots, pair.max_day_loss, pair.max_margin) == (1, Decimal(50000), Decimal(2500000))


def test_lots_above_the_limit_are_said_in_the_cell_and_no_pair_changes(browser, world):
    fields = matrix_fields(browser, world)
    fields[cell(world, "iron_condor", "zerodha", "lots")] = 9
    fields[cell(world, "covered_call", "zerodha", "lots")] = 1

    answer = browser.post(f"/baskets/{world.basket.pk}/allocations", fields)

    assert answer.status_code == 422
    assert "9 lots are above the pair" in answer.content.decode()
    assert world.pairs[0].lots == StrategyBrokerAllocation.objects.get(pk=world.pairs[0].pk).lots
    assert StrategyBrokerAllocation.objects.get(strategy__preset="covered_call").lots == 5


def test_a_stale_matrix_saves_nothing_and_shows_what_is_saved_now(browser, world):
    fields = matrix_fields(browser, world)
    StrategyBrokerAllocation.objects.filter(pk=world.pairs[0].pk).update(lots=1, version=7)
    fields[cell(world, "iron_condor", "zerodha", "max_day_loss")] = 1

    answer = browser.post(f"/baskets/{world.basket.pk}/allocations", fields)

    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Saved now: 1 lots" in page
    assert StrategyBrokerAllocation.objects.get(pk=world.pairs[0].pk).max_day_loss == 16000


def test_kill_lists_what_it_closes_then_halts_and_gives_a_receipt(browser, world, user):
    asked = browser.get("/risk/kill?scope=user&target=").content.decode()
    assert asked.count("bought back") == 7
    assert TradingState.objects.count() == 0

    answer = browser.post("/risk/kill", {"scope": "user", "target": ""})

    assert answer["Location"] == "/risk/kill/done?scope=user&target="
    assert TradingState.objects.get(user=user).state == "halted"
    exits = StrategyExecution.objects.filter(phase="exit", cause="kill", trading_day=DAY)
    assert exits.count() == 5
    assert "12 positions and 0 orders still open" in browser.get(answer["Location"]).content.decode()


def test_pausing_one_pair_leaves_the_others_active(browser, world):
    pair = world.pairs[0]

    browser.post("/risk/pause", {"scope": "pair", "target": pair.pk})

    page = browser.get(f"/baskets/{world.basket.pk}").content.decode()
    assert page.count("Paused: exits only") == 1


def test_a_new_api_key_is_shown_once(browser):
    answer = browser.post("/settings", {"name": "Algo", "scope": "read", "days": 30})

    token = answer.context["token"]
    assert token in answer.content.decode()
    assert token not in browser.get("/settings").content.decode()


def test_a_read_notice_leaves_the_unread_list(browser, world, user):
    notice = user.notices.get()

    browser.post(f"/notices/{notice.pk}/read")

    assert "Nothing unread." in browser.get("/notices?show=unread").content.decode()


def edited(browser, strategy, **changes):
    """The edit form of the strategy as it stands, with these fields changed, posted."""
    path = f"/strategies/{strategy.pk}/edit"
    page = browser.get(path).context
    sent = {f.html_name: f.value() for f in page["form"] if f.value() is not None}
    sent |= {f.html_name: f.value() for leg in page["legs"] for f in leg if f.value() is not None}
    sent |= {f.html_name: f.value() for f in page["legs"].management_form}
    return browser.post(path, sent | changes)


def test_conditions_are_stated_in_the_form_and_shown_on_the_page(browser, world):
    strategy = world.strategies["iron_condor"]

    answer = edited(browser, strategy, min_credit="900", skip_days="2026-08-05, 2026-08-14")

    newest = newest_version(strategy)
    assert answer.status_code == 302
    assert (newest.min_credit, [day.day for day in newest.skip_days]) == (900, [5, 14])
    page = browser.get(f"/strategies/{strategy.pk}").content.decode()
    assert "at least 900.00 rupees a lot" in page
    assert "05 Aug 2026, 14 Aug 2026" in page


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"skip_days": "5 August"}, "Write dates as 2027-02-01"),
        ({"wait_for": "underlying", "wait_move": "20"}, "Send wait_until after"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_said_at_its_field(browser, world, sent, words):
    answer = edited(browser, world.strategies["iron_condor"], **sent)

    assert answer.status_code == 422
    assert words in answer.content.decode()
