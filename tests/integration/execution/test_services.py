"""Stopping reaches what is archived too: it may still hold positions."""

import pytest
from django.core.exceptions import ObjectDoesNotExist

from allocations.services import archive_allocation
from execution import services
from execution.models import Position, StrategyExecution
from strategies.services import archive_strategy
from tests.factories import UserFactory
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
