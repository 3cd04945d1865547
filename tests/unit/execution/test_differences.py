"""Comparing the two books: nothing of either side is overlooked, and the second look finds no more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as some

from brokers.types import BrokerOrder, BrokerStatus, Product, Side
from execution.differences import (
    FIXES,
    Fix,
    Guess,
    Holding,
    Kind,
    OurOrder,
    after_foreign,
    guess,
    judged,
    of_fills,
    of_holding,
    of_orders,
    open_parts,
)
from execution.states import AT_BROKER, TERMINAL, OrderState
from tests.unit.test_documents import table

NOW = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)
CALL, PUT = "NIFTY-20260804-24500-CE", "NIFTY-20260804-24300-PE"
WINDOW = timedelta(minutes=2)
BOUNDS = bounds(deadline=None, suppress_health_check=list(HealthCheck))
UNITS = some.integers(-4, 4).map(lambda lots: lots * 65)
HOLDINGS = some.builds(
    Holding, ours=UNITS, external=UNITS, theirs=UNITS,
    in_flight=some.integers(0, 2).map(lambda lots: lots * 65),
)  # fmt: skip


def ours(ref="A" * 20, *, state=OrderState.WORKING, age=100, **fields):
    values = {
        "ref": ref, "number": "", "state": state, "symbol": CALL, "product": "NRML", "side": "SELL",
        "quantity": 65, "created_at": NOW, "age": timedelta(seconds=age),
    }  # fmt: skip
    return OurOrder(**(values | fields))


def theirs(number="O1", *, ref="A" * 20, status=BrokerStatus.OPEN, filled=0, **fields):
    values = {
        "broker_order_id": number, "client_ref": ref, "symbol": CALL, "side": Side.SELL,
        "quantity": 65, "product": Product.NRML, "filled_quantity": filled, "average_price": None,
        "status": status, "reason": "", "at": NOW + timedelta(seconds=1),
    }  # fmt: skip
    return BrokerOrder(**(values | fields))


def kinds(differences):
    return [(d.kind, d.fix) for d in differences]


# --- what is held


def test_what_no_pair_holds_is_external_whatever_the_trades_say():
    held = judged(Holding(ours=0, external=0, theirs=130))

    assert (held.external, held.gap) == (130, 0)
    assert of_holding(held, CALL, "NRML") is None


def test_a_trade_beside_us_in_the_same_direction_is_external_and_no_mismatch():
    held = after_foreign(Holding(ours=-130, theirs=-195), -65)

    assert (held.external, held.disputed, held.gap) == (-65, 0, 0)
    assert of_holding(judged(held), CALL, "NRML") is None


def test_a_trade_against_what_we_hold_may_be_a_square_off_by_hand():
    held = judged(after_foreign(Holding(ours=-150, theirs=-125), 25))

    found = of_holding(held, CALL, "NRML")

    assert (found.kind, found.fix, found.ours, found.theirs) == (
        Kind.SQUARED_OFF, Fix.ADOPT_CLOSE, -150, -125,
    )  # fmt: skip
    assert held.missing == found.missing == 25


def test_a_square_off_beyond_what_we_hold_disputes_only_what_we_hold():
    held = after_foreign(Holding(ours=-65, theirs=130), 195)

    assert (held.external, held.disputed, held.missing) == (195, 65, 65)


def test_a_square_off_that_is_taken_back_by_hand_is_no_dispute_any_more():
    held = after_foreign(after_foreign(Holding(ours=-130, theirs=-130), 130), -130)

    assert (held.external, held.disputed) == (0, 0)
    assert of_holding(judged(held), CALL, "NRML") is None


@pytest.mark.parametrize(
    ("holding", "kind", "missing"),
    [
        (Holding(ours=-130, theirs=-65), Kind.UNITS_MISSING, 65),
        (Holding(ours=-130, theirs=0), Kind.UNITS_MISSING, 130),
        (Holding(ours=-130, theirs=65), Kind.UNITS_MISSING, 130),
        (Holding(ours=130, theirs=195), Kind.UNITS_EXTRA, 0),
        (Holding(ours=130, external=65, theirs=65), Kind.UNITS_MISSING, 130),
    ],
)
def test_a_net_that_no_trade_explains_is_a_mismatch_and_says_how_much_is_not_there(holding, kind, missing):
    found = of_holding(judged(holding), CALL, "NRML")

    assert (found.kind, found.fix, found.missing) == (kind, FIXES[kind][0], missing)


def test_what_an_order_on_its_way_may_explain_is_not_judged_yet():
    assert of_holding(judged(Holding(ours=0, theirs=-65, in_flight=65)), CALL, "NRML") is None
    assert of_holding(judged(Holding(ours=0, theirs=-130, in_flight=65)), CALL, "NRML") is not None


@BOUNDS
@given(HOLDINGS, some.lists(UNITS, max_size=4))
def test_after_a_look_without_a_mismatch_ours_and_external_are_the_brokers_net(start, traded):
    """I6; what is in flight may still move."""
    held = start
    for signed in traded:
        held = after_foreign(held, signed)
    held = judged(held)

    if of_holding(held, CALL, "NRML") is None and not held.waits:
        assert held.ours + held.external == held.theirs
        assert held.missing == 0


@BOUNDS
@given(HOLDINGS, some.lists(UNITS, max_size=4))
def test_a_second_look_changes_nothing(start, traded):
    """I14: nothing new was traded, so nothing new is found."""
    held = start
    for signed in traded:
        held = after_foreign(held, signed)
    once = judged(held)

    assert judged(once) == once
    assert of_holding(judged(once), CALL, "NRML") == of_holding(once, CALL, "NRML")


@BOUNDS
@given(HOLDINGS, some.lists(UNITS, max_size=4))
def test_disputed_units_go_against_ours_and_are_never_more_than_ours(start, traded):
    held = start
    for signed in traded:
        held = after_foreign(held, signed)

        assert held.disputed * held.ours <= 0
        assert abs(held.disputed) <= abs(held.ours)


@BOUNDS
@given(HOLDINGS)
def test_closing_all_but_the_missing_units_never_opens_the_other_side_at_the_broker(held):
    held = judged(held)
    closed = abs(held.ours) - held.missing
    toward = -closed if held.ours > 0 else closed
    of_pairs = held.theirs - held.external + held.disputed

    assert held.missing <= abs(held.ours)
    assert closed == 0 or (of_pairs + toward) * of_pairs >= 0
    assert closed <= abs(of_pairs)


# --- orders


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        (OrderState.SENDING, 30, []),
        (OrderState.UNKNOWN, 89, []),
        (OrderState.UNKNOWN, 90, [(Kind.NOT_IN_BOOK, Fix.NEVER_SENT)]),
        (OrderState.ACKED, 89, []),
        (OrderState.ACKED, 90, [(Kind.ORDER_ABSENT, Fix.LOOK_AGAIN)]),
        (OrderState.PARTIAL, 90, [(Kind.ORDER_ABSENT, Fix.LOOK_AGAIN)]),
    ],
)
def test_an_order_of_ours_that_the_broker_lacks_waits_90_seconds_and_is_then_shown(state, age, expected):
    assert kinds(of_orders([ours(state=state, age=age)], [], {})) == expected


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_order_that_has_ended_need_not_be_in_the_book(state):
    assert of_orders([ours(state=state)], [], {}) == []


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        (theirs(ref="B" * 20), Fix.CANCEL),
        (theirs(ref="B" * 20, status=BrokerStatus.FILLED, filled=65), Fix.EXTERNAL),
    ],
)
def test_an_order_with_our_kind_of_tag_that_we_lack_is_an_orphan(row, fix):
    (found,) = of_orders([], [row], {})

    assert (found.kind, found.fix, found.number) == (Kind.ORPHAN, fix, "O1")


def test_a_foreign_order_and_a_dead_one_are_no_difference():
    rows = [theirs(ref=""), theirs(ref="mine"), theirs(ref="B" * 20, status=BrokerStatus.REJECTED)]

    assert of_orders([], rows, {}) == []


def test_the_second_order_under_one_tag_is_an_orphan():
    rows = [theirs("O1", status=BrokerStatus.FILLED, filled=65), theirs("O2")]

    (found,) = of_orders([ours(state=OrderState.FILLED)], rows, {})

    assert (found.kind, found.number) == (Kind.ORPHAN, "O2")


def test_an_order_that_ended_here_and_lives_there_is_to_be_cancelled():
    ended = ours(state=OrderState.NEVER_SENT, was_live=False)

    assert kinds(of_orders([ended], [theirs()], {})) == [(Kind.STILL_ALIVE, Fix.CANCEL)]
    assert of_orders([replace(ended, was_live=True)], [theirs()], {}) == []  # the book was older


def test_an_order_is_known_by_its_number_when_the_tag_is_not_echoed():
    assert of_orders([ours(number="O1")], [theirs(ref="")], {}) == []


ORDERS = some.lists(
    some.builds(
        lambda ref, state, number: ours(ref * 20, state=state, number=number),
        ref=some.sampled_from("ABC"), state=some.sampled_from(sorted(OrderState)),
        number=some.sampled_from(["", "O1", "O2"]),
    ), unique_by=(lambda order: order.ref, lambda order: order.number or order.ref), max_size=3,
)  # fmt: skip
ROWS = some.lists(
    some.builds(
        lambda number, ref, status, filled: theirs(number, ref=ref * 20, status=status, filled=filled),
        number=some.sampled_from(["O1", "O2", "O3"]), ref=some.sampled_from(["", "A", "B", "Z"]),
        status=some.sampled_from(sorted(BrokerStatus)), filled=some.sampled_from([0, 65]),
    ), unique_by=lambda row: row.broker_order_id, max_size=3,
)  # fmt: skip


@BOUNDS
@given(ORDERS, ROWS)
def test_every_order_that_only_one_side_has_is_named_exactly_once(mine, rows):
    """I3 and I4, for orders that had their 90 seconds."""
    found = of_orders(mine, rows, {})
    by_tag = {row.client_ref for row in rows if row.client_ref}
    by_number = {row.broker_order_id for row in rows if not row.client_ref}

    phantoms = {
        order.ref for order in mine
        if order.state in AT_BROKER and order.ref not in by_tag and order.number not in by_number
    }  # fmt: skip
    orphans = {
        row.broker_order_id for row in rows
        if len(row.client_ref) == 20 and row.client_ref not in {o.ref for o in mine}
        and (row.status in (BrokerStatus.OPEN, BrokerStatus.PARTIAL) or row.filled_quantity)
    }  # fmt: skip
    assert {d.ref for d in found if d.kind in (Kind.NOT_IN_BOOK, Kind.ORDER_ABSENT)} == phantoms
    assert orphans <= {d.number for d in found if d.kind is Kind.ORPHAN}
    assert len({(d.kind, d.subject) for d in found}) == len(found)


# --- no tag echoed


def test_one_order_that_fits_one_is_it():
    waiting = ours(state=OrderState.UNKNOWN)

    assert guess([waiting], [theirs(ref="")], WINDOW) == Guess({waiting.ref: "O1"}, {})


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 130}, {"side": Side.BUY}, {"symbol": PUT}, {"product": Product.MIS},
        {"at": NOW + timedelta(seconds=121)}, {"at": NOW - timedelta(seconds=6)},
    ],
)  # fmt: skip
def test_an_order_that_differs_in_anything_is_not_it(change):
    assert guess([ours(state=OrderState.UNKNOWN)], [theirs(ref="", **change)], WINDOW) == Guess({}, {})


def test_several_that_fit_are_for_a_person_with_one_proposed():
    waiting = ours(state=OrderState.UNKNOWN, age=5)
    rows = [theirs("O1", ref=""), theirs("O2", ref="")]

    guessed = guess([waiting], rows, WINDOW)

    assert guessed == Guess({}, {waiting.ref: ["O1", "O2"]})
    assert guessed.pending == {"O1", "O2"}
    (found,) = of_orders([waiting], rows, guessed.several)
    assert (found.kind, found.fix, found.number) == (Kind.AMBIGUOUS, Fix.MATCH, "O1")


def test_one_order_that_fits_two_of_ours_is_for_a_person_too():
    two = [ours("A" * 20, state=OrderState.UNKNOWN), ours("B" * 20, state=OrderState.SENDING)]

    assert guess(two, [theirs(ref="")], WINDOW).found == {}


def test_an_order_that_has_an_answer_is_not_guessed():
    assert guess([ours(state=OrderState.ACKED)], [theirs(ref="")], WINDOW) == Guess({}, {})


# --- trades


def test_a_trade_that_only_we_have_is_named():
    assert [d.number for d in of_fills(["T1", "T2"], ["T2", "T3"])] == ["T1"]


@BOUNDS
@given(some.lists(UNITS.filter(bool), max_size=6))
def test_open_parts_of_trades_add_up_to_their_sum_and_go_one_way(signed):
    parts = open_parts(enumerate(signed))

    assert sum(units for _, units in parts) == sum(signed)
    assert len({units > 0 for _, units in parts}) <= 1
    assert all(abs(units) <= abs(signed[key]) for key, units in parts)


def test_what_was_closed_first_is_what_was_opened_first():
    assert open_parts([(1, 65), (2, 130), (3, -130)]) == [(2, 65)]


def test_every_kind_has_one_proposed_fix():
    assert set(FIXES) == set(Kind)
    assert all(FIXES.values())


def test_the_document_says_what_may_be_decided():
    rows = table("docs/concepts/reconciliation.md", "kind")

    assert {
        row["kind"]: (row["proposed"], *filter(None, row["also possible"].split(", "))) for row in rows
    } == {kind.value: tuple(fix.value for fix in fixes) for kind, fixes in FIXES.items()}
