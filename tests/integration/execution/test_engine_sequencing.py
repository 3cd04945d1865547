"""The account's rate, what goes first, how long a resting order waits, and all pairs or none."""

from datetime import timedelta

import pytest

from brokers.types import NeverSent, Unknown
from execution.engine import answers, calls, dispatch, loop, shift
from execution.engine.desk import Work, WorkKind
from execution.models import AccountCalls, Order, StrategyExecution
from execution.rates import Kind
from strategies.models import StrategyVersion
from tests.factories import make_order, make_run
from tests.integration.execution.by_hand import engine
from tests.integration.execution.conftest import one_strategy
from users.models import Notice

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)


def placed(desk):
    return [order for account in desk.ledger() for order in account["orders"]]


def no_bids(quotes):
    return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}


def falling(by):
    """Puts that are worth `by` rupees less, and that nobody takes: a resting sell is left behind."""

    def change(quotes):
        return {
            symbol: quote._replace(bid=max(quote.bid - by, quote.bid / 2), bid_quantity=0,
                                   ask=quote.ask, ltp=quote.ltp)
            if symbol.endswith("PE") and quote.bid else quote
            for symbol, quote in quotes.items()
        }  # fmt: skip

    return change


@pytest.fixture
def resting(desk_of):
    """A put's sell order that rests because nobody bids, and its desk."""
    desk = desk_of(PUT)
    desk.at(9, 20, change=no_bids)
    pair = desk.pair("Cash Secured Put", "finvasia")
    (order,) = desk.orders(pair)
    assert order.status == "WORKING"
    return desk, pair, order


def spend(account, kind, wall, *, most=99):
    """Take every place that the kind may take; how many there were."""
    taken = 0
    while taken < most and calls.take(account, kind, f"{kind}{taken}", wall):
        taken += 1
    return taken


def test_cancels_and_price_changes_take_a_place_among_the_accounts_calls(resting):
    desk, pair, order = resting
    before = counted(pair.broker_account)
    desk.at(9, 20, 5, change=falling(20))
    order.refresh_from_db()
    assert (order.modifications, counted(pair.broker_account) - before) == (1, 1)

    desk.at(9, 21, change=falling(20))  # its time is up

    order.refresh_from_db()
    assert (order.status, counted(pair.broker_account) - before) == ("CANCELLED", 2)


def counted(account):
    """Calls of the last minute that the account's row knows."""
    row = AccountCalls.objects.get(pk=account.pk)
    return len(row.flying) + len(row.landed) + sum(row.counts["60"].values())


def test_a_cancel_goes_out_when_entries_and_exits_have_spent_their_shares(resting):
    desk, pair, order = resting
    frame_desk = desk.player._desk(desk.player.last)
    Order.objects.filter(pk=order.pk).update(pending_op="cancel", asked_at=None)
    AccountCalls.objects.all().delete()
    assert spend(pair.broker_account, Kind.ENTRY, frame_desk.wall) == 7
    assert spend(pair.broker_account, Kind.EXIT, frame_desk.wall) == 1

    loop.perform(Work(WorkKind.CANCEL, order.pk), frame_desk)

    (theirs,) = placed(desk)
    assert theirs["status"] == "CANCELLED"
    assert not calls.take(pair.broker_account, Kind.CANCEL, "one more", frame_desk.wall)


def test_a_cancel_that_has_no_place_waits_and_no_entry_of_the_account_goes_before_it(resting):
    desk, pair, order = resting
    frame_desk = desk.player._desk(desk.player.last)
    run = StrategyExecution.objects.get()
    Order.objects.filter(pk=order.pk).update(pending_op="cancel", asked_at=None)
    entry = make_order(run, order.contract.symbol, status="READY", leg_number=2)
    AccountCalls.objects.all().delete()
    spend(pair.broker_account, Kind.CANCEL, frame_desk.wall)

    loop.perform(Work(WorkKind.CANCEL, order.pk), frame_desk)
    AccountCalls.objects.all().delete()
    loop.perform(Work(WorkKind.DISPATCH, entry.pk), frame_desk)

    entry.refresh_from_db()
    assert (entry.status, [row["status"] for row in placed(desk)]) == ("READY", ["OPEN"])


