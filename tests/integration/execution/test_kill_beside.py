"""A kill while somebody has traded the same contract by hand."""

import pytest

from execution import services
from execution.models import Position
from market.models import Timeline
from tests.integration.execution import by_hand
from tests.integration.execution.by_hand import net
from tests.integration.execution.conftest import one_strategy
from users.models import User

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)
LOT = 65


@pytest.mark.parametrize(("side", "lots", "ours", "left"), [
    ("SELL", 1, 0, -65), ("BUY", 1, -65, 0), ("BUY", 3, -130, 65),
])
def test_a_kill_closes_what_the_broker_still_has_of_ours_and_not_a_unit_more(desk_of, side, lots, ours, left):
    desk = desk_of(PUT)
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    (symbol,) = desk.held(pair)
    desk.at(9, 21)
    Timeline.objects.update(active=False)
    Timeline.objects.filter(pk=desk.player.timeline.pk).update(active=True)
    by_hand.trade(desk, pair.broker_account, symbol, side, lots * LOT)
    owner = User.objects.get(email="headless@example.com")
    services.kill(user=owner, scope="user", target=None, by=owner, source="test", now=desk.player.wall)

    for minute in (22, 23, 24):
        desk.at(9, minute)

    assert Position.objects.get(allocation=pair).quantity == ours
    assert net(desk, pair.broker_account).get(symbol, 0) == left
