"""Faults 18 to 26, 31 and 41: what the broker says late, wrongly, twice or not at all."""

from dataclasses import replace
from itertools import permutations

from brokers.models import BrokerAccount
from brokers.services import log_in_again
from brokers.types import (
    Ack,
    BrokerStatus,
    BrokerTrade,
    Rejected,
    Side,
    Unknown,
)
from execution import services
from execution.engine.answers import record
from execution.engine.apply import apply_books, apply_order, apply_trade
from market.kernel.frame import encode
from tests.integration.execution.conftest import one_strategy
from tests.integration.execution.fault_wires import (
    RefusesThe,
    Wire,
    placed,
    plug,
    unplug,
)

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)
CONDOR = one_strategy("Iron Condor", broker="zerodha", lots=2)


def no_bids(quotes):
    return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}


def one_lot_of_bids(quotes):
    return {symbol: quote._replace(bid_quantity=65) for symbol, quote in quotes.items()}


def put(desk):
    return desk.pair("Cash Secured Put", "finvasia")


def books(desk, pair):
    wire = desk.player.adapter(pair.broker_account)
    return wire.orders(), wire.trades(), desk.player._desk(desk.player.last)


class AnswersLate(Wire):
    """The answer to `place` is kept back; the books and pushes are not."""

    def place(self, request):
        self.answer = self.inner.place(request)
        return Unknown("late")


def test_fault_18_a_fill_that_comes_before_the_acknowledgement_counts(desk_of):
    desk = desk_of(PUT)
    wire = plug(desk, put(desk), AnswersLate)
    desk.at(9, 20)
    (order,) = desk.orders(put(desk))
    _, trades, now = books(desk, put(desk))

    apply_books(order.broker_account, [], trades, now, source="push")
    record([(order, wire.answer)], now)

    order.refresh_from_db()
    assert (order.status, order.filled_quantity, isinstance(wire.answer, Ack)) == ("FILLED", 130, True)
    assert sum(desk.held(put(desk)).values()) == -130


def test_fault_19_reports_out_of_order_and_replayed_project_the_same_rows(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20, change=one_lot_of_bids)
    desk.at(9, 20, 5, change=one_lot_of_bids)
    (order,) = desk.orders(put(desk))
    reports, trades, now = books(desk, put(desk))
    old = [replace(reports[0], status=BrokerStatus.OPEN, filled_quantity=0), *reports]

    for said in permutations([*old, *trades]):
        for report in said:
            apply = apply_trade if isinstance(report, BrokerTrade) else apply_order
            apply(order.pk, report, now, source="push")

    order.refresh_from_db()
    assert (order.status, order.filled_quantity, order.fills.count()) == ("FILLED", 130, 2)
    assert sum(desk.held(put(desk)).values()) == -130


def test_fault_20_a_fill_after_cancelled_is_accepted(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20, change=one_lot_of_bids)
    (order,) = desk.orders(put(desk))
    (report,), (trade,), now = books(desk, put(desk))
    apply_order(order.pk, replace(report, status=BrokerStatus.CANCELLED), now, source="poll")
    order.refresh_from_db()
    assert order.status == "CANCELLED"

    apply_trade(order.pk, replace(trade, trade_id="T77"), now, source="push")

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("FILLED", 130)
    assert sum(desk.held(put(desk)).values()) == -130


class FillsFirst(Wire):
    """The exchange fills the order while its cancellation is on the way."""

    def __init__(self, inner, desk):
        super().__init__(inner)
        self.desk = desk

    def cancel(self, broker_order_id):
        self.desk.n += 1
        frame = self.desk.market.frame_at(
            self.desk.player.last.now, timeline=self.desk.player.timeline.key, n=self.desk.n, cadence=60
        )
        self.desk.player._operator("POST", "/frames", encode(frame))
        return self.inner.cancel(broker_order_id)


def test_fault_21_when_a_cancel_races_a_fill_the_fill_wins(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20, change=no_bids)
    plug(desk, put(desk), lambda inner: FillsFirst(inner, desk))

    desk.at(9, 21, change=no_bids)  # the entry's time is up: it asks to cancel

    (order,) = desk.orders(put(desk))
    assert (order.status, order.filled_quantity, order.pending_op) == ("FILLED", 130, "")
    assert sum(desk.held(put(desk)).values()) == -130


class BeingProcessed(Wire):
    def cancel(self, broker_order_id):
        return Unknown("cancel being processed")