def test_a_waiting_exit_of_another_pair_goes_before_a_waiting_entry_of_the_account(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    frame_desk = desk.player._desk(desk.player.last)
    held = sorted(desk.held(pair))
    entry = make_order(desk.run(pair), held[0], status="READY", leg_number=9, quantity=65, price=5)
    leaving = make_run(pair, frame_desk.timeline, phase="exit", status="running")
    exit_order = make_order(leaving, held[1], status="READY", action="close", quantity=65, price=5)
    sent = []
    wire = desk.player.adapter(pair.broker_account)
    desk.player._adapters[pair.broker_account_id] = Recording(wire, sent)

    assert loop.perform(Work(WorkKind.DISPATCH, entry.pk), frame_desk) == []
    turn = shift.Turn([Work(WorkKind.DISPATCH, entry.pk), Work(WorkKind.DISPATCH, exit_order.pk)])
    turn.work_off(frame_desk, is_over=lambda: True)

    assert sent == [exit_order.client_ref, entry.client_ref]


class Recording:
    """A wire that notes which tags it was given; the first `silent` orders get no answer."""

    def __init__(self, wire, sent, silent=0):
        self.wire, self.sent, self.silent = wire, sent, silent

    def place(self, request):
        self.sent.append(request.client_ref)
        if len(self.sent) <= self.silent:
            return Unknown("read timed out")
        return self.wire.place(request)

    def __getattr__(self, name):
        return getattr(self.wire, name)


def test_orders_that_are_sent_together_stop_at_one_without_an_answer(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 19)
    pair, sent = desk.pair("Iron Condor", "zerodha"), []
    run = make_run(pair, desk.player.timeline, status="running", cycle=7)
    symbols = sorted(s for s in desk.player.last.quotes if "NIFTY-20260804-24" in s and s.endswith("CE"))[:2]
    orders = [make_order(run, s, status="READY", side="BUY", quantity=65) for s in symbols]
    wire = desk.player.adapter(pair.broker_account)
    desk.player._adapters[pair.broker_account_id] = Recording(wire, sent, silent=1)

    dispatch.dispatch_all([o.pk for o in orders], desk.player._desk(desk.player.last))

    states = list(Order.objects.order_by("pk").values_list("leg_number", "attempt", "status"))
    assert states == [(1, 1, "UNKNOWN"), (2, 1, "NEVER_SENT"), (2, 2, "READY")]
    assert sent == [orders[0].client_ref]
    assert Order.objects.get(attempt=1, leg_number=2).code == "NOT_TRIED"


def test_what_was_not_tried_uses_up_no_attempt_and_nobody_is_told_that_a_broker_is_away(resting):
    desk, pair, _ = resting
    frame = desk.player._desk(desk.player.last)
    run = make_run(pair, desk.player.timeline, status="running", cycle=7)
    order = make_order(run, status="SENDING", side="BUY")
    slices = Order.objects.filter(execution=run)

    for answer in (*[dispatch.NOT_TRIED] * 3, *[NeverSent("connection refused")] * 3):
        answers.record_answer(order.pk, answer, frame)
        told = list(Notice.objects.filter(kind="broker_unreachable"))
        order = slices.order_by("attempt").last()
        if order.status == "READY":
            assert told == []
            slices.filter(pk=order.pk).update(status="SENDING")

    assert list(slices.order_by("attempt").values_list("status", "code")) == [
        *[("NEVER_SENT", "NOT_TRIED")] * 3, *[("NEVER_SENT", "")] * 2, ("NEVER_SENT", "BROKER_UNREACHABLE"),
    ]  # fmt: skip
    assert "refused 3 times" in told[0].body


def patience(seconds):
    StrategyVersion.objects.update(chase_after_seconds=seconds)


def test_a_resting_order_is_moved_at_once_unless_its_strategy_is_patient(resting):
    desk, _, order = resting
    patience(30)

    desk.at(9, 20, 10, change=falling(20))
    order.refresh_from_db()
    assert order.modifications == 0
    StrategyExecution.objects.update(deadline=desk.player.wall + timedelta(minutes=5))
    desk.at(9, 20, 31, change=falling(20))
    order.refresh_from_db()
    assert order.modifications == 1
    desk.at(9, 20, 40, change=falling(40))  # it rests anew since it was moved

    order.refresh_from_db()
    assert order.modifications == 1


def test_a_resting_order_is_no_work_before_the_market_has_left_it_for_as_long_as_its_strategy_waits(resting):
    desk, _, order = resting

    def works():
        return [work for work in loop.tick(engine(desk)) if work.kind is WorkKind.CHASE]

    assert works() == []  # it stands through the touch
    patience(30)
    desk.at(9, 20, 10, change=falling(20))
    assert works() == []
    patience(5)
    assert works() == [Work(WorkKind.CHASE, order.pk)]
    Order.objects.update(pending_op=Order.PendingOp.CANCEL, asked_at=desk.player.wall)
    assert works() == []


def test_an_entry_that_may_not_be_moved_any_more_is_cancelled_and_its_rest_ordered_anew(resting):
    desk, pair, order = resting
    StrategyExecution.objects.update(deadline=desk.player.wall + timedelta(minutes=5))
    Order.objects.filter(pk=order.pk).update(modifications=20)

    desk.at(9, 20, 5, change=falling(20))
    desk.at(9, 20, 10)

    assert [(o.slice, o.status, o.code, o.filled_quantity) for o in desk.orders(pair)] == [
        (1, "CANCELLED", "REPRICED", 0), (2, "FILLED", "", 130),
    ]  # fmt: skip
    assert desk.run(pair).status == "done"


def condors(**terms):
    """The condor on two brokers, each with its own pair."""
    document = one_strategy("Iron Condor", broker="zerodha", lots=1, terms=terms)
    (first,) = document["strategies"][0]["allocations"]
    document["strategies"][0]["allocations"] = [first, {**first, "broker": "angelone"}]
    return document


def refuse_one_broker(desk, broker, **which):
    account = desk.pair("Iron Condor", broker).broker_account
    names = {row["broker"]: row["account"] for row in desk.ledger()}
    desk.fault("reject_next", account=names[account.broker], count=100, **which)


def test_all_or_none_unwinds_the_pair_that_filled_when_its_sibling_fails(desk_of):
    desk = desk_of(condors(all_or_none=True))
    refuse_one_broker(desk, "angelone")

    desk.at(9, 20)
    desk.at(9, 20, 5)
    desk.at(9, 21)

    failed, unwound = desk.pair("Iron Condor", "angelone"), desk.pair("Iron Condor", "zerodha")
    assert (desk.run(failed).status, desk.held(failed)) == ("failed", {})
    assert desk.held(unwound) == {}
    assert (desk.run(unwound).status, desk.run(unwound).code) == ("failed", "SIBLING_FAILED")


def test_a_pair_that_was_complete_is_exited_when_its_sibling_ends_incomplete(desk_of):
    desk = desk_of(condors(all_or_none=True))
    desk.at(9, 20)
    complete, sibling = desk.pair("Iron Condor", "zerodha"), desk.pair("Iron Condor", "angelone")
    assert desk.run(complete).status == "done"
    StrategyExecution.objects.filter(allocation=sibling).update(status="partial", code="TIMED_OUT")

    desk.at(9, 21)

    left = desk.run(complete, "exit")
    assert (left.cause, left.status, desk.held(complete)) == ("sibling", "done", {})


def test_without_all_or_none_a_pair_stands_whatever_becomes_of_its_sibling(desk_of):
    desk = desk_of(condors())
    refuse_one_broker(desk, "angelone")

    desk.at(9, 20)
    desk.at(9, 20, 5)
    desk.at(9, 21)

    assert len(desk.held(desk.pair("Iron Condor", "zerodha"))) == 4
    assert not StrategyExecution.objects.filter(phase="exit").exists()


def test_a_sibling_that_is_still_being_entered_ends_by_unwinding(desk_of):
    desk = desk_of(condors(all_or_none=True))
    desk.at(9, 20, change=no_bids)  # hedges fill, shorts rest
    filled, failed = desk.pair("Iron Condor", "zerodha"), desk.pair("Iron Condor", "angelone")
    assert desk.run(filled).status == "running"
    StrategyExecution.objects.filter(allocation=failed).update(status="failed", code="NOT_FILLED")

    desk.at(9, 20, 5)
    desk.at(9, 20, 10)

    assert (desk.run(filled).status, desk.run(filled).code) == ("failed", "SIBLING_FAILED")
    assert desk.held(filled) == {}


def test_a_sibling_that_has_not_begun_is_denied(desk_of):
    desk = desk_of(condors(all_or_none=True))
    desk.at(9, 19)
    failed, waiting = desk.pair("Iron Condor", "angelone"), desk.pair("Iron Condor", "zerodha")
    make_run(failed, desk.player.timeline, status="denied", trading_day=desk.day)

    desk.at(9, 20)

    assert (desk.run(waiting).status, desk.run(waiting).code) == ("denied", "SIBLING_FAILED")
    assert placed(desk) == []
