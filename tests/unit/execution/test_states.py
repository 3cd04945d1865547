"""The order state machine: the whole table, and that whatever order reports come in, rows end the same."""

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.states import (
    AT_BROKER,
    BEFORE_WIRE,
    OPEN_STATES,
    RESTING,
    TERMINAL,
    OrderState,
    after_report,
    may_move,
)

S = OrderState
QUANTITY = 130
REPORTS = {S.WORKING, S.PARTIAL, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}

#: RELIABILITY's table, written out a second time: every pair that is not here is forbidden.
MAY_FOLLOW = {
    S.DRAFT: {S.READY, S.DENIED, S.CANCELLED, S.EXPIRED},
    S.READY: {S.SENDING, S.DENIED} | REPORTS,
    S.DENIED: set(),
    S.SENDING: {S.ACKED, S.UNKNOWN, S.NEVER_SENT} | REPORTS,
    S.ACKED: REPORTS,
    S.REJECTED: {S.FILLED},
    S.UNKNOWN: {S.ACKED, S.NEVER_SENT} | REPORTS,
    S.NEVER_SENT: {S.FILLED},
    S.WORKING: REPORTS - {S.WORKING},
    S.PARTIAL: {S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED},
    S.FILLED: set(),
    S.CANCELLED: {S.FILLED},
    S.EXPIRED: {S.FILLED},
}


@pytest.mark.parametrize("current", sorted(S))
def test_every_pair_of_states_is_allowed_or_forbidden_as_the_table_says(current):
    assert {to for to in S if may_move(current, to)} == MAY_FOLLOW[current]


def test_the_states_are_parted_into_before_the_wire_at_the_broker_and_ended():
    assert {S.DRAFT, S.READY} == BEFORE_WIRE
    assert {S.SENDING, S.ACKED, S.UNKNOWN, S.WORKING, S.PARTIAL} == AT_BROKER
    assert {S.ACKED, S.WORKING, S.PARTIAL} == RESTING
    assert OPEN_STATES == BEFORE_WIRE | AT_BROKER
    assert set(S) - OPEN_STATES == TERMINAL


@pytest.mark.parametrize("current", sorted(S))
def test_a_report_says_at_most_what_our_fills_prove(current):
    for reported, filled in product(sorted(REPORTS), (0, 65, 129, 130, 195)):
        claim = reported
        if reported is S.FILLED:  # the book counts fills that have not come yet
            claim = S.PARTIAL if filled else S.ACKED
        elif reported is S.WORKING and filled:
            claim = S.PARTIAL
        expected = claim if claim in MAY_FOLLOW[current] else current

        after = after_report(current, reported, filled=filled, quantity=QUANTITY)
        assert after is (S.FILLED if filled >= QUANTITY else expected)


@pytest.mark.parametrize(
    ("current", "reported", "filled", "expected"),
    [
        (S.SENDING, S.WORKING, 0, S.WORKING),
        (S.SENDING, S.PARTIAL, 65, S.PARTIAL),
        (S.UNKNOWN, S.CANCELLED, 0, S.CANCELLED),
        (S.ACKED, S.FILLED, 0, S.ACKED),  # the book says filled, the fills are still to come
        (S.WORKING, S.FILLED, 0, S.WORKING),
        (S.WORKING, S.FILLED, 65, S.PARTIAL),
        (S.PARTIAL, S.WORKING, 65, S.PARTIAL),
        (S.CANCELLED, S.WORKING, 0, S.CANCELLED),  # an old "open" never reopens
        (S.CANCELLED, S.PARTIAL, 65, S.CANCELLED),
        (S.CANCELLED, S.PARTIAL, 130, S.FILLED),  # a late fill is accepted
        (S.NEVER_SENT, S.PARTIAL, 130, S.FILLED),
        (S.FILLED, S.CANCELLED, 130, S.FILLED),
        (S.PARTIAL, S.PARTIAL, 195, S.FILLED),  # an overfill is full
        (S.READY, S.WORKING, 0, S.WORKING),  # a restored backup: it was sent since, never again
        (S.READY, S.PARTIAL, 65, S.PARTIAL),
    ],
)
def test_a_report_moves_an_order_to_what_is_known_of_it(current, reported, filled, expected):
    assert after_report(current, reported, filled=filled, quantity=QUANTITY) == expected


