"""Re-entry after a stop or target: at the strikes of then, or in the same contract at its cost."""

from decimal import Decimal

from execution.models import Position, StrategyExecution
from tests.integration.execution.conftest import one_strategy

AGAIN = {"reentry": "asap", "reentry_count": 1, "reentry_until": "14:00", "stop_loss": "1000",
         "confirm_frames": 1}


def put(desk_of, **terms):
    document = one_strategy("Cash Secured Put", broker="finvasia", lots=1, terms=AGAIN | terms)
    desk = desk_of(document)
    pair = desk.pair("Cash Secured Put", "finvasia")
    desk.at(9, 20)
    return desk, pair, Position.objects.get()


def priced(symbol: str, ask: Decimal):
    """This contract bid and offered a rupee wide up to `ask`."""

    def change(quotes):
        quote = quotes[symbol]
        return {**quotes, symbol: quote._replace(bid=ask - 1, ask=ask, ltp=ask - Decimal("0.5"))}

    return change


def entries(pair):
    runs = StrategyExecution.objects.filter(allocation=pair, phase="entry").order_by("cycle")
    return [(run.cycle, run.cause, run.status) for run in runs]


def test_a_stopped_pair_enters_again_at_once_under_its_next_cycle(desk_of):
    desk, pair, position = put(desk_of)

    desk.at(9, 30, change=priced(position.contract.symbol, position.average_price + 16))
    desk.at(9, 30, 10)

    assert desk.run(pair, "exit").cause == "stop"
    assert entries(pair) == [(1, "schedule", "done"), (2, "reentry", "done")]
    assert sum(desk.held(pair).values()) == -65


def test_it_enters_no_more_often_than_it_says(desk_of):
    desk, pair, position = put(desk_of)
    symbol = position.contract.symbol
    desk.at(9, 30, change=priced(symbol, position.average_price + 16))
    desk.at(9, 30, 10)
    (held,) = desk.held(pair)
    again = Position.objects.get(contract__symbol=held)

    desk.at(9, 40, change=priced(held, again.average_price + 40))
    desk.at(9, 41)

    assert StrategyExecution.objects.filter(phase="exit", cause="stop", status="done").count() == 2
    assert entries(pair) == [(1, "schedule", "done"), (2, "reentry", "done")]
    assert desk.held(pair) == {}


def test_no_re_entry_past_its_cut_off(desk_of):
    desk, pair, position = put(desk_of, reentry_until="09:30")

    desk.at(9, 30, change=priced(position.contract.symbol, position.average_price + 16))
    desk.at(9, 30, 10)

    assert desk.run(pair, "exit").cause == "stop"
    assert entries(pair) == [(1, "schedule", "done")]


def test_at_cost_the_same_contract_is_sold_when_it_is_back_at_what_it_was_sold_for(desk_of):
    desk, pair, position = put(desk_of, reentry="cost")
    symbol, cost = position.contract.symbol, position.average_price
    desk.at(9, 30, change=priced(symbol, cost + 16))
    desk.at(9, 31, change=priced(symbol, cost + 10))

    run = StrategyExecution.objects.get(phase="entry", cycle=2)
    assert (run.waiting, Decimal(run.watch["level"])) == (True, cost * 65)
    desk.at(9, 40, change=priced(symbol, cost + 1))  # the mid is half a rupee above
    assert desk.held(pair) == {}
    desk.at(9, 50, change=priced(symbol, cost + Decimal("0.50")))

    assert entries(pair) == [(1, "schedule", "done"), (2, "reentry", "done")]
    assert desk.held(pair) == {symbol: -65}


def test_at_cost_it_is_missed_when_the_price_does_not_come_back(desk_of):
    desk, pair, position = put(desk_of, reentry="cost", reentry_until="09:45")
    symbol, cost = position.contract.symbol, position.average_price
    desk.at(9, 30, change=priced(symbol, cost + 16))
    desk.at(9, 31, change=priced(symbol, cost + 10))

    desk.at(9, 45, change=priced(symbol, cost))

    run = StrategyExecution.objects.get(phase="entry", cycle=2)
    assert (run.status, run.code) == ("missed", "WAIT_OVER")
    assert desk.held(pair) == {}
