"""What stops should rest at the broker: never more than the short, never beside another close."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution import resting
from execution.resting import Prices, prices, step, stops_of, wanted_units

D = Decimal
EXPIRY = date(2026, 8, 11)
NOW = Prices(D("130.00"), D("136.50"))


@dataclass(frozen=True)
class Contract:
    option_type: str
    strike: Decimal | None
    expiry: date = EXPIRY


@dataclass(frozen=True)
class Held:
    quantity: int
    contract: Contract = Contract("PE", D(24500))
    contract_id: int = 1


@dataclass(frozen=True)
class Order:
    quantity: int
    filled_quantity: int = 0
    order_type: str = "SL-L"
    status: str = "WORKING"
    pending_op: str = ""
    trigger_price: Decimal | None = D("130.00")
    code: str = ""
    action: str = "close"
    side: str = "BUY"
    contract_id: int = 1
    contract: Contract = Contract("PE", D(24500))
    leg_number: int = 1
    slice: int = 1
    attempt: int = 1


@pytest.mark.parametrize(
    ("other", "naked"),
    [
        (Held(65, Contract("PE", D(24300))), False),
        (Held(65, Contract("PE", D(24300), date(2026, 8, 4))), True),
        (Held(65, Contract("CE", D(24700))), True),
        (Held(-65, Contract("FUT", None)), False),
        (Held(65, Contract("FUT", None)), True),
        (Held(-65, Contract("PE", D(24300))), True),
    ],
)
def test_a_short_is_naked_while_it_leans_on_nothing(other, naked):
    short = Held(-65)

    assert resting.is_naked(short, [short, other]) is naked


def test_longs_and_futures_are_no_naked_shorts():
    assert not resting.is_naked(Held(65), [])
    assert not resting.is_naked(Held(-65, Contract("FUT", None)), [])


@pytest.mark.parametrize(
    ("level", "trigger", "limit"),
    [("130", "130.00", "136.50"), ("130.01", "130.05", "136.55"), ("0.30", "0.30", "0.40")],
)
def test_the_trigger_is_the_next_tick_and_the_limit_lies_beyond_it(level, trigger, limit):
    assert prices(D(level), D("0.05")) == (D(trigger), D(limit))


def test_a_missing_stop_is_placed_and_one_elsewhere_is_moved():
    assert step([], units=130, wanted=NOW, may_place=True) == ([], 130, [])
    low = Order(65, trigger_price=D("120.00"))
    assert step([low], units=130, wanted=NOW, may_place=True) == ([], 65, [low])


def test_nothing_is_placed_or_moved_while_the_market_is_at_the_trigger():
    low = Order(65, trigger_price=D("120.00"))

    assert step([low], units=130, wanted=NOW, may_place=False) == ([], 0, [])


@pytest.mark.parametrize("changes", [{"pending_op": "cancel"}, {"status": "UNKNOWN"}, {"status": "READY"}])
def test_only_what_rests_at_the_broker_is_moved(changes):
    stop = Order(65, trigger_price=D("120.00"), **changes)

    assert step([stop], units=65, wanted=NOW, may_place=True).move == []


def test_what_is_too_much_is_cancelled_once_and_nothing_is_added_meanwhile():
    stop, going = Order(130), Order(65, pending_op="cancel")

    assert step([stop, going], units=130, wanted=NOW, may_place=True) == ([stop], 0, [])
    assert step([stop], units=130, wanted=None, may_place=False) == ([stop], 0, [])


def test_a_stop_is_given_up_after_three_ends_that_we_did_not_ask_for():
    ours = [Order(65, status="CANCELLED", code=code) for code in ("WITHDRAWN", "STOP_REPLACED")]
    lost = [Order(65, status="REJECTED", code="TRIGGER_PASSED"), Order(65, status="CANCELLED")]

    assert not resting.is_refused_for_good([*ours, *lost, Order(65, status="DENIED")])
    assert resting.is_refused_for_good([*lost, Order(65, status="REJECTED")])


lots = st.integers(min_value=0, max_value=6).map(lambda n: n * 65)
orders = st.builds(
    Order,
    quantity=st.integers(1, 4).map(lambda n: n * 65),
    order_type=st.sampled_from(["SL-L", "SL-L", "LIMIT"]),
    status=st.sampled_from(["READY", "SENDING", "UNKNOWN", "ACKED", "WORKING", "PARTIAL"]),
    pending_op=st.sampled_from(["", "cancel"]),
    trigger_price=st.sampled_from([D("120.00"), D("130.00")]),
    action=st.sampled_from(["close", "close", "open"]),
)


@given(short=lots, missing=lots, live=st.lists(orders, max_size=5), may_place=st.booleans())
def test_stops_never_exceed_the_short_nor_rest_beside_another_close(short, missing, live, may_place):
    held, stops = Held(-short), stops_of(1, live)
    units = wanted_units(held, live, missing=missing)

    taken = step(stops, units=units, wanted=NOW, may_place=may_place)

    rest = sum(order.quantity for order in stops)
    closing = any(order.action == "close" and order.order_type == "LIMIT" for order in live)
    assert units <= max(0, short - missing)
    assert taken.add == 0 or rest + taken.add <= units
    if closing:
        assert taken.add == 0
        assert taken.withdraw == [stop for stop in stops if not stop.pending_op]
    assert not {id(stop) for stop in taken.move} & {id(stop) for stop in taken.withdraw}
