"""Exits, rolls, settlement and the close: shorts first, never more than held, to the paisa."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.selectors import effective_states
from allocations.services import set_trading_state
from brokers.types import BrokerStatus
from execution import services
from execution.engine import schedule
from execution.engine.apply import apply_order, apply_trade
from execution.engine.settle import settle_expired
from execution.engine.snapshot import Snapshot
from execution.headless.witness import compare
from execution.models import Fill, Order, PerformanceMetric, Position, Settlement, StrategyExecution
from execution.positions import Trade, project
from execution.services import exits
from market.services import set_settlement_price
from tests.integration.execution.conftest import EXPIRY_TUESDAY, MONDAY, one_strategy


def test_an_intraday_pair_is_flat_after_its_exit_time_and_its_neighbours_stay(desk):
    desk.at(9, 20)
    desk.at(9, 21)
    desk.at(15, 9)
    assert len(desk.held(desk.pair("Iron Condor", "zerodha"))) == 4
    desk.at(15, 10)
    desk.at(15, 11)

    assert desk.held(desk.pair("Iron Condor", "zerodha")) == {}
    assert desk.held(desk.pair("Iron Condor", "angelone")) == {}
    assert sum(desk.held(desk.pair("Cash Secured Put", "finvasia")).values()) == -195


def test_shorts_are_bought_back_before_their_hedges_are_sold(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2))
    desk.at(9, 20)
    desk.at(15, 10)

    closes = desk.orders(desk.pair("Iron Condor", "zerodha"), action="close")
    assert [order.side for order in closes] == ["BUY", "BUY", "SELL", "SELL"]
    assert closes[2].sending_at > closes[1].sending_at


def test_worthless_longs_are_left_to_expire_and_the_exit_is_done_once(expiry_desk):
    expiry_desk.at(9, 20)
    expiry_desk.at(9, 21)
    pair = expiry_desk.pair("Iron Condor", "zerodha")

    def no_bids_for_longs(quotes):
        for symbol, quantity in expiry_desk.held(pair).items():
            if quantity > 0:
                quotes[symbol] = quotes[symbol]._replace(bid=None, bid_quantity=0, ltp=Decimal("0.05"))
        return quotes

    for minute in (10, 11, 12):
        expiry_desk.at(15, minute, change=no_bids_for_longs)

    assert set(expiry_desk.held(pair).values()) == {130}
    run = expiry_desk.run(pair, "exit")
    assert (run.status, run.cycle) == ("done", 1)
    assert "left to expire" in run.detail
    expiry_desk.at(15, 40)
    assert expiry_desk.held(pair) == {}


def test_a_hedge_is_kept_while_its_short_cannot_be_bought_back(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")

    def no_call_offers(quotes):
        return {s: q._replace(ask_quantity=0 if s.endswith("CE") else q.ask_quantity)
                for s, q in quotes.items()}  # fmt: skip

    desk.at(15, 10, change=no_call_offers)

    held = desk.held(pair)
    assert sorted(held.values()) == [-130, 130]
    assert all(symbol.endswith("CE") for symbol in held)
    desk.at(15, 11)
    assert desk.held(pair) == {}


def test_a_missed_exit_is_done_at_the_next_frame_and_says_how_late(desk):
    desk.at(9, 20)
    desk.at(15, 14)

    run = desk.run(desk.pair("Iron Condor", "zerodha"), "exit")
    assert run.status == "done"
    assert Order.objects.filter(execution=run, status="FILLED").count() == 4


def test_a_covered_call_rolls_only_its_call_and_keeps_lots_and_future(expiry_desk):
    expiry_desk.at(9, 20)
    pair = expiry_desk.pair("Covered Call", "zerodha")
    before = expiry_desk.held(pair)
    expiry_desk.at(15, 0)
    expiry_desk.at(15, 1)

    after = expiry_desk.held(pair)
    future = next(symbol for symbol in before if symbol.endswith("FUT"))
    assert after[future] == before[future] == 325
    old = next(symbol for symbol in before if symbol != future)
    new = next(symbol for symbol in after if symbol != future)
    assert old.startswith("NIFTY-20260804")
    assert new.startswith("NIFTY-20260811")
    assert after[new] == -325
    assert expiry_desk.run(pair, "roll").status == "done"


def test_expired_positions_settle_provisionally_at_parity_and_no_order_is_sent(expiry_desk):
    expiry_desk.at(9, 20)
    orders = Order.objects.count
    expiry_desk.at(15, 39)
    sent = orders()
    expiry_desk.at(15, 40)

    pair = expiry_desk.pair("Cash Secured Put", "finvasia")
    settlement = Settlement.objects.get(position__allocation=pair)
    assert (settlement.provisional, settlement.quantity) == (True, -195)
    assert expiry_desk.held(pair) == {}
    assert orders() == sent


def test_the_official_value_corrects_a_provisional_settlement_to_the_paisa(expiry_desk):
    expiry_desk.at(9, 20)
    expiry_desk.at(15, 39)
    expiry_desk.at(15, 40)
    pair = expiry_desk.pair("Cash Secured Put", "finvasia")
    position = Position.objects.get(allocation=pair)
    strike, received = position.contract.strike, position.settlements.get().amount
    set_settlement_price(
        timeline=expiry_desk.player.timeline, underlying="NIFTY", day=EXPIRY_TUESDAY,
        price=strike - 100, source="the exchange's file", now=expiry_desk.player.wall,
    )  # fmt: skip

    desk = expiry_desk.player._desk(expiry_desk.player.last)
    settle_expired(desk, Snapshot(desk.timeline, desk.day, desk.wall))
    settle_expired(desk, Snapshot(desk.timeline, desk.day, desk.wall))

    position.refresh_from_db()
    assert position.settlements.count() == 2
    first = position.settlements.get(provisional=True)
    premium = received + 195 * first.price
    assert position.realised == premium - 195 * 100


def test_an_official_value_that_comes_the_next_day_restates_the_expiry_days_result(expiry_desk):
    desk = expiry_desk
    desk.at(9, 20)
    desk.at(15, 40)
    pair = desk.pair("Cash Secured Put", "finvasia")
    metric = PerformanceMetric.objects.get(allocation=pair)
    provisional_net = metric.net
    assert metric.provisional
    strike = Position.objects.get(allocation=pair).contract.strike
    desk.day = date(2026, 8, 5)
    set_settlement_price(
        timeline=desk.player.timeline, underlying="NIFTY", day=EXPIRY_TUESDAY,
        price=strike - 100, source="the exchange's file", now=desk.player.wall,
    )  # fmt: skip

    desk.at(9, 15)

    metric.refresh_from_db()
    assert (metric.net, metric.provisional) == (provisional_net - 195 * 100, False)
    position = Position.objects.get(allocation=pair)
    assert position.realised == position.day_opening_pnl


def test_a_paused_pair_does_not_enter_but_exits(desk):
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    owner = pair.broker_account.user
    services.pause(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)
    desk.at(15, 10)
    desk.at(15, 11)

    assert desk.held(pair) == {}


def test_entries_of_a_paused_basket_are_denied_and_name_the_scope(desk):
    pair = desk.pair("Iron Condor", "zerodha")
    owner, basket = pair.broker_account.user, pair.strategy.basket
    services.pause(user=owner, scope="basket", target=basket.pk, by=owner, source="test", now=desk.player.wall)

    desk.at(9, 20)

    assert set(StrategyExecution.objects.values_list("status", "code")) == {("denied", "REDUCING")}
    assert desk.run(pair).detail.startswith("basket: ")


@pytest.mark.parametrize("scope", ["user", "account", "basket", "strategy", "pair"])
def test_a_kill_closes_its_scope_and_nothing_else(desk, scope):
    desk.at(9, 20)
    desk.at(9, 20, 5)
    pair = desk.pair("Iron Condor", "angelone")
    owner = pair.broker_account.user
    targets = {
        "user": None, "account": pair.broker_account_id, "basket": pair.strategy.basket_id,
        "strategy": pair.strategy_id, "pair": pair.pk,
    }  # fmt: skip
    killed = {
        p.pk
        for p in services.pairs_in(user=owner, scope=scope, target=targets[scope])
    }

    services.kill(user=owner, scope=scope, target=targets[scope], by=owner, source="test", now=desk.player.wall)
    desk.at(9, 21)
    desk.at(9, 22)

    still_open = set(Position.objects.exclude(quantity=0).values_list("allocation_id", flat=True))
    everyone = set(StrategyExecution.objects.values_list("allocation_id", flat=True))
    assert still_open == everyone - killed


def test_a_halted_account_enters_nothing_until_it_is_resumed(desk):
    pair = desk.pair("Cash Secured Put", "finvasia")
    owner = pair.broker_account.user
    set_trading_state(user=owner, scope="account", target=pair.broker_account, state="halted", by=owner,
                      now=desk.player.wall)  # fmt: skip

    desk.at(9, 20)

    assert (desk.run(pair).status, desk.run(pair).code) == ("denied", "HALTED")
    assert desk.run(desk.pair("Cash Secured Put", "angelone")).status == "done"


def test_a_square_off_leaves_its_scope_reducing(desk):
    desk.at(9, 20)
    pair = desk.pair("Covered Call", "zerodha")
    owner = pair.broker_account.user
    services.square_off(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)
    desk.at(9, 21)

    assert desk.held(pair) == {}
    assert effective_states([pair])[pair.pk].state == "reducing"


@pytest.mark.parametrize(("rule", "cause"), [("stop_loss", "stop"), ("take_profit", "target")])
def test_a_strategy_leaves_at_its_profit_or_loss(desk_of, rule, cause):
    desk = desk_of(
        one_strategy("Cash Secured Put", broker="finvasia", lots=1, terms={rule: "300"})
    )
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    (symbol,) = desk.held(pair)
    paid = Position.objects.get(allocation=pair).average_price
    away = paid + 10 if cause == "stop" else max(paid - 10, Decimal("0.10"))

    def moved(quotes):
        quotes[symbol] = quotes[symbol]._replace(bid=away - Decimal("0.05"), ask=away, ltp=away)
        return quotes

    desk.at(9, 21, change=moved)
    desk.at(9, 22, change=moved)

    run = desk.run(pair, "exit")
    assert (run.cause, run.status) == (cause, "done")
    assert run.detail.startswith("Stop at -300.00" if cause == "stop" else "Target of 300.00")
    assert desk.held(pair) == {}


def test_pnl_from_positions_equals_pnl_from_fills_to_the_paisa(desk):
    desk.minutes((9, 20), (9, 24))
    desk.minutes((15, 8), (15, 12))

    for position in Position.objects.select_related("contract"):
        rows = Fill.objects.filter(
            order__allocation=position.allocation, order__contract=position.contract
        ).order_by("at", "trade_id")
        holding = project(Trade(*row) for row in rows.values_list("side", "quantity", "price"))
        cash = sum((q * p if side == "SELL" else -q * p)
                   for side, q, p in rows.values_list("side", "quantity", "price"))  # fmt: skip
        assert (position.quantity, position.realised) == (holding.quantity, holding.realised)
        assert position.realised - position.cost == cash


def test_the_day_closes_with_one_row_a_pair_whose_net_is_gross_less_charges(desk):
    desk.minutes((9, 20), (9, 22))
    desk.minutes((15, 10), (15, 12))
    desk.at(15, 40)

    rows = PerformanceMetric.objects.all()
    assert rows.count() == 5
    for row in rows:
        assert row.final
        assert row.trading_day == MONDAY
        assert row.net == row.realised + row.unrealised - row.charges
        assert row.peak_margin > 0


def test_the_next_day_opens_its_pnl_at_yesterdays_closing_marks(desk_of):
    desk = desk_of(one_strategy("Covered Call", broker="zerodha", lots=1))
    desk.at(9, 20)
    desk.at(15, 40)
    first = PerformanceMetric.objects.get()
    desk.day = date(2026, 8, 4)
    desk.at(9, 15)
    desk.at(15, 40)

    second = PerformanceMetric.objects.get(trading_day=date(2026, 8, 4))
    assert (first.trading_day, second.charges >= 0) == (MONDAY, True)
    total = second.realised + second.unrealised
    assert first.net + second.net == total - first.charges - second.charges


def test_the_simulators_own_ledger_explains_every_order_and_trade(expiry_desk):
    expiry_desk.minutes((9, 20), (9, 23))
    expiry_desk.minutes((14, 59), (15, 12))
    expiry_desk.at(15, 40)
    expiry_desk.close()

    found = compare(expiry_desk.player)
    assert (found["unexplained"], found["sent_twice"]) == (0, 0)
    assert found["our_trades"] == Fill.objects.count() > 10


def test_a_hedge_is_kept_while_a_short_of_its_entry_may_still_fill(desk_of):
    """The exit comes while shorts rest and cannot be cancelled: each could fill after its hedge is gone."""
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))

    def no_bids(quotes):
        return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}

    desk.at(9, 20, change=no_bids)
    pair = desk.pair("Iron Condor", "zerodha")
    owner = pair.broker_account.user
    desk.fault("drop_request", route="cancel", count=2)
    services.exit_now(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)
    desk.at(9, 20, 5, change=no_bids)

    assert desk.orders(pair, action="close") == []
    desk.at(9, 20, 10)
    desk.at(9, 20, 15)
    assert desk.held(pair) == {}
    assert desk.run(pair, "exit").status == "done"


def test_an_end_that_the_book_names_before_the_last_fill_stands_once_that_fill_is_here(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=3))
    desk.at(9, 20, change=lambda quotes: {s: q._replace(bid_quantity=65) for s, q in quotes.items()})
    (order,) = desk.orders(desk.pair("Cash Secured Put", "finvasia"))
    wire, frame_desk = desk.player.adapter(order.broker_account), desk.player._desk(desk.player.last)
    (trade,), (report,) = wire.trades(), wire.orders()
    ended = replace(report, status=BrokerStatus.CANCELLED, filled_quantity=130)

    apply_order(order.pk, ended, frame_desk, source="push")
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("PARTIAL", 65)
    apply_trade(order.pk, replace(trade, trade_id="T99"), frame_desk, source="push")

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("CANCELLED", 130)


def test_a_tick_that_read_before_an_exit_ended_opens_no_second_one(desk):
    desk.at(9, 20)
    desk.at(9, 21)
    pair = desk.pair("Iron Condor", "zerodha")
    seen = Snapshot(desk.player.timeline, MONDAY, desk.player.wall)
    assert (pair.pk in seen.held, seen.leaving, seen.states[pair.pk].state) == (True, {}, "active")
    desk.at(15, 10)

    schedule.open_exits(desk.player._desk(desk.player.last), seen)

    assert [run.status for run in StrategyExecution.objects.filter(allocation=pair, phase="exit")] == ["done"]


def test_exits_of_many_pairs_that_are_due_together_are_opened_in_as_many_queries_as_one(desk):
    desk.at(9, 20)
    desk.at(9, 20, 5)
    owner = desk.pair("Iron Condor", "zerodha").broker_account.user
    set_trading_state(user=owner, scope="user", state="halted", by=owner, now=desk.player.wall)
    frame_desk = desk.player._desk(desk.player.last)
    seen = Snapshot(frame_desk.timeline, frame_desk.day, frame_desk.wall)
    assert len(seen.held) == 5
    for each in ("leaving", "states", "abandoned", "adjusting", "loss_watches", "watched_legs", "watches"):
        getattr(seen, each)

    with CaptureQueriesContext(connection) as captured:
        schedule.open_exits(frame_desk, seen)

    due = StrategyExecution.objects.filter(phase="exit", status="due", cause="kill")
    assert due.count() == 5
    asked = [query["sql"].split()[0] for query in captured]
    assert asked == ["SELECT", "SAVEPOINT", "SELECT", "SELECT", "INSERT", "RELEASE"]


@pytest.mark.parametrize(
    ("how", "moment"),
    [(how, moment) for how, looks in (("one", 4), ("kill", 4), ("due", 3)) for moment in range(1, looks + 1)],
)
def test_an_exit_that_another_worker_opens_between_two_looks_stays_the_only_one(desk_of, how, moment):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    terms = {"timeline": desk.player.timeline, "due_at": desk.player.wall, "lots": 2}
    looks = []

    def another(execute, *statement):
        found = execute(*statement)
        looks.append(statement)
        if len(looks) == moment:
            StrategyExecution.objects.create(
                allocation=pair, trading_day=MONDAY, phase="exit", cycle=1, cause="schedule",
                strategy_version=pair.strategy_version, **terms,
            )  # fmt: skip
        return found

    with connection.execute_wrapper(another):
        day = {"timeline": desk.player.timeline, "day": MONDAY}
        due = services.DueExit(allocation=pair, cause="schedule", due_at=desk.player.wall, lots=2)
        if how == "kill":
            exits.open_exits([pair], cause="kill")
        elif how == "due":
            services.open_due([due], **day)
        else:
            services.open_exit(due, **day)

    assert StrategyExecution.objects.filter(allocation=pair, phase="exit").count() == 1
