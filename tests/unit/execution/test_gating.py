"""How much of a leg is still to be ordered, and what is more than whole lots: over random histories."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from execution import gates
from execution.models import Order
from execution.states import OPEN_STATES, OrderState
from market.kernel.contracts import Contract
from strategies.rules import ResolvedLeg

S = OrderState
EXPIRY = date(2026, 8, 4)
LOT = 65
HEDGE, SHORT = (
    ResolvedLeg(number=number, side=side, ratio=ratio, reference=Decimal(20),
                contract=Contract("NIFTY", EXPIRY, "CE", Decimal(strike)))
    for number, side, ratio, strike in [(1, "BUY", 2, 24700), (2, "SELL", 1, 24600)]
)  # fmt: skip


def order(leg, units, *, status, filled=0, slice=1, attempt=1, action="open"):
    return Order(leg_number=leg.number, quantity=units, filled_quantity=filled, status=status,
                 slice=slice, attempt=attempt, action=action)  # fmt: skip


def test_a_slice_whose_first_attempt_was_never_sent_counts_once():
    orders = [order(HEDGE, 520, status=S.NEVER_SENT), order(HEDGE, 520, status=S.WORKING, attempt=2)]

    for completion in ("retry", "hold_hedged", "unwind"):
        assert gates.ordered_lots(HEDGE, orders, completion=completion) == 8


def test_only_the_retry_policy_orders_again_what_was_refused():
    orders = [order(HEDGE, 520, status=S.REJECTED)]

    assert gates.ordered_lots(HEDGE, orders, completion="retry") == 0
    assert gates.ordered_lots(HEDGE, orders, completion="hold_hedged") == 8


def test_slices_that_filled_do_not_use_up_the_retries_of_the_others():
    orders = [order(HEDGE, 65, status=S.FILLED, filled=65, slice=n) for n in range(1, 7)]
    refused = order(HEDGE, 130, status=S.REJECTED, slice=7)

    assert gates.ordered_lots(HEDGE, [*orders, refused], completion="retry") == 6


def test_shorts_that_fill_late_in_an_unwinding_are_excess_once_their_hedges_are_sold():
    orders = [
        order(HEDGE, 260, status=S.FILLED, filled=260),
        order(HEDGE, 260, status=S.FILLED, filled=260, action="close"),
        order(SHORT, 130, status=S.FILLED, filled=130),
    ]

    assert gates.excess_units([HEDGE, SHORT], orders) == (0, {1: 0, 2: 130})


@st.composite
def histories(draw):
    """Slices of one leg that add up to 8 lots at most, each with attempts that ended or may still fill."""
    orders, left = [], 8
    for number in range(1, draw(st.integers(1, 5)) + 1):
        lots = draw(st.integers(1, max(left, 1)))
        if lots > left:
            break
        for attempt in range(1, draw(st.integers(1, 3))):
            orders.append(order(HEDGE, lots * LOT, status=S.NEVER_SENT, slice=number, attempt=attempt))
        status = draw(st.sampled_from(sorted(set(S) - {S.DRAFT, S.NEVER_SENT})))
        filled = lots if status is S.FILLED else draw(st.integers(0, lots))
        tried = sum(o.slice == number for o in orders)
        orders.append(order(HEDGE, lots * LOT, status=status, filled=filled * LOT, slice=number,
                            attempt=tried + 1))  # fmt: skip
        left -= lots if status in OPEN_STATES else filled
    return draw(st.permutations(orders))


@given(orders=histories(), completion=st.sampled_from(["retry", "hold_hedged", "unwind"]))
def test_what_is_filled_what_may_fill_and_what_is_ordered_next_never_exceed_the_plan(orders, completion):
    next_lots = max(0, 8 - gates.ordered_lots(HEDGE, orders, completion=completion))
    may_fill = sum(o.quantity if o.status in OPEN_STATES else o.filled_quantity for o in orders)

    assert may_fill + next_lots * LOT <= 8 * LOT


@given(data=st.data())
def test_whole_lots_and_their_excess_are_all_that_is_held(data):
    units = st.integers(0, 12).map(lambda lots: lots * LOT)
    orders = []
    for leg in (HEDGE, SHORT):
        opened = data.draw(units)
        closed = data.draw(st.integers(0, opened // LOT)) * LOT
        orders += [order(leg, 900, status=S.CANCELLED, filled=opened),
                   order(leg, 900, status=S.FILLED, filled=closed, action="close")]  # fmt: skip
    whole, excess = gates.excess_units([HEDGE, SHORT], orders)

    for leg, (opened, closed) in zip((HEDGE, SHORT), [orders[:2], orders[2:]], strict=True):
        held = opened.filled_quantity - closed.filled_quantity
        assert whole * leg.quantity_per_lot + excess[leg.number] == held
        assert excess[leg.number] >= 0
    assert any(excess[leg.number] < leg.quantity_per_lot for leg in (HEDGE, SHORT))
