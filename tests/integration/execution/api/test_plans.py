"""Preview, execute and propose: nothing moves before the user has seen the plan that is carried out."""

from datetime import timedelta
from decimal import Decimal

import pytest
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

from allocations.models import StrategyBrokerAllocation
from baskets.models import Basket
from brokers.models import BrokerAccount
from execution import running, tasks
from execution.api import plans
from execution.engine import judging, preview
from execution.engine.account_view import AccountView
from execution.engine.desk import Work, WorkKind
from execution.models import Order, PerformanceMetric, Position, StrategyExecution
from market import quotes
from tests.factories import make_account, make_allocation, make_day
from tests.integration.execution.api.conftest import (
    AFTER_ALL,
    engine_desk,
    forget,
    messages,
    publish,
    queued,
)
from tests.integration.execution.conftest import MONDAY

PATH = "/options/baskets/{}/allocations/{}"


def basket():
    return Basket.objects.get()


def previewed(desk, user):
    """The preview with the simulator's funds."""
    view = plans.Preview.as_view(desk=lambda: engine_desk(desk))
    request = APIRequestFactory().post("/", {}, format="json")
    force_authenticate(request, user)
    answer = view(request, basket_id=basket().pk)
    answer.render()
    return answer.data


def execute(client, preview_id, key="go-1", **body):
    return client.post(
        PATH.format(basket().pk, "execute"), {"preview_id": preview_id, **body}, format="json",
        HTTP_IDEMPOTENCY_KEY=key,
    )  # fmt: skip


