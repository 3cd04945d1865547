"""Runs, orders and positions over the API, of a morning that the engine traded."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from execution.codes import CODES
from execution.lanes import slippage
from execution.live.feed import state_key
from execution.models import Order, Position, StrategyExecution
from market import quotes
from tests.factories import make_order, make_run
from tests.integration.execution.api.conftest import forget, publish
from tests.integration.execution.conftest import MONDAY

LISTS = [
    "/options/executions", "/options/orders", "/options/positions", "/options/performance",
    "/options/performance?by=day", "/options/risk/limits",
]  # fmt: skip


def rows(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def pointers(answer):
    assert answer.status_code == 422, answer.content
    return {error["pointer"] for error in answer.json()["errors"]}


def owned(desk):
    run = StrategyExecution.objects.order_by("pk").first()
    return [f"/options/executions/{run.pk}", f"/options/orders/{run.orders.first().pk}"]


def test_every_run_of_the_morning_is_listed_newest_first(traded, mine):
    listed = rows(mine, "/options/executions")

    assert [row["id"] for row in listed] == sorted((row["id"] for row in listed), reverse=True)
    assert {(r["strategy"], r["broker"], r["lots"], r["status"]) for r in listed} == {
        ("Iron Condor", "zerodha", 2, "done"),
        ("Iron Condor", "angelone", 1, "done"),
        ("Covered Call", "zerodha", 5, "done"),
        ("Cash Secured Put", "finvasia", 3, "done"),
        ("Cash Secured Put", "angelone", 2, "done"),
    }
    assert listed[0]["due_at"] == "2026-08-03T09:20:00+05:30"
    assert (listed[0]["code"], listed[0]["why"]) == ("", "")


def test_runs_are_narrowed_by_what_they_are_about(traded, mine):
    pair = traded.pair("Iron Condor", "zerodha")

    def count(query):
        return len(rows(mine, f"/options/executions?{query}"))

    assert count(f"allocation={pair.pk}") == 1
    assert count(f"strategy={pair.strategy_id}") == 2
    assert count(f"basket={pair.strategy.basket_id}&day={MONDAY}&phase=entry&status=done") == 5
    assert count("phase=exit") == count("status=missed") == count("day=2026-08-04") == 0


def test_a_run_tells_each_orders_story_and_its_slippage(traded, mine):
    run = traded.run(traded.pair("Iron Condor", "zerodha"))

    body = mine.get(f"/options/executions/{run.pk}").json()

    assert [order["side"] for order in body["orders"]] == ["BUY", "BUY", "SELL", "SELL"]
    assert {order["state"] for order in body["orders"]} == {"Filled"}
    for shown in body["orders"]:
        order = Order.objects.get(pk=shown["id"])
        sign = 1 if order.side == "BUY" else -1
        lost = (order.arrival_mid - order.average_price) * sign * order.filled_quantity
        assert Decimal(shown["slippage"]) == round(lost, 2)
        assert [event["id"] for event in shown["events"]] == list(
            order.events.order_by("at", "pk").values_list("pk", flat=True)
        )
        assert shown["events"][0]["words"].startswith(f"{order.side} {order.contract.symbol}: ")


def test_a_denied_run_says_why_in_plain_words(desk, mine):
    pair = desk.change_pair(desk.pair("Iron Condor", "zerodha"), max_margin=Decimal(1000))
    desk.at(9, 20)

    [row] = rows(mine, f"/options/executions?allocation={pair.pk}")

    assert (row["status"], row["code"]) == ("denied", "MARGIN_ABOVE_LIMIT")
    assert row["why"] == "This entry would block more than the maximum margin."


def test_an_order_without_an_answer_says_that_it_is_looked_up(desk, mine):
    run = make_run(desk.pair("Iron Condor", "zerodha"), desk.player.timeline)
    asked = make_order(run, status="UNKNOWN")
    refused = make_order(run, status="REJECTED", code="INSUFFICIENT_MARGIN", upstream="RMS: margin")

    shown = mine.get(f"/options/orders/{asked.pk}").json()
    assert (shown["state"], shown["slippage"], shown["fills"]) == ("Confirming with broker", None, [])
    assert "not sent twice" in shown["why"]
    [other] = rows(mine, "/options/orders?status=REJECTED")
    assert (other["id"], other["upstream"]) == (refused.pk, "RMS: margin")
    assert other["why"] == "The account does not have enough free margin."


def test_orders_are_narrowed_and_one_shows_its_fills(traded, mine):
    run = traded.run(traded.pair("Covered Call", "zerodha"))

    listed = rows(mine, f"/options/orders?execution={run.pk}&status=FILLED")
    one = mine.get(f"/options/orders/{listed[0]['id']}").json()

    assert len(listed) == run.orders.count()
    assert rows(mine, f"/options/orders?execution={run.pk}&status=REJECTED") == []
    assert sum(fill["quantity"] for fill in one["fills"]) == one["filled_quantity"] == one["quantity"]
    assert one["contract"].startswith("NIFTY-2026")


def test_positions_are_valued_at_the_last_frame(traded, mine, owner):
    position = Position.objects.exclude(quantity=0).order_by("pk").first()
    greeks = b'{"delta":-12.5,"gamma":0.1,"theta":40.0,"vega":-9.0,"iv":0.131}'
    quotes.connection().hset(state_key(str(owner.pk), "positions"), f"p{position.pk}", greeks)

    shown = {row["id"]: row for row in rows(mine, "/options/positions?open=true")}

    quote = traded.player.last.quotes[position.contract.symbol]
    mark = quote.bid if position.quantity > 0 else quote.ask
    row = shown[position.pk]
    assert (row["mark"], row["quantity"], row["delta"], row["iv"]) == (
        str(mark), position.quantity, -12.5, 0.131,
    )  # fmt: skip
    assert Decimal(row["pnl"]) == round(position.quantity * mark - position.cost, 2)
    assert Decimal(row["day_pnl"]) == Decimal(row["pnl"]) - position.charges
    assert row["asof"] == "2026-08-03T09:21:00+05:30"
    assert all(other["delta"] is None for pk, other in shown.items() if pk != position.pk)
    assert len(shown) == Position.objects.exclude(quantity=0).count()


def test_without_a_fresh_frame_positions_have_no_prices_and_none_are_guessed(traded, mine):
    forget()

    row = rows(mine, "/options/positions")[0]

    assert (row["mark"], row["pnl"], row["day_pnl"], row["asof"], row["stale"]) == (None,) * 4 + (True,)
    assert row["quantity"] != 0


def test_positions_that_are_closed_are_asked_for_apart(traded, mine):
    assert rows(mine, "/options/positions?open=false") == []
    assert len(rows(mine, "/options/positions")) == Position.objects.count()


def test_the_limits_show_what_is_used(traded, mine):
    pair = traded.pair("Iron Condor", "zerodha")

    [row] = rows(mine, f"/options/risk/limits?allocation={pair.pk}")

    assert row["lots"] == {"used": 2, "limit": pair.max_lots}
    assert row["open_positions"] == {"used": 4, "limit": pair.max_open_positions}
    assert Decimal(0) < Decimal(row["margin"]["used"]) < Decimal(row["margin"]["limit"])
    assert row["margin"]["limit"] == str(pair.max_margin)
    assert Decimal(row["day_loss"]["used"]) > 0
    assert row["day_loss"]["limit"] == str(pair.max_day_loss)


def test_performance_sums_the_days_after_charges(traded, mine):
    traded.at(15, 10)
    traded.at(15, 11)
    traded.close()

    by = {way: rows(mine, f"/options/performance?by={way}") for way in ("pair", "strategy", "basket", "broker", "day")}

    assert {way: len(found) for way, found in by.items()} == {
        "pair": 5, "strategy": 3, "basket": 1, "broker": 3, "day": 1,
    }  # fmt: skip
    total = by["basket"][0]
    for way, found in by.items():
        for column in ("net", "gross", "charges"):
            assert sum(Decimal(row[column]) for row in found) == Decimal(total[column]), way
    assert Decimal(total["gross"]) - Decimal(total["charges"]) == Decimal(total["net"])
    assert (by["day"][0]["key"], by["day"][0]["provisional"]) == ("2026-08-03", False)
    assert rows(mine, "/options/performance?by=day&from=2026-08-04") == []
    assert rows(mine, "/options/performance?to=2026-08-02") == []


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/options/executions?status=maybe", "/status"),
        ("/options/executions?day=yesterday", "/day"),
        ("/options/executions?colour=red", "/colour"),
        ("/options/executions?limit=101", "/limit"),
        ("/options/executions?basket=0", "/basket"),
        ("/options/orders?status=filled", "/status"),
        ("/options/orders?account=x", "/account"),
        ("/options/positions?open=perhaps", "/open"),
        ("/options/performance?by=moon", "/by"),
        ("/options/performance?from=2026-08-04&to=2026-08-03", "/to"),
        ("/options/performance?from=x", "/from"),
        ("/options/risk/limits?strategy=-1", "/strategy"),
    ],
)
def test_a_bad_query_is_named(mine, path, pointer):
    assert pointers(mine.get(path)) == {pointer}


def test_a_stranger_sees_nothing_of_it(traded, theirs):
    for path in LISTS:
        assert rows(theirs, path) == [], path


def test_a_stranger_does_not_find_a_run_or_an_order(traded, theirs, mine):
    for path in owned(traded):
        assert mine.get(path).status_code == 200
        assert theirs.get(path).status_code == 404
    assert mine.get(f"/options/executions/{2**63}").status_code == 404


def test_signed_out_nobody_sees_anything(traded):
    for path in [*LISTS, "/options/risk", *owned(traded)]:
        assert APIClient().get(path).status_code == 401, path


def test_a_read_key_reads_everything(traded, program):
    reader = program("read")
    for path in [*LISTS, "/options/risk", *owned(traded)]:
        assert reader.get(path).status_code == 200, path


def test_a_longer_list_costs_no_more_queries(desk, mine):
    paths = [*LISTS, "/options/risk"]
    for pair in ("Iron Condor", "zerodha"), ("Covered Call", "zerodha"):
        desk.change_pair(desk.pair(*pair), lots=0)
    desk.at(9, 20)
    publish(desk)
    few, orders = {path: _queries(mine, path) for path in paths}, Order.objects.count()
    for name in "Iron Condor", "Covered Call":
        desk.change_pair(desk.pair(name, "zerodha"), lots=2)
    desk.at(9, 21)
    publish(desk)

    assert Order.objects.count() > orders
    assert {path: _queries(mine, path) for path in paths} == few
    forget()


def _queries(client, path):
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def test_a_runs_timeline_shows_every_pair_leg_and_slice_and_that_none_was_sent_twice(traded, mine):
    pair = traded.pair("Iron Condor", "angelone")
    run = traded.run(pair)

    body = mine.get(f"/options/executions/{run.pk}/timeline").json()

    assert [(each["broker"], each["lots"], each["orders_sent"], each["orders_filled"]) for each in body["pairs"]] == [
        ("zerodha", 2, 4, 4), ("angelone", 1, 4, 4),
    ]  # fmt: skip
    for lane in (lane for each in body["pairs"] for lane in each["legs"]):
        for cut in lane["slices"]:
            order = Order.objects.get(pk=cut["order_id"])
            assert (lane["contract"], lane["side"]) == (order.contract.symbol, order.side)
            assert sum(fill["quantity"] for fill in cut["fills"]) == order.filled_quantity
            assert cut["ready_at"] <= cut["answered_at"] <= cut["finished_at"]
    assert Decimal(body["pairs"][1]["slippage"]) == sum(
        lost for order in Order.objects.filter(execution=run) if (lost := slippage(order)) is not None
    )


def test_the_timeline_takes_the_same_queries_for_one_pair_and_for_two(traded, mine):
    def queries(strategy, broker):
        run = traded.run(traded.pair(strategy, broker))
        with CaptureQueriesContext(connection) as counted:
            assert mine.get(f"/options/executions/{run.pk}/timeline").status_code == 200
        return len(counted)

    assert queries("Iron Condor", "zerodha") == queries("Covered Call", "zerodha")


def test_every_code_is_listed_with_its_fix(mine):
    codes = rows(mine, "/options/executions/codes")

    assert {row["code"] for row in codes} == set(CODES)
    assert all(row["fix"] for row in codes)


def test_the_page_of_a_run_draws_all_pairs_and_says_that_none_was_sent_twice(traded, mine):
    run = traded.run(traded.pair("Iron Condor", "zerodha"))
    again = Order.objects.filter(execution=run).first()

    page = mine.get(f"/executions/{run.pk}").content.decode()
    make_order(run, again.contract.symbol, leg_number=again.leg_number, action=again.action, slice=again.slice,
               attempt=2, side=again.side, status="FILLED",
               sending_at=again.sending_at, created_at=again.created_at)  # fmt: skip
    worse = mine.get(f"/executions/{run.pk}").content.decode()

    assert "8 orders sent, 8 filled, 09:20:00 to " in page
    assert "None was sent twice." in page
    assert page.count('class="waiting"') == 8
    assert "1 went out more than once." in worse
