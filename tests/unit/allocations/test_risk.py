from decimal import Decimal

import pytest

from allocations.risk import Denial, Effective, Exposure, RiskLimit, denial, tightest

LIMIT = RiskLimit(
    max_lots=4, max_day_loss=Decimal(5000), max_margin=Decimal(300000), max_open_positions=8
)


def ask(exposure=None, *, entry_lots=2, entry_margin=Decimal(100000), entry_positions=4):
    return denial(
        LIMIT, exposure or Exposure(), entry_lots=entry_lots, entry_margin=entry_margin,
        entry_positions=entry_positions,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("exposure", "denied"),
    [
        (Exposure(), None),
        (Exposure(open_lots=2), None),
        (Exposure(open_lots=3), Denial.LOTS_ABOVE_LIMIT),
        (Exposure(day_pnl=Decimal("-4999.99")), None),
        (Exposure(day_pnl=Decimal("-5000.00")), Denial.DAY_LOSS_REACHED),
        (Exposure(margin=Decimal(200000)), None),
        (Exposure(margin=Decimal("200000.01")), Denial.MARGIN_ABOVE_LIMIT),
        (Exposure(open_positions=4), None),
        (Exposure(open_positions=5), Denial.TOO_MANY_POSITIONS),
    ],
)
def test_an_entry_is_denied_beyond_a_limit_and_not_at_it(exposure, denied):
    assert ask(exposure) is denied


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
