"""Our book against the broker's: what was done by hand, what is lost, what is adopted."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers import services as brokers
from brokers.models import BrokerAccount
from execution.differences import Fix, Kind
from execution.models import (
    AccountBook,
    Fill,
    ForeignTrade,
    Mismatch,
    Order,
    Position,
    StrategyExecution,
)
from execution.reconcile import decide, look
from market.kernel.money import rupees
from tests.integration.execution import by_hand
from tests.integration.execution.by_hand import engine, net, open_mismatches, reconciled, sums
from tests.integration.execution.conftest import one_strategy
from users.errors import Conflict, Refused
from users.models import AuditEntry, Notice

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)
LOT = 65


@pytest.fixture
def put(desk_of):
    """(desk, pair, its contract): two lots of a put sold at 09:20."""
    desk = desk_of(PUT)
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    (symbol,) = desk.held(pair)
    desk.at(9, 21)
    return desk, pair, symbol


def act(desk, user, **more):
    return {"user": user, "desk": engine(desk), "by": user, "source": "test", "now": desk.player.wall, **more}


def settle(desk, mismatch, fix, **more):
    user = mismatch.broker_account.user
    return decide.settle(**act(desk, user, mismatch_id=mismatch.pk, fix=fix, **more))


def pnl_of_fills(pair, mark):
    fills = Fill.objects.filter(order__allocation=pair)
    cash = sum((f.quantity * f.price * (-1 if f.side == "BUY" else 1) for f in fills), Decimal(0))
    held = sum(f.quantity * (1 if f.side == "BUY" else -1) for f in fills)
    return rupees(cash + held * mark)


def pnl_of_positions(pair, mark):
    return sum((rupees(p.realised + p.quantity * mark - p.cost) for p in pair.positions.all()), Decimal(0))


def test_a_quiet_account_agrees_and_a_second_look_writes_nothing(put):
    desk, pair, symbol = put
    account = pair.broker_account

    assert reconciled(desk, account) == []
    assert sums(account) == {symbol: (-130, 0, -130)}
    desk.player.wall += timedelta(minutes=1)
    with CaptureQueriesContext(connection) as captured:
        look.look(account, engine(desk))

    writes = [q["sql"] for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert [sql.split('"')[1] for sql in writes] == ["execution_accountbook"]  # when it was read


def test_a_look_costs_as_many_queries_for_many_contracts_as_for_few(desk):
    desk.at(9, 20)
    desk.at(9, 21)
    account = desk.pair("Iron Condor", "zerodha").broker_account
    few = BrokerAccount.objects.get(broker="finvasia")

    counts = []
    for looked_at in (few, account):
        with CaptureQueriesContext(connection) as first:  # it writes what both sides have of each contract
            look.look(looked_at, engine(desk))
        with CaptureQueriesContext(connection) as again:
            look.look(looked_at, engine(desk))
        counts.append((len(first), len(again)))

    assert (len(net(desk, few)), len(net(desk, account))) == (1, 5)
    assert counts[0] == counts[1]
    assert counts[0][1] <= 20


def test_fault_29_a_trade_by_hand_in_another_contract_is_external_and_no_pair_is_stopped(put):
    """Fault 29."""
    desk, pair, symbol = put
    account = pair.broker_account
    other = symbol.replace("-PE", "-CE")
    by_hand.trade(desk, account, other, "BUY", 2 * LOT)

    assert reconciled(desk, account) == []
    assert sums(account) == {symbol: (-130, 0, -130), other: (0, 130, 130)}
    trade = ForeignTrade.objects.get()
    assert (trade.contract.symbol, trade.side, trade.quantity, trade.adopted) == (other, "BUY", 130, 0)
    desk.at(15, 10)
    assert net(desk, account) == {other: 130} | {s: q for s, q in net(desk, account).items() if s != other}


def test_a_trade_by_hand_in_the_same_direction_is_external_and_our_exit_leaves_it(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    desk.at(9, 21)
    pair = desk.pair("Iron Condor", "zerodha")
    short = next(symbol for symbol, quantity in desk.held(pair).items() if quantity < 0)
    by_hand.trade(desk, pair.broker_account, short, "SELL", LOT)

    assert reconciled(desk, pair.broker_account) == []
    assert sums(pair.broker_account)[short] == (-65, -65, -130)
    desk.at(15, 10)
    assert desk.held(pair) == {}
    assert net(desk, pair.broker_account) == {short: -65}


def test_fault_30_a_square_off_by_hand_is_shown_freezes_the_pair_and_nothing_is_bought_again(desk_of):
    """Fault 30: the exit comes before any scheduled look, and reads the broker's net itself."""
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    desk.at(9, 21)
    pair, account = desk.pair("Iron Condor", "zerodha"), desk.pair("Iron Condor", "zerodha").broker_account
    short = next(symbol for symbol, quantity in desk.held(pair).items() if quantity < 0)
    by_hand.square_off(desk, account, short)

    desk.at(15, 10)

    (mismatch,) = open_mismatches(account)
    assert (mismatch.kind, mismatch.fix, mismatch.missing) == (Kind.SQUARED_OFF, Fix.ADOPT_CLOSE, 65)
    assert (mismatch.ours, mismatch.theirs) == (-65, 0)
    assert short not in net(desk, account)  # nothing was bought a second time
    assert desk.held(pair)[short] == -65
    assert Order.objects.filter(contract__symbol=short, action="close").count() == 0
    assert Notice.objects.get(kind="mismatch").link == "/reconciliation"

    settle(desk, mismatch, Fix.ADOPT_CLOSE)
    desk.at(15, 11)

    assert desk.held(pair) == {}
    assert net(desk, account) == {}
    assert open_mismatches(account) == []
    assert desk.run(pair, "exit").status == "done"
    adopted = Order.objects.get(execution__cause="adopt")
    trade = ForeignTrade.objects.get()
    assert (adopted.action, adopted.status, adopted.filled_quantity) == ("close", "FILLED", 65)
    assert [f.trade_id for f in adopted.fills.all()] == [trade.trade_id]
    assert (trade.adopted, trade.broker_order_id) == (65, mismatch_order_number(account))
    assert AuditEntry.objects.filter(action="reconcile.adopt_close").count() == 1
    assert pnl_of_fills(pair, Decimal(0)) == pnl_of_positions(pair, Decimal(0))


