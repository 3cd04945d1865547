"""Which version a pair trades: the newest at its next entry, never another under an open trade."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

from execution.models import StrategyExecution
from strategies.selectors import newest_version, terms
from strategies.services import publish_basket, revise_strategy
from tests.factories import (
    make_allocation,
    make_curator,
    make_grant,
    make_published_basket,
)
from tests.integration.execution.conftest import one_strategy


def revise(strategy, by, now, **changes):
    changed = replace(terms(newest_version(strategy)), **changes)
    return revise_strategy(by=by, strategy=strategy, terms=changed, source="test", now=now)


def test_an_edit_waits_for_the_next_entry_and_the_open_trade_leaves_by_its_own_rules(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=1))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    owner = pair.broker_account.user

    revise(pair.strategy, owner, desk.player.wall, exit_time=time(9, 30))
    desk.at(9, 31)
    pair.refresh_from_db()
    assert pair.strategy_version.number == 1
    assert len(desk.held(pair)) == 4
    desk.at(15, 10)
    desk.at(15, 40)
    desk.day = date(2026, 8, 4)
    desk.at(9, 20)

    pair.refresh_from_db()
    runs = StrategyExecution.objects.filter(allocation=pair, phase="entry").order_by("trading_day")
    assert [run.strategy_version.number for run in runs] == [1, 2]
    assert pair.strategy_version.number == 2


def test_a_subscriber_trades_the_version_of_their_grant_not_the_curators_newest_edit(desk):
    curator = make_curator()
    basket, version = make_published_basket(curator)
    owner = desk.pair("Iron Condor", "zerodha").broker_account.user
    make_grant(owner, version)
    strategy = basket.strategies.get()
    account = desk.pair("Iron Condor", "angelone").broker_account
    pair = make_allocation(
        strategy, account, lots=1, max_margin=Decimal(500000), max_open_positions=8
    )
    revise(strategy, curator, desk.player.wall, entry_time=time(9, 30))
    publish_basket(by=curator, basket=basket, source="test", now=desk.player.wall)

    desk.at(9, 20)

    run = desk.run(pair)
    assert (run.strategy_version.number, run.status) == (1, "done")


def test_a_grant_that_has_ended_enters_nothing(desk):
    curator = make_curator()
    basket, version = make_published_basket(curator)
    pair_of = desk.pair("Iron Condor", "angelone")
    make_grant(pair_of.broker_account.user, version)
    pair = make_allocation(basket.strategies.get(), pair_of.broker_account, lots=1)
    make_grant(pair_of.broker_account.user, version, entries_until=desk.player.wall)

    desk.at(9, 20)

    assert not StrategyExecution.objects.filter(allocation=pair).exists()

