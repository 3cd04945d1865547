"""Conditions that must not be saved: each is refused at its field, with what to send instead."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest

from strategies.rules import House, Terms, check
from tests.unit.strategies.frames import DAY, make_leg
from users.errors import Refused

HOUSE = House(day=DAY, open=time(9, 15), close=time(15, 40), most_legs=6)
WAIT = {"wait_for": "leg", "wait_leg": 1, "wait_move": Decimal(10), "wait_until": time(14)}
AGAIN = {"reentry": "asap", "reentry_count": 2, "reentry_until": time(14)}
ROLL = {"at_expiry": "roll", "roll_time": time(15), "exit_time": None}


def saved(**conditions) -> None:
    values = {"entry_time": time(9, 20), "exit_time": time(15, 10), "naked_calls": 1}
    check(Terms(legs=(make_leg(stop=Decimal(30)),), **(values | conditions)), underlying="NIFTY", house=HOUSE)


@pytest.mark.parametrize(
    "good",
    [
        {}, WAIT, AGAIN, {"jitter_seconds": 1800}, {"vix_min": Decimal(12), "vix_max": Decimal(12)},
        {"gap_min": Decimal(-1), "gap_max": Decimal(0)}, {"skip_days": (DAY,)},
        {**WAIT, "wait_move": Decimal("-12.5"), "wait_unit": "percent"},
        {**AGAIN, "reentry_of": "leg", "reentry_after": "either"},
        {**ROLL, "roll_premium": Decimal(5), "roll_min_credit": Decimal(500), "roll_else": "close"},
    ],
)  # fmt: skip
def test_what_a_trader_would_state_is_saved(good):
    saved(**good)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"min_credit": Decimal(0)}, "min_credit"),
        ({"max_spread_percent": Decimal(-1)}, "max_spread_percent"),
        ({"min_credit": Decimal(1), "max_debit": Decimal(1)}, "max_debit"),
        ({"vix_min": Decimal(20), "vix_max": Decimal(12)}, "vix_min"),
        ({"gap_min": Decimal(1), "gap_max": Decimal(-1)}, "gap_min"),
        ({"jitter_seconds": 1801}, "jitter_seconds"),
        ({"jitter_seconds": 600, "exit_time": time(9, 30)}, "jitter_seconds"),
        ({"skip_days": (DAY, DAY)}, "skip_days"),
        ({**WAIT, "wait_move": None}, "wait_move"),
        ({**WAIT, "wait_move": Decimal(0)}, "wait_move"),
        ({**WAIT, "wait_move": Decimal(-100), "wait_unit": "percent"}, "wait_move"),
        ({**WAIT, "wait_leg": 2}, "wait_leg"),
        ({**WAIT, "wait_leg": None}, "wait_leg"),
        ({**WAIT, "wait_until": None}, "wait_until"),
        ({**WAIT, "wait_until": time(9, 20)}, "wait_until"),
        ({**WAIT, "wait_until": time(15, 11)}, "wait_until"),
        ({**AGAIN, "reentry_count": 0}, "reentry_count"),
        ({**AGAIN, "reentry_until": time(9, 10)}, "reentry_until"),
        ({**AGAIN, "reentry": "none", "reentry_of": "leg"}, "reentry_of"),
        ({**AGAIN, "reentry_of": "leg", "on_leg_stop": "strategy"}, "reentry_of"),
        ({**AGAIN, "reentry_of": "leg", "reentry_after": "target"}, "reentry_of"),
        ({"roll_premium": Decimal(5)}, "at_expiry"),
        ({**ROLL, "roll_min_credit": Decimal(1), "roll_max_debit": Decimal(1)}, "roll_max_debit"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_field(bad, field):
    with pytest.raises(Refused) as refusal:
        saved(**bad)

    assert refusal.value.field == field
    assert refusal.value.fix


def test_days_to_skip_are_counted():
    days = tuple(date(2026, 8, 1 + n % 28) if n < 28 else date(2026, 9, 1 + n % 28) for n in range(61))

    with pytest.raises(Refused, match="at most 60"):
        saved(skip_days=days)