def mismatch_order_number(account):
    return ForeignTrade.objects.get(broker_account=account).broker_order_id


def test_a_pair_whose_position_was_squared_off_by_hand_does_not_enter_until_it_is_settled(put):
    desk, pair, symbol = put
    account = pair.broker_account
    by_hand.square_off(desk, account, symbol)
    (mismatch,) = reconciled(desk, account)
    again = enter(desk, pair)

    desk.at(9, 22)

    again.refresh_from_db()
    assert (again.status, again.code) == ("denied", "MISMATCH")
    assert "traded by hand" in again.detail
    settle(desk, mismatch, Fix.ADOPT_CLOSE)
    assert desk.held(pair) == {}
    assert reconciled(desk, account) == []
    assert sums(account) == {}
    third = enter(desk, pair)
    desk.at(9, 23)
    third.refresh_from_db()
    assert third.status == "done"


def enter(desk, pair):
    runs = StrategyExecution.objects.filter(allocation=pair, phase="entry")
    return StrategyExecution.objects.create(
        allocation=pair, timeline=desk.player.timeline, trading_day=desk.day, phase="entry",
        cycle=runs.count() + 1, strategy_version_id=pair.strategy_version_id, lots=1, cause="user",
        due_at=desk.player.last.now + timedelta(minutes=1),
    )  # fmt: skip


