"""Entries: exact lots, hedges before shorts, one run per key, and every refusal with its reason."""

from decimal import Decimal

import pytest
from django.test import override_settings

from execution.engine import loop
from execution.engine.desk import Work, WorkKind
from execution.models import Order, StrategyExecution
from tests.integration.execution.conftest import one_strategy
from users.models import Notice


def filled_lots(desk, pair):
    return [order.filled_quantity // order.contract.lot_size for order in desk.orders(pair)]


@pytest.mark.parametrize(
    ("strategy", "broker", "legs", "lots"),
    [
        ("Iron Condor", "zerodha", 4, 2),
        ("Iron Condor", "angelone", 4, 1),
        ("Covered Call", "zerodha", 2, 5),
        ("Cash Secured Put", "finvasia", 1, 3),
        ("Cash Secured Put", "angelone", 1, 2),
    ],
)
def test_every_pair_fills_exactly_its_own_lots_at_its_own_broker(desk, strategy, broker, legs, lots):
    desk.at(9, 20)
    desk.at(9, 20, 5)  # one frame displays less than all pairs together want

    pair = desk.pair(strategy, broker)
    assert filled_lots(desk, pair) == [lots] * legs
    assert desk.run(pair).status == "done"


def test_nothing_is_entered_before_its_time(desk):
    desk.at(9, 19, 59)

    assert not StrategyExecution.objects.exists()


def test_shorts_are_sent_only_after_their_hedges_have_filled(desk):
    desk.at(9, 20)

    orders = desk.orders(desk.pair("Iron Condor", "zerodha"))
    assert [(order.side, order.wave) for order in orders] == [
        ("BUY", 1), ("BUY", 1), ("SELL", 2), ("SELL", 2),
    ]  # fmt: skip
    hedges_filled = max(order.sending_at for order in orders[:2])
    assert min(order.sending_at for order in orders[2:]) > hedges_filled


def test_shorts_follow_partly_filled_hedges_in_proportion(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=4))

    def thin(quotes):
        return {
            symbol: quote._replace(ask_quantity=min(quote.ask_quantity, 2 * 65))
            for symbol, quote in quotes.items()
        }

    desk.at(9, 20, change=thin)

    orders = desk.orders(desk.pair("Iron Condor", "zerodha"))
    assert [order.filled_quantity for order in orders if order.side == "BUY"] == [130, 130]
    assert [order.quantity for order in orders if order.side == "SELL"] == [130, 130]


def test_fault_24_a_rejected_hedge_sends_no_short_and_the_owner_is_told(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2))
    desk.fault("reject_next", count=2)

    desk.at(9, 20)

    pair = desk.pair("Iron Condor", "zerodha")
    assert [(order.side, order.status) for order in desk.orders(pair)] == [
        ("BUY", "REJECTED"), ("BUY", "REJECTED"),
    ]  # fmt: skip
    assert desk.run(pair).status == "failed"
    assert Notice.objects.filter(kind="execution_failed").count() == 1


def test_hedges_that_outlive_refused_shorts_are_sold_back_when_the_policy_says_unwind(desk_of):
    desk = desk_of(
        one_strategy("Iron Condor", broker="zerodha", lots=2, terms={"completion": "unwind"})
    )

    def no_bids(quotes):
        return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}

    desk.at(9, 20, change=no_bids)
    pair = desk.pair("Iron Condor", "zerodha")
    assert sorted(desk.held(pair).values()) == [130, 130]
    desk.at(9, 21, change=no_bids)
    desk.at(9, 22)

    assert (desk.run(pair).status, desk.run(pair).code) == ("failed", "TIMED_OUT")
    assert desk.held(pair) == {}
    assert [(o.side, o.action) for o in desk.orders(pair, status="FILLED")] == [
        ("BUY", "open"), ("BUY", "open"), ("SELL", "close"), ("SELL", "close"),
    ]  # fmt: skip


def test_large_lots_are_sliced_below_the_freeze_quantity_and_add_up(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=30))

    desk.at(9, 20)

    pair = desk.pair("Cash Secured Put", "finvasia")
    assert [(order.slice, order.quantity) for order in desk.orders(pair)] == [(1, 27 * 65), (2, 3 * 65)]


def test_two_ticks_and_repeated_work_make_one_run_and_one_order(desk):
    desk.at(9, 20)
    before = Order.objects.count()
    frame_desk = desk.player._desk(desk.player.last)

    for _ in range(3):
        for work in loop.tick(frame_desk):
            loop.perform(work, frame_desk)
        for order in Order.objects.all():
            loop.perform(Work(WorkKind.DISPATCH, order.pk), frame_desk)

    assert Order.objects.count() == before == 12
    assert StrategyExecution.objects.count() == 5
    assert sum(len(account["orders"]) for account in desk.ledger()) == 12


