"""A holiday on Tuesday 24 November 2026 moves the November expiry to Monday the 23rd: the engine
enters, rolls and settles on that Monday, and the Tuesday is no day at all.
"""

from __future__ import annotations

from datetime import date, timedelta

from execution.models import Settlement, StrategyExecution
from tests.integration.execution.conftest import Desk, one_strategy

FRIDAY, MONDAY, WEDNESDAY = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 25)
NOVEMBER, NEXT_WEEKLY, DECEMBER = "NIFTY-20261123-", "NIFTY-20261201-", "NIFTY-20261229-"


def next_day(desk: Desk, day: date) -> Desk:
    """The same world a trading day later; its frames go on counting."""
    desk.close()
    later = Desk(desk.player, day)
    later.n = desk.player.last.n
    return later


def names(held: dict[str, int]) -> set[str]:
    return {symbol[: len(NOVEMBER)] for symbol in held}


def test_a_covered_call_rolls_on_the_monday_into_the_next_weekly_and_the_december_future(desk_of):
    friday = desk_of(one_strategy("Covered Call", broker="zerodha", lots=5), day=FRIDAY)
    pair = friday.pair("Covered Call", "zerodha")
    friday.at(9, 20)
    assert names(friday.held(pair)) == {NOVEMBER}
    assert {abs(units) for units in friday.held(pair).values()} == {5 * 65}
    friday.at(15, 1)
    assert not StrategyExecution.objects.filter(phase="roll").exists()

    monday = next_day(friday, MONDAY)
    monday.at(9, 20)
    monday.minutes((14, 59), (15, 3))

    roll = monday.run(pair, "roll")
    assert (roll.status, roll.trading_day, roll.detail) == (
        "done",
        MONDAY,
        "Rolls out of 23 Nov 2026.",
    )
    held = monday.held(pair)
    assert {symbol: units for symbol, units in held.items() if symbol.endswith("FUT")} == {
        f"{DECEMBER}FUT": 325
    }
    assert names(held) == {NEXT_WEEKLY, DECEMBER}
    assert sorted(held.values()) == [-325, 325]

    wednesday = next_day(monday, WEDNESDAY)
    wednesday.at(9, 20)
    wednesday.at(15, 1)
    assert wednesday.held(pair) == held
    assert StrategyExecution.objects.filter(phase="roll").count() == 1
    assert wednesday.ledger()


def test_a_put_that_is_left_to_settle_is_settled_on_the_monday(desk_of):
    friday = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=3), day=FRIDAY)
    pair = friday.pair("Cash Secured Put", "finvasia")
    friday.at(9, 20)
    assert names(friday.held(pair)) == {NOVEMBER}

    monday = next_day(friday, MONDAY)
    monday.at(9, 30)
    monday.at(15, 40)
    monday.close()

    settled = Settlement.objects.get(position__allocation=pair)
    assert settled.position.contract.expiry == MONDAY
    assert not [symbol for symbol in monday.held(pair) if symbol.startswith(NOVEMBER)]


def test_fault_40_a_strategy_of_the_expiry_day_enters_on_the_monday_and_on_no_day_near_it(desk_of):
    terms = {"day_rule": "expiry_day", "weekdays": []}
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2, terms=terms), day=FRIDAY)
    pair = desk.pair("Iron Condor", "zerodha")
    for day in (FRIDAY, MONDAY, WEDNESDAY):
        desk.at(9, 20)
        desk.at(15, 10)
        if day != WEDNESDAY:
            desk = next_day(desk, MONDAY if day == FRIDAY else WEDNESDAY)

    entry = StrategyExecution.objects.get(allocation=pair, phase="entry")
    assert (entry.trading_day, entry.status) == (MONDAY, "done")
    assert {leg["symbol"][: len(NOVEMBER)] for leg in entry.plan["legs"]} == {NOVEMBER}
    assert entry.due_at.date() - FRIDAY == timedelta(days=3)
