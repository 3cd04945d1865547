"""Entry guards on a playing desk: what clears within the tolerance waits, the rest is denied."""

from datetime import time
from decimal import Decimal

import pytest

from allocations.models import StrategyBrokerAllocation
from market.kernel.clock import at
from strategies.rules import jitter
from tests.integration.execution.conftest import MONDAY, one_strategy


def put(desk_of, **terms):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=1, terms=terms))
    return desk, desk.pair("Cash Secured Put", "finvasia")


def widened(rupees: int):
    def change(quotes):
        return {s: q._replace(ask=q.ask + rupees, ltp=q.ltp) for s, q in quotes.items()}

    return change


def test_a_guard_that_clears_within_the_tolerance_only_delays_the_entry(desk_of):
    desk, pair = put(desk_of, max_spread_points="1")

    desk.at(9, 20, change=widened(5))
    run = desk.run(pair)
    assert (run.status, run.code) == ("due", "SPREAD_TOO_WIDE")
    desk.at(9, 20, 30)

    run.refresh_from_db()
    assert (run.status, run.code, run.detail) == ("done", "", "30 s after 09:20:00.")


def test_a_guard_that_does_not_clear_is_missed_under_its_own_code(desk_of):
    desk, pair = put(desk_of, min_credit="1000000")

    desk.at(9, 20)
    desk.at(9, 21, 1)

    run = desk.run(pair)
    assert (run.status, run.code) == ("missed", "CREDIT_TOO_SMALL")
    assert "at least 1000000.00 are asked" in run.detail
    assert not desk.orders(pair)


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"gap_max": "0.5"}, "GAP_UNKNOWN"),  # the first day of a world has no close before
        ({"skip_days": ["2026-08-03"]}, "EVENT_DAY"),
    ],
)
def test_what_no_later_frame_can_change_is_denied_at_once(desk_of, terms, code):
    desk, pair = put(desk_of, **terms)

    desk.at(9, 20)

    assert (desk.run(pair).status, desk.run(pair).code) == ("denied", code)


def test_the_slippage_bound_holds_through_a_chase(desk_of):
    desk, pair = put(desk_of, max_slippage_percent="1")

    def no_bids(quotes):
        return {s: q._replace(bid_quantity=0) for s, q in quotes.items()}

    def fallen(quotes):
        return {s: q._replace(bid=q.bid and q.bid - 4, ask=q.ask - 4, bid_quantity=0)
                for s, q in quotes.items() if s.endswith("PE")}  # fmt: skip

    desk.at(9, 20, change=no_bids)
    (order,) = desk.orders(pair)
    assert order.price == order.worst_price >= order.arrival_mid * Decimal("0.99")
    desk.at(9, 20, 10, change=fallen)

    (after,) = desk.orders(pair)
    assert (after.price, after.events.filter(kind="modify").count()) == (order.price, 0)


def test_jitter_moves_the_entry_by_the_pairs_own_seconds(desk_of):
    desk, pair = put(desk_of, jitter_seconds=900)
    StrategyBrokerAllocation.objects.filter(pk=pair.pk).update(public_id="JITTERED")
    later = jitter("JITTERED", MONDAY, 900)
    assert later > 60

    desk.at(9, 20, 30)
    assert not pair.executions.exists()
    desk.at(9, 20 + later // 60, later % 60)

    run = desk.run(pair)
    assert run.status == "done"
    assert (run.due_at - at(MONDAY, time(9, 20))).total_seconds() == later