def test_part_of_a_position_squared_off_by_hand_leaves_the_rest_to_the_exit(put):
    desk, pair, symbol = put
    account = pair.broker_account
    by_hand.trade(desk, account, symbol, "BUY", LOT)
    (mismatch,) = reconciled(desk, account)
    assert (mismatch.missing, sums(account)[symbol]) == (65, (-130, 65, -65))
    by_owner = act(desk, account.user)
    assert decide.look_now(user=account.user, account_id=account.pk, desk=by_owner["desk"])

    leave(desk, pair)

    assert net(desk, account) == {}
    assert desk.held(pair) == {symbol: -65}


def leave(desk, pair):
    from execution import services

    user = pair.broker_account.user
    services.exit_now(user=user, scope="pair", target=pair.pk, by=user, source="test", now=desk.player.wall)
    desk.at(9, 22)


def test_an_owner_may_say_that_a_trade_against_us_is_their_own(put):
    """Then "platform -130 + external 65 = broker -65" agrees, and our exit is whole."""
    desk, pair, symbol = put
    account = pair.broker_account
    by_hand.trade(desk, account, symbol, "BUY", LOT)
    (mismatch,) = reconciled(desk, account)

    settle(desk, mismatch, Fix.EXTERNAL)

    assert reconciled(desk, account) == []
    assert sums(account)[symbol] == (-130, 65, -65)
    leave(desk, pair)
    assert desk.held(pair) == {}
    assert net(desk, account) == {symbol: 65}


def test_a_trade_that_was_taken_back_by_hand_heals(put):
    desk, pair, symbol = put
    account = pair.broker_account
    by_hand.trade(desk, account, symbol, "BUY", LOT)
    (mismatch,) = reconciled(desk, account)
    by_hand.trade(desk, account, symbol, "SELL", LOT)

    assert reconciled(desk, account) == []
    mismatch.refresh_from_db()
    assert (mismatch.resolution, sums(account)[symbol]) == ("healed", (-130, 0, -130))


def test_units_that_are_gone_without_a_trade_are_booked_as_closed_at_a_stated_price(put):
    desk, pair, symbol = put
    account = pair.broker_account
    by_hand.square_off(desk, account, symbol)
    desk.player.simulator.ledger.write("DELETE FROM trades WHERE client_ref = ''")  # of days ago

    (mismatch,) = reconciled(desk, account)
    assert (mismatch.kind, mismatch.fix, mismatch.missing) == (Kind.UNITS_MISSING, Fix.BOOK_CLOSE, 130)
    with pytest.raises(Refused, match="A price is needed"):
        settle(desk, mismatch, Fix.BOOK_CLOSE)
    with pytest.raises(Refused, match="is not a price"):
        settle(desk, mismatch, Fix.BOOK_CLOSE, price=Decimal("12.03"))
    settle(desk, mismatch, Fix.BOOK_CLOSE, price=Decimal("12.05"))

    assert desk.held(pair) == {}
    assert reconciled(desk, account) == []
    assert Fill.objects.get(order__execution__cause="adopt").price == Decimal("12.05")
    with pytest.raises(Conflict):
        settle(desk, mismatch, Fix.BOOK_CLOSE, price=Decimal("12.05"))


@pytest.mark.parametrize("kind", ["answer_500_not_placed", "truncated_body", "html_body"])
@pytest.mark.parametrize("route", ["orders", "trades", "positions"])
def test_a_book_that_cannot_be_read_whole_is_not_taken_as_flat(put, kind, route):
    """Fault 28."""
    desk, pair, symbol = put
    account = pair.broker_account
    reconciled(desk, account)
    desk.fault(kind, route=route)

    assert reconciled(desk, account) == []

    assert desk.held(pair) == {symbol: -130}
    assert sums(account) == {symbol: (-130, 0, -130)}
    book = AccountBook.objects.get(broker_account=account)
    assert book.failing_since is not None
    assert book.why != ""
    assert Notice.objects.filter(kind="books_unread").count() == 1
    assert reconciled(desk, account) == []
    book.refresh_from_db()
    assert (book.failing_since, book.why) == (None, "")


