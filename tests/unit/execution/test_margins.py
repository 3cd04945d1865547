"""Margins at a frame: netted by contract, after each order of a sequence, shared out to pairs."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.engine.margins import NoMargin, Sheet, after_each, requirement, shares
from market.kernel.clock import at
from market.kernel.contracts import Contract
from tests.unit.strategies.frames import MONTH, NEXT_WEEK, WEEK, make_frame

FRAME = make_frame()


def option(option_type, strike, expiry=NEXT_WEEK):
    return Contract("NIFTY", expiry, option_type, Decimal(strike))


FUTURE = Contract("NIFTY", MONTH, "FUT")
SHORT_CALL = (option("CE", 24_600), -65)
HEDGE = (option("CE", 24_700), 65)


def test_what_two_pairs_hold_in_one_contract_is_netted_as_the_broker_sees_it():
    contract = option("CE", 24_600)

    assert requirement([(contract, -65), (contract, 65)], FRAME) == 0
    assert requirement([(contract, -130), (contract, 65)], FRAME) == requirement([SHORT_CALL], FRAME)


def test_underlyings_do_not_offset_each_other():
    quote = FRAME.quotes[FUTURE.symbol]
    bank = Contract("BANKNIFTY", MONTH, "FUT")
    both = replace(
        FRAME,
        quotes={**FRAME.quotes, bank.symbol: quote},
        forwards={**FRAME.forwards, ("BANKNIFTY", MONTH): Decimal("24580")},
    )

    together = requirement([(FUTURE, 65), (bank, -30)], both)

    assert together == requirement([(FUTURE, 65)], both) + requirement([(bank, -30)], both)


def test_the_margin_is_said_after_each_order_and_falls_when_the_hedge_comes():
    alone, hedged = after_each([], [SHORT_CALL, HEDGE], FRAME)
    first, second = after_each([], [HEDGE, SHORT_CALL], FRAME)

    assert alone == requirement([SHORT_CALL], FRAME)
    assert hedged == second == requirement([SHORT_CALL, HEDGE], FRAME)
    assert alone > 2 * hedged  # hedges go first for a reason
    assert first == 0


def test_a_sequence_starts_from_what_is_held():
    (found,) = after_each([HEDGE], [SHORT_CALL], FRAME)

    assert found == requirement([SHORT_CALL, HEDGE], FRAME)


def test_a_condors_two_sides_show_the_step_that_needs_most():
    legs = [
        (option("PE", 24_400), 65), (option("CE", 24_700), 65),
        (option("PE", 24_500), -65), (option("CE", 24_600), -65),
    ]  # fmt: skip
    blocked = after_each([], legs, FRAME)

    assert blocked[:2] == [0, 0]
    assert blocked[2] < blocked[3] == max(blocked)  # exposure of the second short


def test_the_shares_of_an_account_add_up_to_its_margin():
    held = {"condor": [SHORT_CALL], "call": [HEDGE], "cash": [(option("PE", 24_400), -65)], "other": [SHORT_CALL]}
    account = {"condor": 1, "call": 1, "cash": 1, "other": 2}

    found = shares(held, account, FRAME)

    whole = [each for pair in ("condor", "call", "cash") for each in held[pair]]
    assert found["condor"] + found["call"] + found["cash"] == requirement(whole, FRAME)
    assert found["call"] == 0  # bought options need none by themselves
    assert found["condor"] < requirement([SHORT_CALL], FRAME)  # the account is hedged
    assert found["other"] == requirement([SHORT_CALL], FRAME)


def test_a_pair_that_cannot_be_priced_leaves_its_account_unknown_and_no_other():
    missing = (option("CE", 25_000), -65)

    found = shares({"a": [missing], "b": [SHORT_CALL], "c": [SHORT_CALL]}, {"a": 1, "b": 1, "c": 2}, FRAME)

    assert (found["a"], found["b"]) == (None, None)
    assert found["c"] == requirement([SHORT_CALL], FRAME)


def test_a_contract_without_a_quote_is_named():
    with pytest.raises(NoMargin, match="NIFTY-20260811-25000-CE"):
        requirement([(option("CE", 25_000), -65)], FRAME)


def test_after_1515_exposure_is_on_the_expiring_series_and_not_on_the_frozen_index():
    late = replace(
        make_frame(), now=at(WEEK, time(15, 20)), spots={"NIFTY": Decimal("20000")},
    )  # fmt: skip
    short = [(option("CE", 24_600, WEEK), -65)]

    assert requirement(short, late) == requirement(short, replace(late, spots={}))


def test_before_1515_exposure_is_on_the_index():
    frame = replace(make_frame(), now=at(date(2026, 8, 3), time(15, 14)))
    short = [(FUTURE, -65)]
    lower = replace(frame, spots={"NIFTY": Decimal("24390")})

    assert requirement(short, frame) - requirement(short, lower) == Decimal("130.00")  # 2% of 100 x 65


@given(st.permutations([SHORT_CALL, HEDGE, (option("PE", 24_400), -65), (FUTURE, 65)]))
def test_whatever_the_order_the_last_figure_is_that_of_the_whole(orders):
    assert after_each([], orders, FRAME)[-1] == requirement(orders, FRAME)


def test_a_sheet_prices_each_contract_once():
    sheet = Sheet(FRAME)
    sheet.requirement([SHORT_CALL, HEDGE])
    before = dict(sheet.priced)
    sheet.requirement([(SHORT_CALL[0], -650), HEDGE])

    assert sheet.priced == before
    assert set(before) == {SHORT_CALL[0], HEDGE[0]}
