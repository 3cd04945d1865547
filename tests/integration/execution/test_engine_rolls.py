"""Rolls that may not go: the expiring leg is not closed for a new one that would be refused."""

from execution import services
from execution.models import Settlement


def test_a_paused_pair_does_not_roll_and_its_expiring_call_settles(expiry_desk):
    desk = expiry_desk
    desk.at(9, 20)
    pair = desk.pair("Covered Call", "zerodha")
    owner, before = pair.broker_account.user, desk.held(pair)
    services.pause(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)

    desk.at(15, 0)

    assert desk.held(pair) == before
    assert (desk.run(pair, "roll").status, desk.run(pair, "roll").code) == ("denied", "REDUCING")
    desk.at(15, 40)
    assert Settlement.objects.filter(position__allocation=pair).count() == 1
    assert [symbol for symbol in desk.held(pair) if not symbol.endswith("FUT")] == []