def test_no_pair_of_an_account_enters_while_its_books_cannot_be_read(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 19)
    pair = desk.pair("Cash Secured Put", "finvasia")
    desk.fault("answer_500_not_placed", route="trades", count=2)
    reconciled(desk, pair.broker_account)

    desk.at(9, 20)
    assert (desk.run(pair).status, desk.run(pair).detail.split(":")[0]) == ("due", "BOOKS_UNREAD")
    desk.at(9, 20, 20)

    assert desk.run(pair).status == "done"


def test_fault_36_an_order_without_an_answer_is_found_although_the_broker_does_not_say_tags(desk_of):
    """Fault 36: one order fits one."""
    desk = desk_of(PUT)
    by_hand.echo_tags(desk, echo=False)
    desk.fault("drop_answer")
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    assert [o.status for o in desk.orders(pair)] == ["UNKNOWN"]

    assert reconciled(desk, pair.broker_account) == []

    (order,) = desk.orders(pair)
    assert (order.status, order.filled_quantity, desk.run(pair).status) == ("FILLED", 130, "done")
    assert ForeignTrade.objects.count() == 0
    assert len([o for a in desk.ledger() for o in a["orders"]]) == 1


def test_several_orders_that_fit_go_to_the_owner_with_one_proposed(desk_of):
    """Fault 36: ambiguous."""
    desk = desk_of(PUT)
    by_hand.echo_tags(desk, echo=False)
    desk.fault("drop_answer")
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    account, (order,) = pair.broker_account, desk.orders(pair)
    by_hand.trade(desk, account, order.contract.symbol, "SELL", 130)

    (mismatch,) = reconciled(desk, account)

    assert (mismatch.kind, mismatch.fix, mismatch.number) == (Kind.AMBIGUOUS, Fix.MATCH, "O000001")
    assert desk.orders(pair)[0].status == "UNKNOWN"
    assert ForeignTrade.objects.count() == 0  # it may be ours
    settle(desk, mismatch, Fix.MATCH)
    assert reconciled(desk, account) == []
    assert desk.orders(pair)[0].status == "FILLED"
    assert sums(account) == {order.contract.symbol: (-130, -130, -260)}


def test_an_order_that_is_not_in_the_book_ends_only_by_its_owners_word(desk_of):
    desk = desk_of(PUT)
    desk.fault("drop_request")
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    account = pair.broker_account
    assert reconciled(desk, account) == []
    desk.player.wall += timedelta(seconds=91)

    (mismatch,) = reconciled(desk, account)

    assert (mismatch.kind, mismatch.fix) == (Kind.NOT_IN_BOOK, Fix.NEVER_SENT)
    assert desk.orders(pair)[0].status == "UNKNOWN"
    settle(desk, mismatch, Fix.NEVER_SENT)
    assert desk.orders(pair)[0].status == "NEVER_SENT"
    assert AuditEntry.objects.filter(action="reconcile.never_sent").count() == 1
    assert reconciled(desk, account) == []


def test_an_order_that_shows_after_all_is_cancelled_on_the_owners_word_and_its_fills_count(desk_of):
    desk = desk_of(PUT)

    def nobody_bids(quotes):
        return {symbol: quote._replace(bid_quantity=0) for symbol, quote in quotes.items()}

    desk.at(9, 20, change=nobody_bids)
    pair = desk.pair("Cash Secured Put", "finvasia")
    account, (order,) = pair.broker_account, desk.orders(pair)
    Order.objects.filter(pk=order.pk).update(status="NEVER_SENT")

    (mismatch,) = reconciled(desk, account)
    assert (mismatch.kind, mismatch.fix) == (Kind.STILL_ALIVE, Fix.CANCEL)
    settle(desk, mismatch, Fix.CANCEL)
    assert open_mismatches(account) == [mismatch]
    reconciled(desk, account)

    assert reconciled(desk, account) == []
    mismatch.refresh_from_db()
    assert mismatch.resolution == Fix.CANCEL
    assert [o["status"] for a in desk.ledger() for o in a["orders"]] == ["CANCELLED"]


