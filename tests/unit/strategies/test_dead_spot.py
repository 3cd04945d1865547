"""Strike rules from 15:15 on: the expiring series' parity, never the frozen index."""

from dataclasses import replace
from datetime import time
from decimal import Decimal

import pytest

from market.kernel.clock import at
from strategies.rules.chain import Chain
from strategies.rules.values import Code, Unresolvable
from tests.unit.strategies.frames import WEEK, make_frame


def chain(clock):
    now = at(WEEK, clock)
    frame = make_frame()
    fresh = {symbol: quote._replace(at=now) for symbol, quote in frame.quotes.items()}
    frozen = replace(frame, now=now, quotes=fresh, spots={"NIFTY": Decimal("24463.45")})
    return Chain.of(frozen, "NIFTY", WEEK)


def test_until_1515_the_spot_is_a_base():
    assert chain(time(15, 14)).atm("spot") == Decimal(24_450)


def test_from_1515_a_rule_on_the_spot_is_refused_though_a_source_still_sends_it():
    with pytest.raises(Unresolvable) as refused:
        chain(time(15, 15)).atm("spot")

    assert refused.value.code == Code.NO_SPOT


def test_from_1515_the_synthetic_base_goes_on():
    assert chain(time(15, 20)).atm() == Decimal(24_500)
