"""Stopping reaches what is archived too: it may still hold positions."""

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.services import archive_allocation
from execution import services
from execution.models import Position, StrategyExecution
from market.kernel.contracts import parse
from market.models import Timeline
from market.services import ensure_contracts
from strategies.services import archive_strategy
from tests.factories import (
    NOW,
    UserFactory,
    make_account,
    make_allocation,
    make_basket,
    make_run,
    make_strategy,
)
from users.models import AuditEntry


@pytest.mark.parametrize("scope", ["pair", "strategy"])
def test_a_kill_closes_what_an_archived_pair_or_strategy_still_holds(desk, scope):
    desk.at(9, 20)
    pair = desk.pair("Covered Call", "zerodha")
    owner, act = pair.broker_account.user, {"source": "test", "now": desk.player.wall}
    archive_allocation(user=owner, allocation=pair, **act)
    archive_strategy(by=owner, strategy=pair.strategy, **act)
    target = {"pair": pair.pk, "strategy": pair.strategy_id}[scope]

    services.kill(user=owner, scope=scope, target=target, by=owner, **act)
    desk.at(9, 21)

    assert desk.held(pair) == {}


def test_a_stranger_cannot_name_anothers_pair(desk):
    desk.at(9, 20)
    pair, stranger = desk.pair("Covered Call", "zerodha"), UserFactory()

    with pytest.raises(ObjectDoesNotExist):
        services.kill(user=stranger, scope="pair", target=pair.pk, by=stranger, source="test",
                      now=desk.player.wall)  # fmt: skip

    assert not StrategyExecution.objects.filter(phase="exit").exists()
    assert Position.objects.filter(allocation=pair).exclude(quantity=0).count() == 2


def test_an_exit_is_audited_with_who_and_from_where(desk):
    desk.at(9, 20)
    pair = desk.pair("Covered Call", "zerodha")
    owner = pair.broker_account.user

    (run,) = services.exit_now(user=owner, scope="pair", target=pair.pk, by=owner, source="api",
                               address="192.0.2.7", now=desk.player.wall)  # fmt: skip

    entry = AuditEntry.objects.get(action="exit")
    assert (entry.actor, entry.address, entry.after) == (
        owner, "192.0.2.7", {"scope": "pair", "target": pair.pk, "exits": [run.pk]},
    )  # fmt: skip


@pytest.fixture
def timeline(db) -> Timeline:
    return Timeline.objects.create(
        key="kills", source="simulated", first_day=NOW.date(), active=True, market_now=NOW
    )


def pairs_of(user, timeline, count: int):
    """So many open pairs of the user on one account; one leg of the first leaves."""
    basket, account = make_basket(user), make_account(user)
    pairs = [
        make_allocation(make_strategy(basket, name=f"Condor {n}"), account) for n in range(count)
    ]
    symbol = "NIFTY-20260804-24500-CE"
    contract = ensure_contracts([parse(symbol)])[symbol]
    Position.objects.bulk_create(
        Position(allocation=pair, timeline=timeline, contract=contract, product="NRML", leg_number=3, quantity=-130)
        for pair in pairs
    )
    make_run(pairs[0], timeline, phase="exit", cause="leg_stop", only_legs=[3], status="running")
    return pairs


def kill(user) -> tuple[list[StrategyExecution], int]:
    with CaptureQueriesContext(connection) as captured:
        found = services.kill(user=user, scope="user", target=None, by=user, source="test", now=NOW)
    return found, len(captured)


def test_a_kill_of_many_pairs_asks_as_often_as_one_of_two(timeline):
    few, many = UserFactory(), UserFactory()
    pairs_of(few, timeline, 2)
    pairs = pairs_of(many, timeline, 9)

    _, asked = kill(few)
    exits, asked_of_many = kill(many)

    assert asked_of_many == asked
    assert sorted(row.allocation_id for row in exits) == [pair.pk for pair in pairs]
    assert {(row.cause, row.only_legs, row.cycle) for row in exits} == {("kill", None, 1)}
    assert kill(many)[0] == []  # they leave already


def test_a_kill_has_its_accounts_locks_before_it_reads_their_pairs(timeline):
    user = UserFactory()
    pairs_of(user, timeline, 3)

    with CaptureQueriesContext(connection) as captured:
        services.kill(user=user, scope="user", target=None, by=user, source="test", now=NOW)

    asked = [query["sql"] for query in captured if not query["sql"].startswith("SAVEPOINT")]
    assert asked[0].startswith('SELECT DISTINCT "strategy_broker_allocations"."broker_account_id" AS')
    assert asked[1].startswith("select pg_advisory_xact_lock(7101, id)")


@pytest.mark.parametrize(
    ("phase", "fields"),
    [
        ("roll", {"status": "running"}),  # the old legs are gone, the new ones not yet ordered
        ("adjust", {"status": "due", "cause": "reentry", "only_legs": [3]}),
        ("entry", {"status": "due"}),
    ],
)
def test_a_kill_ends_what_is_still_to_open_for_a_pair_that_holds_nothing(timeline, phase, fields):
    user = UserFactory()
    pair = make_allocation(make_strategy(make_basket(user)), make_account(user))
    make_run(pair, timeline, phase=phase, **fields)

    (row,), _ = kill(user)

    assert (row.allocation_id, row.cause, row.status) == (pair.pk, "kill", "due")
