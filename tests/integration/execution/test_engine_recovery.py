"""Refused connections, lost logins, forgotten tags, orders without an answer: nothing is done twice,
nothing is lost, and one pair's trouble is not its neighbours'.
"""

from datetime import date
from decimal import Decimal

from allocations.selectors import effective_states
from brokers.models import BrokerAccount
from brokers.types import BrokerTrade, NeverSent, Product, Rejected, Side
from execution.engine.apply import apply_trade, rebuild_position
from execution.models import Fill, Order, Position, StrategyExecution
from strategies.models import Strategy
from tests.integration.execution.conftest import EXPIRY_TUESDAY, one_strategy
from users.models import Notice

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)


class Unplugged:
    """A wire whose next `times` orders meet a refused connection."""

    def __init__(self, wire, times):
        self.wire, self.times = wire, times

    def place(self, request):
        if self.times:
            self.times -= 1
            return NeverSent("connection refused")
        return self.wire.place(request)

    def __getattr__(self, name):
        return getattr(self.wire, name)


def unplug(desk, pair, times):
    account = pair.broker_account
    desk.player._adapters[account.pk] = Unplugged(desk.player.adapter(account), times)


def lose_login(desk, pair):
    """The account's token is gone: its wire cannot be opened."""
    sealed = pair.broker_account.sealed_secrets
    forget_wires(desk)
    BrokerAccount.objects.filter(pk=pair.broker_account_id).update(sealed_secrets={})
    return sealed


def forget_wires(desk):
    desk.player._adapters.clear()


def placed(desk):
    return [order for account in desk.ledger() for order in account["orders"]]


def clear_faults(desk):
    desk.player._operator("DELETE", "/admin/faults", None)


def test_fault_13_a_slice_sent_again_after_a_refused_connection_is_not_ordered_once_more(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=2, terms={"completion": "retry"}))
    pair = desk.pair("Cash Secured Put", "finvasia")
    unplug(desk, pair, times=1)

    desk.at(9, 20)
    desk.at(9, 20, 5)

    assert [(o.attempt, o.status) for o in desk.orders(pair)] == [(1, "NEVER_SENT"), (2, "FILLED")]
    assert sum(desk.held(pair).values()) == -130
    assert len(placed(desk)) == 1


def test_an_entry_at_a_broker_that_cannot_be_reached_ends_after_three_attempts_and_says_so(desk_of):
    desk = desk_of(PUT)
    pair = desk.pair("Cash Secured Put", "finvasia")
    unplug(desk, pair, times=1000)

    desk.at(9, 20)

    assert [(o.attempt, o.status, o.code) for o in desk.orders(pair)] == [
        (1, "NEVER_SENT", ""), (2, "NEVER_SENT", ""), (3, "NEVER_SENT", "BROKER_UNREACHABLE"),
    ]  # fmt: skip
    assert (desk.run(pair).status, desk.run(pair).code) == ("failed", "NOT_FILLED")
    assert Notice.objects.filter(kind="broker_unreachable").count() == 1


def test_an_exit_keeps_trying_at_a_broker_that_cannot_be_reached(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    unplug(desk, pair, times=7)

    desk.at(15, 10)
    assert len(desk.held(pair)) == 4
    desk.at(15, 11)
    desk.at(15, 12)

    assert desk.held(pair) == {}
    assert len(placed(desk)) == 8


def test_a_close_that_is_refused_waits_for_the_next_frame_and_then_longer_each_time(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    desk.fault("reject_next", count=1000)

    refused = []
    for second in range(12):
        desk.at(15, 10, second)
        refused.append(len(desk.orders(pair, action="close")) // 2)

    assert refused == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]
    clear_faults(desk)
    desk.at(15, 11)
    assert desk.held(pair) == {}


def test_an_unwinding_whose_orders_are_refused_waits_too(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1, terms={"completion": "unwind"}))

    def no_bids(quotes):
        return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}

    desk.at(9, 20, change=no_bids)
    pair = desk.pair("Iron Condor", "zerodha")
    desk.fault("reject_next", count=1000)
    desk.at(9, 21, change=no_bids)
    desk.at(9, 22, change=no_bids)
    assert len(desk.orders(pair, action="close")) == 4
    clear_faults(desk)
    desk.at(9, 23)

    assert desk.held(pair) == {}
    assert desk.run(pair).status == "failed"


def test_a_pair_whose_login_is_lost_does_not_enter_and_its_neighbours_trade(desk):
    lost = desk.pair("Iron Condor", "zerodha")
    lose_login(desk, lost)

    desk.at(9, 20)
    desk.at(9, 22)

    assert (desk.run(lost).status, desk.run(lost).code) == ("missed", "TOO_LATE")
    assert "no usable login" in desk.run(lost).detail
    assert desk.run(desk.pair("Iron Condor", "angelone")).status == "done"


def test_an_exit_without_a_login_is_denied_and_goes_when_the_login_is_back(desk):
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    sealed = lose_login(desk, pair)

    desk.at(15, 10)

    assert {(o.status, o.code) for o in desk.orders(pair, action="close")} == {("DENIED", "NO_LOGIN")}
    assert not Order.objects.filter(status="SENDING").exists()
    assert desk.held(desk.pair("Iron Condor", "angelone")) == {}
    BrokerAccount.objects.filter(pk=pair.broker_account_id).update(sealed_secrets=sealed)
    forget_wires(desk)
    desk.at(15, 11)
    assert desk.held(pair) == {}