def test_a_second_order_under_our_tag_is_recorded_as_overfill_and_shown(put):
    """Fault 42, and I1 broken at the broker."""
    desk, pair, symbol = put
    account, (order,) = pair.broker_account, desk.orders(pair)
    number = by_hand.trade(desk, account, symbol, "SELL", LOT, client_ref=order.client_ref)

    (mismatch,) = reconciled(desk, account)

    assert (mismatch.kind, mismatch.number, mismatch.allocation) == (Kind.ORPHAN, number, None)
    assert desk.held(pair) == {symbol: -195} == net(desk, account)
    assert Notice.objects.filter(kind="overfill").count() == 1
    assert reconciled(desk, account) == [mismatch]
    settle(desk, mismatch, Fix.EXTERNAL)
    assert reconciled(desk, account) == []


def test_an_order_with_our_kind_of_tag_that_nobody_wrote_freezes_the_account(put):
    desk, pair, symbol = put
    account = pair.broker_account
    by_hand.trade(desk, account, symbol, "SELL", LOT, client_ref="Z" * 20)

    (mismatch,) = reconciled(desk, account)

    assert (mismatch.kind, mismatch.fix) == (Kind.ORPHAN, Fix.EXTERNAL)
    assert sums(account) == {symbol: (-130, -65, -195)}
    run = enter(desk, pair)
    desk.at(9, 22)
    run.refresh_from_db()
    assert run.code == "MISMATCH"


def test_a_trade_that_the_exchange_took_back_is_named(put):
    desk, pair, symbol = put
    ledger = desk.player.simulator.ledger
    ledger.write("DELETE FROM trades")

    found = reconciled(desk, pair.broker_account)

    assert [(m.kind, m.number) for m in found] == [(Kind.FILL_MISSING, Fill.objects.get().trade_id)]


class Expires:
    """A wire whose login ends at the broker after so many orders."""

    def __init__(self, desk, account, orders):
        self.desk, self.account, self.left = desk, account, orders
        self.wire = desk.player.adapter(account)

    def place(self, request):
        if self.left == 0:
            self.desk.player._operator("POST", "/admin/accounts", {
                "account": by_hand.login(self.account), "broker": self.account.broker,
                "capital": str(self.account.capital), "token": "somebody-else-logged-in",
            })  # fmt: skip
        self.left -= 1
        return self.wire.place(request)

    def __getattr__(self, name):
        return getattr(self.wire, name)


def renew(desk, account):
    act = brokers.Act(actor=account.user, source="test", now=desk.player.wall)
    brokers.renew_login(account=account, act=act, transport=desk.player.transport)
    desk.player._adapters.clear()


def test_fault_27_a_login_that_ends_in_the_middle_of_a_wave_freezes_it_and_it_goes_on_when_renewed(desk_of):
    """Fault 27."""
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    pair = desk.pair("Iron Condor", "zerodha")
    account = pair.broker_account
    desk.player._adapters[account.pk] = Expires(desk, account, orders=1)

    desk.at(9, 20)

    assert [(o.attempt, o.status, o.code) for o in desk.orders(pair)] == [
        (1, "ACKED", ""), (1, "REJECTED", "TOKEN_REFUSED"), (2, "READY", ""),
    ]  # fmt: skip
    assert desk.run(pair).status == "running"
    assert Notice.objects.filter(kind="books_unread").count() == 1
    desk.at(9, 20, 10)
    assert [o.status for o in desk.orders(pair)] == ["ACKED", "REJECTED", "READY"]
    renew(desk, account)
    desk.at(9, 20, 20)

    assert desk.run(pair).status == "done"
    assert [o["status"] for a in desk.ledger() for o in a["orders"]] == ["FILLED"] * 4
    assert sums(account) != {}


