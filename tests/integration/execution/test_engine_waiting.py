"""Wait and trade: armed at its time, gone when the price has moved, missed at the cut-off."""

from decimal import Decimal

from execution import services
from execution.models import StrategyExecution
from tests.integration.execution.conftest import EXPIRY_TUESDAY, one_strategy

RISE = {"wait_for": "leg", "wait_leg": 1, "wait_move": "10", "wait_until": "09:40"}


def put(desk_of, **terms):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=1, terms=RISE | terms))
    return desk, desk.pair("Cash Secured Put", "finvasia")


def moved(desk, symbol: str, points: str):
    """The frame of the entry again, this contract `points` dearer."""
    first = desk.first

    def change(quotes):
        quote, by = first[symbol], Decimal(points)
        return {**quotes, symbol: quote._replace(
            bid=quote.bid + by, ask=quote.ask + by, ltp=quote.ltp + by, at=quotes[symbol].at)}  # fmt: skip

    return change


def arm(desk, pair) -> tuple[StrategyExecution, str]:
    desk.at(9, 20)
    desk.first = dict(desk.player.last.quotes)
    run = desk.run(pair)
    return run, run.plan["legs"][0]["symbol"]


def test_an_entry_waits_until_the_premium_has_risen_and_then_sells_that_contract(desk_of):
    desk, pair = put(desk_of)
    run, symbol = arm(desk, pair)
    assert (run.status, run.waiting, run.code) == ("due", True, "WAITING")
    assert not desk.orders(pair)

    desk.at(9, 25, change=moved(desk, symbol, "9.95"))
    assert not desk.orders(pair)
    desk.at(9, 30, change=moved(desk, symbol, "10"))

    run.refresh_from_db()
    assert (run.status, run.code, run.waiting) == ("done", "", False)
    assert desk.held(pair) == {symbol: -65}


def test_a_restart_goes_on_from_the_reference_that_was_stored(desk_of):
    desk, pair = put(desk_of, wait_move="-10", wait_unit="percent")
    run, symbol = arm(desk, pair)
    mid = desk.first[symbol].mid
    assert Decimal(run.watch["reference"]) == mid
    assert Decimal(run.watch["level"]) == mid * Decimal("0.9")

    desk.at(9, 25, change=moved(desk, symbol, str(-(mid / 10).quantize(Decimal("0.05")) - 1)))

    assert desk.run(pair).status == "done"


def test_a_price_that_never_comes_is_missed_at_the_cut_off(desk_of):
    desk, pair = put(desk_of, wait_move="500")
    run, symbol = arm(desk, pair)

    desk.at(9, 40)

    run.refresh_from_db()
    assert (run.status, run.code) == ("missed", "WAIT_OVER")
    assert run.detail.startswith(f"Waits for {symbol} at ")
    assert not desk.orders(pair)


def test_the_underlying_may_be_waited_for_by_its_synthetic_forward(desk_of):
    desk, pair = put(desk_of, wait_for="underlying", wait_leg=None, wait_move="-2000")
    run, _ = arm(desk, pair)
    forward = desk.player.last.forwards["NIFTY", EXPIRY_TUESDAY]

    assert (run.watch["of"], Decimal(run.watch["reference"])) == ("NIFTY", forward)
    assert Decimal(run.watch["level"]) == forward - 2000


def test_an_exit_ends_the_wait(desk_of):
    desk, pair = put(desk_of)
    run, _ = arm(desk, pair)
    owner = pair.broker_account.user

    services.exit_now(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.player.wall)
    desk.at(9, 25)

    run.refresh_from_db()
    assert (run.status, run.code) == ("failed", "WITHDRAWN")
