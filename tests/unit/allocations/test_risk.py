from dataclasses import asdict, replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from allocations.risk import (
    LIMITS,
    Breach,
    Denial,
    Effective,
    Exposure,
    PairTerms,
    RiskLimit,
    breach,
    loosens,
    split,
    tightest,
    tightest_breach,
)

LIMIT = RiskLimit(
    max_lots=4, max_day_loss=Decimal(5000), max_margin=Decimal(300000), max_open_positions=8, max_delta=Decimal(500),
    max_vega=Decimal(900),
)  # fmt: skip
NONE = Exposure()
BOUNDS = bounds(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def judged(**after):
    return breach(LIMIT, NONE, Exposure(**after))


@pytest.mark.parametrize(
    ("after", "denied"),
    [
        ({}, None),
        ({"open_lots": 4}, None),
        ({"open_lots": 5}, Denial.LOTS_ABOVE_LIMIT),
        ({"margin": Decimal(300000)}, None),
        ({"margin": Decimal("300000.01")}, Denial.MARGIN_ABOVE_LIMIT),
        ({"open_positions": 8}, None),
        ({"open_positions": 9}, Denial.TOO_MANY_POSITIONS),
        ({"delta": Decimal(500)}, None),
        ({"delta": Decimal("-500.01")}, Denial.DELTA_ABOVE_LIMIT),
        ({"vega": Decimal("-900")}, None),
        ({"vega": Decimal("900.01")}, Denial.VEGA_ABOVE_LIMIT),
        ({"delta": None}, Denial.GREEKS_UNKNOWN),
        ({"vega": None}, Denial.GREEKS_UNKNOWN),
    ],
)
def test_an_entry_is_denied_beyond_a_limit_and_not_at_it(after, denied):
    found = judged(**after)

    assert (None if found is None else found.denial) is denied


@pytest.mark.parametrize(("pnl", "denied"), [("-4999.99", False), ("-5000.00", True), ("8000", False)])
def test_a_days_loss_denies_from_the_limit_on(pnl, denied):
    found = breach(LIMIT, Exposure(day_pnl=Decimal(pnl)), NONE)

    assert (found is not None) is denied


@pytest.mark.parametrize(("before", "after"), [(Decimal(600), Decimal(100)), (Decimal(100), Decimal(-600))])
def test_delta_is_judged_by_the_worse_of_before_and_after(before, after):
    found = breach(LIMIT, Exposure(delta=before), Exposure(delta=after))

    assert found == Breach(denial=Denial.DELTA_ABOVE_LIMIT, used=Decimal(600), limit=Decimal(500))


def test_of_several_broken_limits_the_most_strained_is_named_and_the_unknown_last():
    assert judged(open_lots=5, margin=Decimal(900000)).denial is Denial.MARGIN_ABOVE_LIMIT
    assert judged(open_lots=5, delta=None).denial is Denial.LOTS_ABOVE_LIMIT
    assert breach(RiskLimit(max_lots=0, max_margin=Decimal(1)), NONE, Exposure(open_lots=1, margin=Decimal(99))).denial is (
        Denial.LOTS_ABOVE_LIMIT
    )


def test_the_tightest_scope_is_named_and_of_equal_ones_the_first():
    light, heavy = (Breach(denial=Denial.LOTS_ABOVE_LIMIT, used=Decimal(used), limit=Decimal(4)) for used in (5, 8))

    assert tightest_breach([("user", light), ("account", heavy), ("pair", None)]) == ("account", heavy)
    assert tightest_breach([("user", heavy), ("pair", heavy)]) == ("user", heavy)
    assert tightest_breach([("user", None)]) is None


amounts = st.integers(0, 20).map(Decimal)
maybe = st.none() | amounts
limits = st.builds(
    RiskLimit, max_lots=st.none() | st.integers(0, 20), max_day_loss=maybe, max_margin=maybe,
    max_open_positions=st.none() | st.integers(0, 20), max_delta=maybe, max_vega=maybe,
)  # fmt: skip
exposures = st.builds(
    Exposure, open_lots=st.integers(0, 20), day_pnl=st.integers(-20, 20).map(Decimal), margin=amounts,
    open_positions=st.integers(0, 20), delta=st.none() | st.integers(-20, 20).map(Decimal),
    vega=st.none() | st.integers(-20, 20).map(Decimal),
)  # fmt: skip


@BOUNDS
@given(limits, exposures, exposures, st.sampled_from(LIMITS), st.none() | st.integers(0, 20))
def test_loosening_one_limit_never_denies_what_was_allowed(limit, before, after, name, value):
    changed = replace(limit, **{name: value})
    if not loosens(name, getattr(limit, name), value):
        return

    if breach(limit, before, after) is None:
        assert breach(changed, before, after) is None


@BOUNDS
@given(limits, exposures, exposures)
def test_a_denial_names_a_limit_that_is_set_and_broken(limit, before, after):
    found = breach(limit, before, after)
    unlimited = breach(RiskLimit(), before, after)

    assert unlimited is None
    if found is not None and found.used is not None:
        assert found.used >= found.limit
        assert found.limit in asdict(limit).values()


@BOUNDS
@given(limits, limits)
def test_what_holds_at_once_is_never_looser_and_the_rest_waits(held, wanted):
    now, later = split(asdict(held), asdict(wanted))

    assert all(not loosens(name, getattr(held, name), now[name]) for name in LIMITS)
    assert now | later == asdict(wanted)


def test_lots_above_the_limit_that_still_stands_wait_with_it():
    held = asdict(PairTerms(lots=2, max_lots=2, max_day_loss=Decimal(8000), max_margin=Decimal(1), max_open_positions=4))
    wanted = held | {"lots": 4, "max_lots": 4, "max_day_loss": Decimal(5000), "square_off_at_loss": True}

    now, later = split(held, wanted)

    assert later == {"lots": 4, "max_lots": 4}
    assert now == held | {"max_day_loss": Decimal(5000), "square_off_at_loss": True}
    assert split(now, now | {"square_off_at_loss": False})[1] == {"square_off_at_loss": False}


def test_every_denial_has_words_and_a_fix():
    assert all(reason.text.endswith(".") and reason.fix.endswith(".") for reason in Denial)


def test_the_tightest_state_wins_and_is_named():
    states = [
        Effective(state="reducing", scope="user", reason="lunch"),
        Effective(state="halted", scope="pair", reason="killed"),
        Effective(state="frozen", scope="account", reason="unknown order"),
    ]

    assert tightest(states) == Effective(state="halted", scope="pair", reason="killed")
    assert tightest(states).denial is Denial.HALTED


def test_of_two_equal_states_the_wider_is_named():
    states = [Effective(state="reducing", scope="user"), Effective(state="reducing", scope="pair")]

    assert tightest(states).scope == "user"


def test_no_state_is_active():
    assert tightest([]) == Effective(state="active", scope="", reason="")
    assert tightest([]).denial is None
