from hypothesis import given
from hypothesis import strategies as st

from strategies.rules import naked_as_written, naked_units, released_lots, unit, waves
from strategies.rules.hedges import Held, uncovered_lots
from tests.unit.strategies.frames import MONTH, NEXT_WEEK, WEEK, make_leg, make_resolved

CONDOR = [
    make_resolved(1, "BUY", "CE", 24700),
    make_resolved(2, "BUY", "PE", 24300),
    make_resolved(3, "SELL", "CE", 24600),
    make_resolved(4, "SELL", "PE", 24400),
]
STRADDLE = [make_resolved(1, "SELL", "CE"), make_resolved(2, "SELL", "PE")]


def numbers(legs):
    return [leg.number for leg in legs]


def test_a_condor_has_no_naked_units_and_a_straddle_has_both():
    assert naked_units(CONDOR) == (0, 0)
    assert naked_units(STRADDLE) == (1, 1)


def test_a_put_never_hedges_a_call():
    assert naked_units([make_resolved(1, "BUY", "PE"), make_resolved(2, "SELL", "CE")]) == (1, 0)


def test_a_hedge_must_not_expire_before_its_short():
    long_far = [make_resolved(1, "BUY", expiry=NEXT_WEEK), make_resolved(2, "SELL", expiry=WEEK)]
    long_near = [make_resolved(1, "BUY", expiry=WEEK), make_resolved(2, "SELL", expiry=NEXT_WEEK)]

    assert naked_units(long_far) == (0, 0)
    assert naked_units(long_near) == (1, 0)


def test_a_long_future_covers_a_short_call_and_a_short_future_a_short_put():
    long_future = make_resolved(1, "BUY", "FUT", expiry=MONTH)
    short_future = make_resolved(1, "SELL", "FUT", expiry=MONTH)
    call, put = make_resolved(2, "SELL", "CE"), make_resolved(2, "SELL", "PE")

    assert naked_units([long_future, call]) == (0, 0)
    assert naked_units([short_future, put]) == (0, 0)
    assert naked_units([long_future, put]) == (0, 1)
    assert naked_units([short_future, call]) == (1, 0)


def test_a_ratio_spread_leaves_the_second_short_naked():
    assert naked_units([make_resolved(1, "BUY"), make_resolved(2, "SELL", strike=24700, ratio=2)]) == (1, 0)


def test_the_latest_short_takes_the_latest_hedge():
    legs = [
        make_resolved(1, "BUY", strike=24800, expiry=NEXT_WEEK),
        make_resolved(2, "BUY", strike=24900, expiry=WEEK),
        make_resolved(3, "SELL", strike=24600, expiry=WEEK),
        make_resolved(4, "SELL", strike=24700, expiry=NEXT_WEEK),
    ]

    assert naked_units(legs) == (0, 0)


def test_hedges_go_first_and_a_covering_future_is_one():
    short_future = make_resolved(1, "SELL", "FUT", expiry=MONTH)
    put = make_resolved(2, "SELL", "PE")

    assert [numbers(wave) for wave in waves(CONDOR)] == [[1, 2], [3, 4]]
    assert [numbers(wave) for wave in waves([put, short_future])] == [[1], [2]]
    assert [numbers(wave) for wave in waves(STRADDLE)] == [[], [1, 2]]


def test_one_lot_of_a_strategy_is_ratio_times_lot_size():
    assert unit([make_resolved(1, "BUY"), make_resolved(2, "SELL", strike=24700, ratio=2)]) == {1: 65, 2: 130}


def test_shorts_wait_for_the_hedges_of_their_own_side():
    assert released_lots(CONDOR, 3, {}, 0, 0) == {3: 0, 4: 0}
    assert released_lots(CONDOR, 3, {1: 130}, 0, 0) == {3: 2, 4: 0}
    assert released_lots(CONDOR, 3, {1: 195, 2: 129}, 0, 0) == {3: 3, 4: 1}
    assert released_lots(CONDOR, 3, {1: 195, 2: 195}, 0, 0) == {3: 3, 4: 3}


