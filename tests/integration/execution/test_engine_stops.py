"""When a trade must be left: by the lots it was entered with, whatever else is under way."""

from decimal import Decimal

import pytest

from allocations.services import set_trading_state
from execution.engine import loop
from execution.models import PerformanceMetric, Position, StrategyExecution
from tests.integration.execution.conftest import one_strategy
from users.models import Notice


@pytest.mark.parametrize("lots_now", [0, 1])
def test_a_stop_counts_the_lots_that_were_entered_not_those_of_the_next_entry(desk_of, lots_now):
    desk = desk_of(
        one_strategy("Cash Secured Put", broker="finvasia", lots=2, terms={"stop_loss": "1000"})
    )
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    desk.change_pair(pair, lots=lots_now)
    position = Position.objects.get()
    last = desk.player.last.quotes
    symbol, sold_at = position.contract.symbol, position.average_price

    def priced(ask):
        return lambda _: {**last, symbol: last[symbol]._replace(ask=ask, ltp=ask, at=desk.player.last.now)}

    desk.at(9, 20, 10, change=priced(sold_at + 12))  # 1560 rupees lost on two lots of 1000 each
    assert sum(desk.held(pair).values()) == -130
    desk.at(9, 20, 20, change=priced(sold_at + 16))  # 2080
    assert sum(desk.held(pair).values()) == -130  # a price that shows once may be a freak
    desk.at(9, 20, 30, change=priced(sold_at + 16))

    assert desk.run(pair, "exit").cause == "stop"


def test_the_loss_of_a_worthless_long_counts_toward_the_stop(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1, terms={"stop_loss": "1200"}))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    longs = {symbol for symbol, units in desk.held(pair).items() if units > 0}
    last = desk.player.last.quotes
    assert sum(p.cost for p in Position.objects.filter(quantity__gt=0)) == 1508

    def longs_die(_):
        now = {s: q._replace(at=desk.player.last.now) for s, q in last.items()}
        return {
            s: q._replace(bid=None, bid_quantity=0, ltp=Decimal("0.05")) if s in longs else q
            for s, q in now.items()
        }

    for second in (20, 30):
        desk.at(9, 20, second, change=longs_die)

    assert desk.run(pair, "exit").cause == "stop"


def test_a_roll_that_cannot_be_resolved_does_not_hold_up_a_kill(expiry_desk):
    desk = expiry_desk
    desk.at(9, 20)
    pair = desk.pair("Covered Call", "zerodha")

    def no_next_week(quotes):
        return {s: q for s, q in quotes.items() if not s.startswith("NIFTY-20260811")}

    desk.at(15, 0, change=no_next_week)
    assert desk.run(pair, "roll").status == "due"
    set_trading_state(user=None, scope="installation", state="halted", by=None, now=desk.player.wall)
    desk.at(15, 1, change=no_next_week)

    assert desk.held(pair) == {}
    assert desk.run(pair, "roll").code == "HALTED"
    assert desk.run(pair, "exit").cause == "kill"


def test_an_exit_of_an_archived_pair_goes_with_paper_trading_switched_off(desk, settings):
    from dataclasses import replace

    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    desk.change_pair(pair, archived_at=desk.player.wall)
    type(pair.broker_account).objects.filter(pk=pair.broker_account_id).update(archived_at=desk.player.wall)
    settings.PLATFORM = replace(settings.PLATFORM, enable_paper_trading=False)

    desk.at(15, 10)

    assert desk.held(pair) == {}


def test_a_day_that_is_closed_again_while_its_settlement_is_provisional_keeps_its_result(expiry_desk):
    desk = expiry_desk
    desk.at(9, 20)
    desk.at(15, 40)
    rows = PerformanceMetric.objects.order_by("pk")
    before = list(rows.values_list("allocation_id", "net", "charges", "provisional"))
    assert any(provisional for *_, provisional in before)

    for _ in range(2):
        loop.tick(desk.player._desk(desk.player.last))

    assert list(rows.values_list("allocation_id", "net", "charges", "provisional")) == before
    assert all(net != 0 for _, net, *_ in before)


def test_an_entry_that_is_still_due_when_the_session_ends_is_missed_once(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=1,
                                terms={"entry_time": "15:39", "entry_tolerance_seconds": 600}))  # fmt: skip
    desk.fault("answer_500_not_placed", route="funds", count=1000)
    desk.at(15, 39)
    assert StrategyExecution.objects.get().status == "due"
    desk.at(15, 40)

    run = StrategyExecution.objects.get()
    assert (run.status, run.code) == ("missed", "SESSION_OVER")
    assert Notice.objects.filter(kind="execution_missed").count() == 1
