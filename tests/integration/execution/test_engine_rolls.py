"""Rolls that may not go: the expiring leg is not closed for a new one that would be refused."""

from decimal import Decimal

from execution import services
from execution.models import Settlement
from tests.integration.execution.conftest import EXPIRY_TUESDAY, one_strategy


def test_a_paused_pair_does_not_roll_and_its_expiring_call_settles(expiry_desk):
    desk = expiry_desk
    desk.at(9, 20)
    pair = desk.pair("Covered Call", "zerodha")
    owner, before = pair.broker_account.user, desk.held(pair)
    services.pause(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)

    desk.at(15, 0)

    assert desk.held(pair) == before
    assert (desk.run(pair, "roll").status, desk.run(pair, "roll").code) == ("denied", "REDUCING")
    desk.at(15, 40)
    assert Settlement.objects.filter(position__allocation=pair).count() == 1
    assert [symbol for symbol in desk.held(pair) if not symbol.endswith("FUT")] == []


def covered_call(desk_of, **terms):
    document = one_strategy("Covered Call", broker="zerodha", lots=1, terms=terms)
    desk = desk_of(document, day=EXPIRY_TUESDAY)
    pair = desk.pair("Covered Call", "zerodha")
    desk.at(9, 20)
    return desk, pair, desk.held(pair)


def credit(frame, old: str, new: str):
    """What a lot takes in: the old call bought at the ask, the new one sold at the bid."""
    return (frame.quotes[new].bid - frame.quotes[old].ask) * 65


def test_a_roll_that_takes_in_what_was_asked_goes_and_the_future_stays(desk_of):
    desk, pair, before = covered_call(desk_of, roll_min_credit="1000")

    desk.at(15, 0)
    desk.at(15, 0, 5)

    run, after = desk.run(pair, "roll"), desk.held(pair)
    (old,), (new,) = ([s for s in held if not s.endswith("FUT")] for held in (before, after))
    assert (run.status, old[:14], new[:14]) == ("done", "NIFTY-20260804", "NIFTY-20260811")
    assert credit(desk.player.last, old, new) > 1000
    assert len(after) == 2


def test_a_roll_below_its_credit_waits_and_the_call_settles(desk_of):
    desk, pair, before = covered_call(desk_of, roll_min_credit="90000")

    desk.at(15, 0)
    desk.at(15, 10)
    run = desk.run(pair, "roll")
    assert (run.status, run.code) == ("due", "CREDIT_TOO_SMALL")
    assert desk.held(pair) == before
    desk.at(15, 40)

    assert [symbol[-3:] for symbol in desk.held(pair)] == ["FUT"]
    assert not pair.executions.filter(phase="exit").exists()


def test_a_roll_that_is_not_taken_closes_the_pair_when_the_strategy_says_so(desk_of):
    desk, pair, before = covered_call(desk_of, roll_min_credit="90000", roll_else="close")

    desk.at(15, 0)
    assert desk.held(pair) == before
    desk.at(15, 1, 1)
    desk.at(15, 2)

    run = desk.run(pair, "roll")
    assert (run.status, run.code) == ("denied", "CREDIT_TOO_SMALL")
    assert "The pair is closed instead." in run.detail
    assert (desk.run(pair, "exit").cause, desk.held(pair)) == ("expiry", {})


def test_a_short_that_is_worth_little_rolls_before_its_day(desk_of):
    desk, pair, before = covered_call(desk_of, roll_premium="5", roll_time="15:30")
    (old,) = (symbol for symbol in before if not symbol.endswith("FUT"))

    def decayed(ask):
        def change(quotes):
            quote = quotes[old]._replace(bid=Decimal("4.00"), ask=ask, ltp=ask)
            return {**quotes, old: quote}

        return change

    desk.at(11, 0, change=decayed(Decimal("5.05")))
    assert desk.held(pair) == before
    desk.at(11, 1, change=decayed(Decimal("5.00")))
    desk.at(11, 2)

    assert desk.run(pair, "roll").status == "done"
    assert old not in desk.held(pair)


def test_a_calendar_does_not_roll_into_the_contract_that_it_holds(desk_of):
    """It would be left with nothing where it is to be long and short."""
    document = one_strategy("Covered Call", broker="zerodha", lots=1, terms={"roll_else": "close"})
    strategy = {**document["strategies"][0], "preset": "calendar", "name": "Calendar"}
    strategy["terms"] = {**strategy["terms"], "at_expiry": "roll"}
    strategy["legs"] = {
        "1": {"expiry_rule": "next_week", "strike_rule": "fixed", "strike_value": "24500"},
        "2": {"expiry_rule": "this_week", "strike_rule": "fixed", "strike_value": "24500"},
    }
    desk = desk_of({**document, "strategies": [strategy]}, day=EXPIRY_TUESDAY)
    desk.at(9, 20)
    pair = desk.pair("Calendar", "zerodha")
    assert sorted(desk.held(pair).values()) == [-65, 65]

    desk.at(15, 0)
    assert desk.run(pair, "roll").code == "LEGS_MEET"
    desk.at(15, 1, 1)
    desk.at(15, 2)

    assert (desk.run(pair, "roll").status, desk.held(pair)) == ("denied", {})