def test_declared_naked_units_need_no_hedge():
    assert released_lots(STRADDLE, 5, {}, 1, 1) == {1: 5, 2: 5}
    assert released_lots(STRADDLE, 5, {}, 1, 0) == {1: 5, 2: 0}


def test_a_ratio_leg_is_released_in_whole_lots_of_the_strategy():
    ratio = [make_resolved(1, "BUY"), make_resolved(2, "SELL", strike=24700, ratio=2)]

    assert released_lots(ratio, 5, {1: 65}, 1, 0) == {2: 6}
    assert released_lots(ratio, 5, {1: 325}, 1, 0) == {2: 10}


def test_a_short_future_that_covers_nothing_waits_for_the_hedge():
    protected = [make_resolved(1, "BUY", "CE"), make_resolved(2, "SELL", "FUT", expiry=MONTH)]

    assert released_lots(protected, 2, {1: 65}, 0, 0) == {2: 1}


@st.composite
def books(draw):
    """Legs of one strategy, its lots, and any prefix of the first wave's fills."""
    legs = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        option_type = draw(st.sampled_from(["CE", "PE", "FUT"]))
        expiry = MONTH if option_type == "FUT" else draw(st.sampled_from([WEEK, NEXT_WEEK, MONTH]))
        side, ratio = draw(st.sampled_from(["BUY", "SELL"])), draw(st.integers(1, 3))
        legs.append(make_resolved(number, side, option_type, 24000 + 50 * number, expiry, ratio))
    lots = draw(st.integers(0, 20))
    first, _ = waves(legs)
    filled = {leg.number: draw(st.integers(0, lots * leg.quantity_per_lot)) for leg in first}
    return legs, lots, filled


@given(books(), st.integers(0, 3), st.integers(0, 3))
def test_shorts_never_exceed_filled_hedges_and_declared_naked_units(book, calls, puts):
    legs, lots, filled = book
    first, second = waves(legs)

    released = released_lots(legs, lots, filled, calls, puts)

    held = [Held(leg, filled[leg.number]) for leg in first]
    held += [Held(leg, released[leg.number] * leg.contract.lot_size) for leg in second]
    assert uncovered_lots(held, "CE") <= calls * lots
    assert uncovered_lots(held, "PE") <= puts * lots
    assert all(0 <= released[leg.number] <= lots * leg.ratio for leg in second)


@given(books())
def test_full_hedges_and_the_naked_units_of_the_legs_release_every_short(book):
    legs, lots, _ = book
    first, second = waves(legs)
    filled = {leg.number: lots * leg.quantity_per_lot for leg in first}

    released = released_lots(legs, lots, filled, *naked_units(legs))

    assert released == {leg.number: lots * leg.ratio for leg in second}


@given(books(), st.integers(0, 3), st.integers(0, 3), st.data())
def test_a_further_fill_never_takes_a_release_back(book, calls, puts, data):
    legs, lots, filled = book
    more = {
        leg.number: data.draw(st.integers(filled[leg.number], lots * leg.quantity_per_lot))
        for leg in waves(legs)[0]
    }

    before = released_lots(legs, lots, filled, calls, puts)
    after = released_lots(legs, lots, more, calls, puts)

    assert all(after[number] >= allowed for number, allowed in before.items())


def test_legs_as_written_tell_their_naked_units_before_any_quote():
    far = make_leg(number=1, side="BUY", expiry_rule="next_week")
    near = make_leg(number=2, expiry_rule="this_week")
    month = make_leg(number=3, side="BUY", option_type="FUT", expiry_rule="this_month")
    next_week = make_leg(number=4, expiry_rule="next_week")

    assert naked_as_written([far, near]) == (0, 0)
    assert naked_as_written([month, next_week]) == (1, 0)  # the future may expire first
    assert naked_as_written([make_leg(option_type="PE", ratio=2)]) == (0, 2)