def test_a_wave_stands_still_behind_an_unknown_order_and_is_withdrawn_when_time_is_up(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.fault("drop_request")

    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    assert [o.status for o in desk.orders(pair)] == ["UNKNOWN", "READY"]
    desk.at(9, 21)

    assert [o.status for o in desk.orders(pair)] == ["UNKNOWN", "CANCELLED"]
    assert placed(desk) == []
    assert desk.run(pair).status == "running"


def test_an_order_that_the_broker_found_again_lets_its_wave_go_on(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.fault("drop_answer")

    desk.at(9, 20)
    desk.at(9, 20, 5)

    pair = desk.pair("Iron Condor", "zerodha")
    assert desk.run(pair).status == "done"
    assert len(placed(desk)) == 4


def test_an_order_absent_through_its_own_day_is_proven_unsent_the_next_morning(desk_of):
    desk = desk_of(PUT)
    desk.fault("drop_request")
    desk.at(9, 20)
    desk.minutes((9, 21), (9, 29))
    pair = desk.pair("Cash Secured Put", "finvasia")
    assert desk.orders(pair)[0].status == "UNKNOWN"

    desk.day = EXPIRY_TUESDAY
    desk.at(9, 15)

    assert desk.orders(pair)[0].status == "NEVER_SENT"


def test_fills_of_an_order_whose_tag_the_broker_forgot_are_found_by_its_number(desk_of):
    desk = desk_of(PUT)
    desk.fault("forget_tag")

    desk.at(9, 20)

    pair = desk.pair("Cash Secured Put", "finvasia")
    assert [(o.status, o.filled_quantity) for o in desk.orders(pair)] == [("FILLED", 130)]
    assert sum(desk.held(pair).values()) == -130


def test_fault_42_an_overfill_is_recorded_and_freezes_the_pair(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    (order,) = desk.orders(pair)
    extra = BrokerTrade(
        trade_id="T999", broker_order_id=order.broker_order_id, client_ref=order.client_ref,
        symbol=order.contract.symbol, side=Side.SELL, quantity=65, product=Product.NRML, price=Decimal("50.00"),
        at=desk.player.last.now,
    )  # fmt: skip

    for _ in range(2):
        apply_trade(order.pk, extra, desk.player._desk(desk.player.last), source="push")

    assert sum(desk.held(pair).values()) == -195
    assert Fill.objects.filter(order=order).count() == 2
    assert effective_states([pair])[pair.pk].state == "frozen"
    assert Notice.objects.filter(kind="overfill").count() == 1


def test_a_contract_that_comes_back_as_another_leg_carries_that_legs_number(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20)
    (order,) = desk.orders(desk.pair("Cash Secured Put", "finvasia"))
    Position.objects.update(quantity=0, leg_number=4)  # flat since leg 4 of an earlier run was closed

    rebuild_position(order, desk.player._desk(desk.player.last))

    position = Position.objects.get()
    assert (position.quantity, position.leg_number) == (-130, order.leg_number) == (-130, 1)


def test_a_close_that_may_not_be_moved_any_more_is_cancelled_and_ordered_anew(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")

    def no_call_offers(quotes):
        return {s: q._replace(ask_quantity=0 if s.endswith("CE") else q.ask_quantity)
                for s, q in quotes.items()}  # fmt: skip

    def calls_dearer(quotes):
        return {
            s: q._replace(ask=q.ask * 2, ltp=q.ltp * 2) if s.endswith("CE") and q.ask else q
            for s, q in quotes.items()
        }

    desk.at(15, 10, change=no_call_offers)
    (resting,) = desk.orders(pair, action="close", status="WORKING")
    Order.objects.filter(pk=resting.pk).update(modifications=20)
    desk.at(15, 11, change=calls_dearer)
    desk.at(15, 12)

    resting.refresh_from_db()
    assert (resting.status, resting.filled_quantity) == ("CANCELLED", 0)
    assert desk.held(pair) == {}


def test_a_schedule_that_the_facts_cannot_answer_stops_nobody_else(desk_of, conservative_income):
    condor = conservative_income["strategies"][0]
    condor["terms"]["day_rule"] = "expiry_day"
    desk = desk_of(conservative_income, day=EXPIRY_TUESDAY)
    Strategy.objects.filter(name="Iron Condor").update(underlying="BANKNIFTY")  # has no weeklies

    desk.at(9, 20)

    entered = StrategyExecution.objects.values_list("allocation__strategy__name", flat=True)
    assert set(entered) == {"Covered Call", "Cash Secured Put"}
    assert Notice.objects.filter(kind="schedule_unclear").count() == 2


def test_a_refusal_that_comes_after_a_look_up_settles_the_order(desk_of):
    """The answer was slow: the sweeper had already called the order unknown."""
    from execution.engine.answers import record_answer

    desk = desk_of(PUT)
    desk.fault("drop_request")
    desk.at(9, 20)
    (order,) = desk.orders(desk.pair("Cash Secured Put", "finvasia"))

    record_answer(order.pk, Rejected("INSUFFICIENT_MARGIN", "no money"), desk.player._desk(desk.player.last))

    order.refresh_from_db()
    assert (order.status, order.code) == ("REJECTED", "INSUFFICIENT_MARGIN")
    assert order.finished_at.date() == date(2026, 8, 3)