def test_fault_22_a_cancel_being_processed_stays_pending_and_is_asked_again(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20, change=no_bids)
    plug(desk, put(desk), BeingProcessed)
    desk.at(9, 21, change=no_bids)
    (order,) = desk.orders(put(desk))
    assert (order.status, order.pending_op) == ("WORKING", "cancel")
    unplug(desk, put(desk))

    desk.at(9, 22, change=no_bids)

    order.refresh_from_db()
    assert (order.status, order.pending_op) == ("CANCELLED", "")


def test_fault_23_hedges_partly_filled_then_rejected_scale_the_shorts(desk_of):
    desk = desk_of(CONDOR)

    def one_lot_of_offers(quotes):
        return {symbol: quote._replace(ask_quantity=65) for symbol, quote in quotes.items()}

    desk.at(9, 20, change=one_lot_of_offers)
    pair = desk.pair("Iron Condor", "zerodha")
    hedges = desk.orders(pair, side="BUY")
    reports, _, now = books(desk, pair)
    for order in hedges:
        report = next(r for r in reports if r.client_ref == order.client_ref)
        apply_order(order.pk, replace(report, status=BrokerStatus.REJECTED), now, source="push")

    assert [(o.status, o.filled_quantity) for o in desk.orders(pair, side="BUY")] == [("REJECTED", 65)] * 2
    assert [o.quantity for o in desk.orders(pair, side="SELL")] == [65, 65]


def test_fault_25_the_third_slice_of_four_rejected_is_balanced_down(desk_of):
    """108 lots are four slices of 27: one of a short is refused, so its unit is unwound on every leg."""
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=108, max_margin="900000000",
                                terms={"completion": "unwind"}))  # fmt: skip
    BrokerAccount.objects.update(capital=900000000)
    pair = desk.pair("Iron Condor", "zerodha")
    for account in BrokerAccount.objects.all():
        log_in_again(account=account, transport=desk.player.transport)
    desk.player._adapters.clear()

    def deep(quotes):
        return {s: q._replace(bid_quantity=900_000, ask_quantity=900_000) for s, q in quotes.items()}

    plug(desk, pair, lambda inner: RefusesThe(inner, 3, Side.SELL))
    for second in range(0, 50, 5):
        desk.at(9, 20, second, change=deep)
    for minute in (21, 22):
        desk.at(9, minute, change=deep)

    assert sorted(set(map(abs, desk.held(pair).values()))) == [81 * 65]
    assert desk.run(pair).status == "partial"


def test_fault_26_a_pair_whose_broker_is_down_leaves_the_same_strategy_at_another_as_it_is(desk):
    a, b = desk.pair("Iron Condor", "angelone"), desk.pair("Iron Condor", "zerodha")

    class Down(Wire):
        def place(self, request):
            return Rejected("INSUFFICIENT_MARGIN", "down for maintenance")

    plug(desk, b, Down)

    desk.at(9, 20)
    desk.at(9, 21)

    assert (desk.run(a).status, len(desk.held(a))) == ("done", 4)
    assert (desk.run(b).status, desk.held(b)) == ("failed", {})


def test_fault_31_a_halt_during_the_wave_of_shorts_lets_cancels_through_and_nothing_else(desk_of):
    desk = desk_of(CONDOR)
    desk.at(9, 20, change=no_bids)
    pair = desk.pair("Iron Condor", "zerodha")
    owner = pair.broker_account.user
    assert [(o.side, o.status) for o in desk.orders(pair)][2:] == [("SELL", "WORKING")] * 2

    services.kill(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)
    desk.at(9, 20, 5, change=no_bids)
    desk.at(9, 20, 10)

    assert [o.status for o in desk.orders(pair, side="SELL", action="open")] == ["CANCELLED"] * 2
    assert desk.held(pair) == {}
    assert {o["side"] for o in placed(desk)[4:]} == {"SELL"}  # the hedges, after the shorts were gone


def test_fault_41_a_forged_report_of_another_account_changes_nothing(desk):
    desk.at(9, 20)
    desk.at(9, 20, 5)
    mine, other = desk.pair("Cash Secured Put", "finvasia"), desk.pair("Cash Secured Put", "angelone")
    (order,) = desk.orders(mine)
    _, trades, now = books(desk, mine)
    forged = replace(trades[0], trade_id="FORGED", client_ref=order.client_ref, quantity=65)
    before = desk.held(mine), desk.held(other)

    moved = apply_books(other.broker_account, [], [forged], now, source="push")

    assert moved == set()
    assert (desk.held(mine), desk.held(other)) == before