def test_a_login_that_stays_ended_ends_the_entry_when_its_time_is_up_and_no_short_was_sold(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    pair = desk.pair("Iron Condor", "zerodha")
    desk.player._adapters[pair.broker_account_id] = Expires(desk, pair.broker_account, orders=1)
    desk.at(9, 20)

    desk.minutes((9, 21), (9, 23))

    assert [(o.side, o.status) for o in desk.orders(pair)] == [
        ("BUY", "ACKED"), ("BUY", "REJECTED"), ("BUY", "CANCELLED"),
    ]  # fmt: skip
    assert desk.run(pair).status == "running"  # whether the first has filled is not known
    renew(desk, pair.broker_account)
    desk.at(9, 24)
    assert (desk.run(pair).status, desk.run(pair).code) == ("partial", "BOOKS_UNREAD")
    assert list(desk.held(pair).values()) == [65]


# --- adoption


def adopt(desk, pair, symbol, lots, **more):
    account = pair.broker_account
    return decide.adopt_external(
        **act(desk, account.user, account_id=account.pk, symbol=symbol, product="NRML",
              allocation_id=pair.pk, lots=lots, **more)
    )  # fmt: skip


def test_some_lots_traded_by_hand_become_the_pairs_own_with_their_price_and_trade(put):
    desk, pair, symbol = put
    account, hedge = pair.broker_account, symbol.replace("-PE", "-CE")
    by_hand.trade(desk, account, hedge, "BUY", 3 * LOT)
    reconciled(desk, account)

    order = adopt(desk, pair, hedge, 2)

    trade = ForeignTrade.objects.get()
    assert desk.held(pair) == {symbol: -130, hedge: 130}
    assert (order.action, order.leg_number, order.average_price or trade.price) == ("open", 2, trade.price)
    (fill,) = order.fills.all()
    assert (fill.trade_id, fill.quantity, fill.price) == (trade.trade_id, 130, trade.price)
    assert reconciled(desk, account) == []
    assert sums(account) == {symbol: (-130, 0, -130), hedge: (130, 65, 195)}
    assert AuditEntry.objects.get(action="reconcile.adopt").after["lots"] == "2"
    mark = Decimal("31.40")
    assert pnl_of_fills(pair, mark) == pnl_of_positions(pair, mark)

    adopt(desk, pair, hedge, 1)

    assert sorted(Fill.objects.filter(order__contract__symbol=hedge).values_list("trade_id", "quantity")) == [
        (trade.trade_id, 130), (f"{trade.trade_id}/2", 65),
    ]  # fmt: skip
    assert reconciled(desk, account) == []
    assert sums(account)[hedge] == (195, 0, 195)
    leave(desk, pair)
    assert desk.held(pair) == {}
    assert net(desk, account) == {}


def test_what_cannot_be_adopted_is_refused_and_nothing_moves(put):
    desk, pair, symbol = put
    account, hedge = pair.broker_account, symbol.replace("-PE", "-CE")
    by_hand.trade(desk, account, hedge, "BUY", 2 * LOT)
    reconciled(desk, account)

    with pytest.raises(Refused) as refused:
        adopt(desk, pair, hedge, 3)
    assert (refused.value.field, refused.value.fix) == ("lots", "Adopt 1 to 2.")
    with pytest.raises(Refused):
        adopt(desk, pair, symbol, 1)
    ForeignTrade.objects.all().delete()  # it was held before the account was ever read
    with pytest.raises(Refused, match="not all known"):
        adopt(desk, pair, hedge, 1)

    assert desk.held(pair) == {symbol: -130}
    assert Position.objects.count() == 1
    assert not Order.objects.filter(execution__cause="adopt").exists()


def test_an_entry_is_not_stopped_by_what_its_owner_holds_beside_it(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 16)
    pair = desk.pair("Cash Secured Put", "finvasia")
    symbol = next(s for s in desk.player.last.quotes if s.endswith("24500-CE"))
    by_hand.trade(desk, pair.broker_account, symbol, "BUY", LOT)

    desk.at(9, 20)

    assert desk.run(pair).status == "done"
    assert Mismatch.objects.count() == 0