def test_fault_16_an_entry_past_its_tolerance_is_missed_and_says_how_late(desk):
    desk.at(9, 19)
    desk.at(9, 25)

    run = desk.run(desk.pair("Iron Condor", "zerodha"))
    assert (run.status, run.code) == ("missed", "TOO_LATE")
    assert "300 s late; tolerance 60 s" in run.detail
    assert not Order.objects.exists()


def test_an_entry_within_its_tolerance_goes_at_the_next_frame_and_says_so(desk):
    desk.at(9, 19, 30)
    desk.at(9, 20, 45)

    run = desk.run(desk.pair("Iron Condor", "zerodha"))
    assert (run.status, run.detail) == ("done", "45 s after 09:20:00.")


def test_fault_38_stale_quotes_hold_an_entry_until_it_is_missed(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 15)
    old = desk.player.last.quotes

    desk.at(9, 20, change=lambda _: dict(old))
    run = desk.run(desk.pair("Iron Condor", "zerodha"))
    assert run.status == "due"
    desk.at(9, 22, change=lambda _: dict(old))

    run.refresh_from_db()
    assert (run.status, run.code) == ("missed", "TOO_LATE")
    assert "STALE_QUOTE" in run.detail


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [
        ("max_margin", Decimal(1000), "MARGIN_ABOVE_LIMIT"),
        ("max_open_positions", 3, "TOO_MANY_POSITIONS"),
    ],
)
def test_a_pair_beyond_its_own_limit_is_denied_and_its_neighbours_trade(desk, limit, value, code):
    pair = desk.change_pair(desk.pair("Iron Condor", "zerodha"), **{limit: value})

    desk.at(9, 20)

    assert (desk.run(pair).status, desk.run(pair).code) == ("denied", code)
    assert not desk.orders(pair)
    assert desk.run(desk.pair("Iron Condor", "angelone")).status == "done"
    assert Notice.objects.filter(kind="execution_denied").count() == 1


def test_an_account_without_the_money_is_denied_before_anything_is_sent(desk_of):
    document = one_strategy("Cash Secured Put", broker="finvasia", lots=3)
    document["accounts"][2]["capital"] = "1000000"
    desk = desk_of(document)

    desk.at(9, 20)

    run = desk.run(desk.pair("Cash Secured Put", "finvasia"))
    assert (run.status, run.code) == ("denied", "INSUFFICIENT_FUNDS")


def test_paper_pairs_do_not_enter_when_paper_trading_is_switched_off(desk, settings):
    from dataclasses import replace

    with override_settings(PLATFORM=replace(settings.PLATFORM, enable_paper_trading=False)):
        desk.at(9, 20)

    codes = set(StrategyExecution.objects.values_list("status", "code"))
    assert codes == {("denied", "PAPER_DISABLED")}


def test_an_entry_not_complete_within_the_time_out_stops_and_its_rest_is_cancelled(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=3))

    def two_lots_bid(quotes):
        return {s: q._replace(bid_quantity=2 * 65 if s.endswith("PE") else q.bid_quantity)
                for s, q in quotes.items()}  # fmt: skip

    def no_bid(quotes):
        return {s: q._replace(bid_quantity=0) for s, q in quotes.items()}

    desk.at(9, 20, change=two_lots_bid)
    desk.at(9, 21, change=no_bid)

    pair = desk.pair("Cash Secured Put", "finvasia")
    assert (desk.run(pair).status, desk.run(pair).code) == ("partial", "TIMED_OUT")
    assert [(o.status, o.filled_quantity) for o in desk.orders(pair)] == [("CANCELLED", 130)]
    assert sum(desk.held(pair).values()) == -130


def test_a_positional_pair_that_holds_a_trade_does_not_enter_again(desk):
    desk.at(9, 20)
    desk.minutes((15, 39), (15, 40))
    pair = desk.pair("Covered Call", "zerodha")
    assert len(desk.held(pair)) == 2

    assert StrategyExecution.objects.filter(allocation=pair, phase="entry").count() == 1


@pytest.mark.parametrize(("speed", "status"), [(1, "missed"), (60, "done")])
def test_a_faster_world_grants_the_time_that_the_desk_itself_takes(desk_of, speed, status):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.player.timeline.speed = speed
    desk.player.timeline.save(update_fields=["speed"])
    desk.at(9, 19)

    desk.at(9, 24)

    assert desk.run(desk.pair("Iron Condor", "zerodha")).status == status