@pytest.mark.parametrize("state", sorted(S))
def test_every_state_is_open_or_terminal_and_a_terminal_one_only_ever_becomes_filled(state):
    assert (state in OPEN_STATES) != (state in TERMINAL)
    if state in TERMINAL:
        assert {to for to in S if may_move(state, to)} <= {S.FILLED}


@pytest.mark.parametrize("state", sorted(S))
def test_nothing_comes_back_to_ready_or_sending_from_the_wire(state):
    """An order that was sent can never be sent again."""
    if state not in (S.DRAFT, S.READY):
        assert not may_move(state, S.READY)
        assert not may_move(state, S.SENDING)


@pytest.mark.parametrize("state", sorted(AT_BROKER))
def test_no_report_brings_a_sent_order_back_before_the_wire(state):
    for reported, filled in product(sorted(REPORTS), (0, 65, 130)):
        assert after_report(state, reported, filled=filled, quantity=QUANTITY) not in BEFORE_WIRE


def replay(start, story):
    """The end of (kind, units) reports: fills count up once, the book's word comes as it comes."""
    state, filled = start, 0
    for report, units in story:
        filled += units
        state = after_report(state, report, filled=filled, quantity=QUANTITY)
    return state, filled


@st.composite
def broker_stories(draw):
    """What a broker may truly say of one order: fills, one end, and any book pages besides."""
    fills = draw(st.lists(st.sampled_from([10, 20, 35, 65]), max_size=4))
    total = sum(fills)
    end = S.FILLED if total >= QUANTITY else draw(st.sampled_from([S.CANCELLED, S.EXPIRED]))
    pages = [(S.WORKING, 0)] * draw(st.integers(0, 3)) + [(end, 0)] * draw(st.integers(1, 3))
    return [(S.PARTIAL, units) for units in fills] + pages


@given(story=broker_stories(), start=st.sampled_from([S.SENDING, S.ACKED, S.UNKNOWN]), data=st.data())
def test_any_order_and_repetition_of_reports_ends_in_the_same_state(story, start, data):
    shuffled = data.draw(st.permutations(story))

    ended, filled = replay(start, story)
    assert replay(start, shuffled) == (ended, filled)
    assert ended in TERMINAL
    assert (ended is S.FILLED) == (filled >= QUANTITY)


def test_every_order_of_a_short_story_ends_the_same():
    story = [(S.PARTIAL, 65), (S.PARTIAL, 35), (S.WORKING, 0), (S.CANCELLED, 0), (S.CANCELLED, 0)]

    assert {replay(S.SENDING, order) for order in permutations(story)} == {(S.CANCELLED, 100)}


@given(
    current=st.sampled_from(sorted(S)), reported=st.sampled_from(sorted(S)),
    filled=st.integers(0, 2 * QUANTITY),
)  # fmt: skip
def test_the_same_report_twice_is_the_same_as_once(current, reported, filled):
    once = after_report(current, reported, filled=filled, quantity=QUANTITY)

    assert after_report(once, reported, filled=filled, quantity=QUANTITY) == once


@given(
    state=st.sampled_from(sorted(AT_BROKER | TERMINAL)), reported=st.sampled_from(sorted(S)),
    filled=st.integers(0, 2 * QUANTITY), more=st.integers(0, QUANTITY),
)  # fmt: skip
def test_more_fills_never_make_a_filled_order_less_than_filled(state, reported, filled, more):
    before = after_report(state, reported, filled=filled, quantity=QUANTITY)
    after = after_report(before, S.PARTIAL, filled=filled + more, quantity=QUANTITY)

    assert (after is S.FILLED) == (filled + more >= QUANTITY or before is S.FILLED)