def propose(client, **body):
    answer = client.post(PATH.format(basket().pk, "propose"), body, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def test_a_preview_shows_what_each_pair_would_order_and_writes_nothing(untraded, owner):
    shown = previewed(untraded, owner)

    condor = next(row for row in shown["pairs"] if (row["strategy"], row["broker"]) == ("Iron Condor", "zerodha"))
    assert (condor["enters"], condor["denial"], condor["lots"]) == (True, None, 2)
    assert [(o["wave"], o["side"], o["quantity"], o["slices"]) for o in condor["orders"]] == [
        (1, "BUY", 130, [130]), (1, "BUY", 130, [130]), (2, "SELL", 130, [130]), (2, "SELL", 130, [130]),
    ]  # fmt: skip
    assert Decimal(condor["margin"]) > 0
    assert Decimal(condor["charges"]) == sum(Decimal(o["charges"]) for o in condor["orders"])
    zerodha = next(row for row in shown["brokers"] if row["broker"] == "zerodha")
    assert (zerodha["pairs"], zerodha["enough"]) == (2, True)
    assert Decimal(zerodha["premium"]) < 0  # a condor and a call: received
    assert Decimal(zerodha["available"]) > Decimal(zerodha["margin"]) > Decimal(condor["margin"])
    assert StrategyExecution.objects.count() == Order.objects.count() == 0


def test_the_engine_then_orders_exactly_what_was_previewed(untraded, owner, mine):
    shown = previewed(untraded, owner)

    answer = execute(mine, shown["preview_id"])

    assert answer.status_code == 201, answer.content
    runs = answer.json()["executions"]
    assert {(row["cause"], row["status"], row["cycle"]) for row in runs} == {("user", "due", 1)}
    untraded.at(9, 16, 1)
    untraded.at(9, 16, 30)
    for row in shown["pairs"]:
        sent = Order.objects.filter(allocation=row["allocation_id"], action="open")
        assert {(o.contract.symbol, o.side, o.quantity) for o in sent.select_related("contract")} == {
            (o["contract"], o["side"], o["quantity"]) for o in row["orders"]
        }
    untraded.at(9, 20)
    assert StrategyExecution.objects.filter(phase="entry").count() == len(runs)


def test_the_hash_is_of_contracts_sides_and_quantities_not_of_prices(untraded, owner):
    pairs = list(StrategyBrokerAllocation.objects.select_related(
        "strategy__basket", "broker_account__user"))  # fmt: skip
    before = preview.plan(pairs, engine_desk(untraded))
    untraded.at(9, 16, 5, change=lambda found: {s: q._replace(ltp=q.ltp + 1) for s, q in found.items()})
    after = preview.plan(pairs, engine_desk(untraded))
    assert [o.contract for p in before for o in p.orders] == [o.contract for p in after for o in p.orders]
    assert preview.fingerprint(before) == preview.fingerprint(after)

    pairs[0].lots += 1

    assert preview.fingerprint(preview.plan(pairs, engine_desk(untraded))) != preview.fingerprint(before)


def test_a_plan_that_moved_is_not_carried_out(untraded, owner, mine):
    shown = previewed(untraded, owner)
    untraded.change_pair(untraded.pair("Iron Condor", "zerodha"), lots=1)

    answer = execute(mine, shown["preview_id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "plan_moved")
    assert not StrategyExecution.objects.exists()


def test_a_pair_that_is_denied_is_shown_with_its_reason_and_left_out(untraded, owner, mine):
    tight = untraded.change_pair(untraded.pair("Iron Condor", "angelone"), max_margin=Decimal(1000))

    shown = previewed(untraded, owner)

    row = next(r for r in shown["pairs"] if r["allocation_id"] == tight.pk)
    assert (row["enters"], row["denial"]["code"]) == (False, "MARGIN_ABOVE_LIMIT")
    assert len(row["orders"]) == 4
    runs = execute(mine, shown["preview_id"]).json()["executions"]
    assert len(runs) == 4
    assert tight.pk not in {run["allocation_id"] for run in runs}


def test_a_pair_in_a_trade_does_not_enter_on_top_of_it(traded, owner, mine):
    shown = previewed(traded, owner)

    assert {row["denial"]["code"] for row in shown["pairs"]} == {"ALREADY_IN"}
    answer = execute(mine, shown["preview_id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_enter")


def test_a_second_entry_of_the_day_takes_the_next_cycle(traded, owner, mine):
    pair = traded.pair("Iron Condor", "zerodha")
    mine.post("/options/risk/exit", {"scope": "pair", "target": pair.pk}, format="json")
    traded.at(9, 22)
    traded.at(9, 23)
    publish(traded)

    shown = previewed(traded, owner)
    [run] = execute(mine, shown["preview_id"]).json()["executions"]

    assert (run["allocation_id"], run["cycle"], run["cause"]) == (pair.pk, 2, "user")
    traded.at(9, 23, 1)
    traded.at(9, 23, 30)
    assert StrategyExecution.objects.get(pk=run["id"]).status == "done"


def test_a_preview_is_carried_out_once(untraded, owner, mine):
    shown = previewed(untraded, owner)

    first = execute(mine, shown["preview_id"], key="a")
    again = execute(mine, shown["preview_id"], key="a")
    other = execute(mine, shown["preview_id"], key="b")

    assert (first.status_code, again.json()) == (201, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "plan_moved")
    assert StrategyExecution.objects.count() == 5


def test_executing_hands_the_entries_to_the_workers_at_once(
    untraded, owner, mine, django_capture_on_commit_callbacks
):
    shown = previewed(untraded, owner)
    quotes.connection().delete("orders", AFTER_ALL)

    with django_capture_on_commit_callbacks(execute=True):
        execute(mine, shown["preview_id"])

    assert queued(AFTER_ALL) == sorted(("start", run.pk) for run in StrategyExecution.objects.all())
    assert quotes.connection().llen(AFTER_ALL) == 3  # one turn an account
    assert queued("orders") == []


def test_an_exit_does_not_wait_behind_the_entries_of_its_account(untraded, owner, mine, monkeypatch):
    monkeypatch.setattr(running, "TICK_AGAIN_MS", 1)
    for key in ("orders", AFTER_ALL):
        quotes.connection().delete(key)
    running.forget_turns()
    execute(mine, previewed(untraded, owner)["preview_id"])
    tasks.tick()
    entries = queued(AFTER_ALL)
    assert len(entries) == 5  # they wait; no worker has taken them

    killed = mine.post("/options/risk/kill", {"scope": "user"}, format="json").json()["exits"]
    tasks.tick()

    assert {("exit", row["id"]) for row in killed} <= set(queued("orders"))
    assert queued(AFTER_ALL) == entries
    running.forget_turns()


def test_what_leaves_or_has_begun_goes_before_what_has_not(untraded, owner, mine):
    for key in ("orders", AFTER_ALL):
        quotes.connection().delete(key)
    execute(mine, previewed(untraded, owner)["preview_id"])
    run = StrategyExecution.objects.first()

    for kind in (WorkKind.START, WorkKind.ADVANCE, WorkKind.EXIT):
        tasks.enqueue([Work(kind, run.pk)])

    assert messages("orders") == [[("advance", run.pk)], [("exit", run.pk)]]
    assert messages(AFTER_ALL) == [[("start", run.pk)]]


def test_an_exit_has_a_message_of_its_own_beside_its_accounts_other_turn(untraded, owner, mine, monkeypatch):
    monkeypatch.setattr(running, "TICK_AGAIN_MS", 1)
    quotes.connection().delete("orders")
    running.forget_turns()
    accounts = BrokerAccount.objects.filter(user=owner).values_list("pk", flat=True)
    running.reserve(accounts)  # a turn of each waits; no worker has taken it
    execute(mine, previewed(untraded, owner)["preview_id"])

    killed = mine.post("/options/risk/kill", {"scope": "user"}, format="json").json()["exits"]
    quotes.connection().delete("orders")  # what the kill handed over got lost
    tasks.tick()

    assert {("exit", row["id"]) for row in killed} <= set(queued("orders"))
    running.forget_turns()


def test_a_broker_that_does_not_answer_is_a_denial_not_an_error(untraded, mine):
    answer = mine.post(PATH.format(basket().pk, "preview"), {}, format="json")

    assert answer.status_code == 200, answer.content
    assert {row["denial"]["code"] for row in answer.json()["pairs"]} == {"FUNDS_UNREAD"}
    assert answer.json()["brokers"] == []


def test_a_live_account_does_not_enter_in_a_replay(untraded, owner):
    pair = untraded.pair("Iron Condor", "zerodha")
    live = make_allocation(pair.strategy, make_account(owner, broker="finvasia", mode="live"))

    shown = previewed(untraded, owner)

    row = next(r for r in shown["pairs"] if r["allocation_id"] == live.pk)
    assert (row["mode"], row["denial"]["code"]) == ("live", "LIVE_ACCOUNT_IN_REPLAY")


def test_without_a_market_there_is_no_preview(desk, mine):
    forget()

    answer = mine.post(PATH.format(basket().pk, "preview"), {}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (503, "market_silent")


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("preview", {"pairs": []}, "/pairs"),
        ("execute", {}, "/preview_id"),
        ("execute", {"preview_id": 7}, "/preview_id"),
        ("execute", {"preview_id": "../x"}, "/preview_id"),
        ("propose", {"days": 1}, "/days"),
        ("propose", {"days": 5.5}, "/days"),
        ("propose", {"weeks": 3}, "/weeks"),
    ],
)
def test_a_bad_body_is_named(desk, mine, name, body, pointer):
    answer = mine.post(PATH.format(basket().pk, name), body, format="json", HTTP_IDEMPOTENCY_KEY="k")

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}


def test_an_old_preview_is_gone_and_a_stranger_finds_nothing(untraded, owner, mine, theirs):
    shown = previewed(untraded, owner)

    gone = execute(mine, "0" * 32)
    assert (gone.status_code, gone.json()["code"]) == (409, "preview_gone")
    for name, body in ("preview", {}), ("execute", {"preview_id": shown["preview_id"]}), ("propose", {}):
        path = PATH.format(basket().pk, name)
        assert theirs.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY="s").status_code == 404
        assert APIClient().post(path, body, format="json").status_code == 401
    assert not StrategyExecution.objects.exists()


def test_a_read_key_previews_and_proposes_but_does_not_execute(untraded, owner, program):
    shown = previewed(untraded, owner)
    reader = program("read")

    assert reader.post(PATH.format(basket().pk, "preview"), {}, format="json").status_code == 200
    assert reader.post(PATH.format(basket().pk, "propose"), {}, format="json").status_code == 200
    assert execute(reader, shown["preview_id"]).status_code == 403
    assert execute(program("paper"), shown["preview_id"]).status_code == 201


def test_executing_needs_an_idempotency_key(untraded, owner, mine):
    shown = previewed(untraded, owner)
    path = PATH.format(basket().pk, "execute")

    answer = mine.post(path, {"preview_id": shown["preview_id"]}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_missing")


def test_lots_are_proposed_from_the_pair_that_did_worse_to_the_one_that_did_better(desk, mine):
    good, bad = desk.pair("Iron Condor", "zerodha"), desk.pair("Iron Condor", "angelone")
    desk.change_pair(good, max_lots=4)
    for days_ago in range(1, 7):
        day = MONDAY - timedelta(days=days_ago)
        make_day(good, desk.player.timeline, day, realised="0", net=Decimal(2000), lots=2)
        make_day(bad, desk.player.timeline, day, realised="0", net=Decimal(-300), lots=1)

    shown = {row["allocation_id"]: row for row in propose(mine)}

    assert (shown[good.pk]["lots"], shown[good.pk]["proposed"], shown[good.pk]["net"]) == (2, 3, "1000.00")
    assert (shown[bad.pk]["proposed"], shown[bad.pk]["drawdown"], shown[bad.pk]["days"]) == (0, "1800.00", 6)
    assert shown[good.pk]["reason"].startswith("More lots: net ₹1,000.00 a lot and day")
    others = [row for pk, row in shown.items() if pk not in (good.pk, bad.pk)]
    assert {row["reason"] for row in others} == {"Unchanged: 0 trading days on record, 5 are needed."}
    good.refresh_from_db()
    assert good.lots == 2


def test_only_the_last_days_count_and_a_carried_trade_keeps_its_lots(desk, mine):
    pair = desk.pair("Cash Secured Put", "finvasia")
    days = [MONDAY - timedelta(days=n) for n in range(7, 0, -1)]
    for day, net, lots in zip(days, (-9000, -9000, 300, 300, 300, 300, 300), (3, 0, 3, 0, 0, 0, 0), strict=True):
        make_day(pair, desk.player.timeline, day, realised="0", net=Decimal(net), lots=lots)

    [five] = [r for r in propose(mine, days=5) if r["allocation_id"] == pair.pk]
    [all_of_it] = [r for r in propose(mine) if r["allocation_id"] == pair.pk]

    assert (five["days"], five["net"], five["drawdown"]) == (5, "100.00", "0.00")
    assert (all_of_it["days"], all_of_it["drawdown"]) == (7, "6000.00")


def test_an_open_trade_is_left_as_it_is_and_slippage_is_of_its_orders(traded, mine):
    pair = traded.pair("Iron Condor", "zerodha")
    make_day(pair, traded.player.timeline, MONDAY - timedelta(days=1), realised="0", lots=2)
    PerformanceMetric.objects.filter(allocation=pair, trading_day=MONDAY).delete()

    [row] = [r for r in propose(mine) if r["allocation_id"] == pair.pk]

    lost = sum(
        (o.average_price - o.arrival_mid) * (1 if o.side == "BUY" else -1) * o.filled_quantity
        for o in Order.objects.filter(allocation=pair, action="open")
    )
    assert (row["open_trade"], row["reason"]) == (True, "Unchanged: a trade is open.")
    assert Decimal(row["slippage"]) == round(lost / 2, 2)
    assert row["fill_rate"] == "1.0000"


def test_preview_and_engine_judge_alike(untraded, owner):
    pair = untraded.change_pair(untraded.pair("Covered Call", "zerodha"), max_day_loss=Decimal("0.01"))
    desk = engine_desk(untraded)
    [plan] = preview.plan([pair], desk)
    run = StrategyExecution(
        allocation=pair, timeline=desk.timeline, trading_day=desk.day, phase="entry",
        strategy_version=plan.version, lots=pair.lots, cause="user", due_at=desk.now,
    )  # fmt: skip

    verdict = judging.judge(run, AccountView([run.allocation], desk))

    assert Position.objects.count() == 0
    assert preview.preview([pair], desk, preview.FundsOnce(desk))[0].margin == verdict.margin
