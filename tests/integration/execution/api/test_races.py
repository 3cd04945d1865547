"""Two requests at once enter a pair once."""

from threading import Barrier, Thread

import pytest
from django.db import connections

from execution import services
from execution.models import StrategyExecution
from users.errors import Refused

pytestmark = pytest.mark.django_db(transaction=True)


def test_fault_32_two_hands_that_race_for_the_same_lots_enter_once(desk):
    desk.at(9, 16)
    pair = desk.pair("Iron Condor", "zerodha")
    together, outcomes = Barrier(2), []

    def enter():
        try:
            together.wait(timeout=10)
            services.enter_now(
                user=pair.broker_account.user, entries=[(pair, pair.strategy_version)],
                at=desk.player.last.now, by=pair.broker_account.user, source="test",
                now=desk.player.wall,
            )  # fmt: skip
            outcomes.append("entered")
        except Refused as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    threads = [Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["already_in", "entered"]
    run = StrategyExecution.objects.get()
    assert (run.cycle, run.cause, run.due_at) == (1, "user", desk.player.last.now)
