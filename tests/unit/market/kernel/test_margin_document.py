"""The worked tables of docs/algorithms/margin.md, held against the code."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal

import pytest

from market.kernel import calendar, pricing, span
from market.kernel.clock import IST
from market.kernel.contracts import Contract
from market.kernel.margin import MarginLeg, attributed, requirement
from tests.unit.test_documents import AUGUST_4, table

DOCUMENT = "docs/algorithms/margin.md"
MORNING = datetime(2026, 8, 4, 9, 20, tzinfo=IST)
WEEKLY = date(2026, 8, 11)
CASES = {row["case"]: row for row in table(DOCUMENT, "case")}


def leg(quantity, option_type, strike, vol, *, expiry=WEEKLY, now=MORNING, spot=24_000.0, underlying="NIFTY"):
    contract = Contract(underlying, expiry, option_type, Decimal(strike))
    t = pricing.year_fraction(now, calendar.settlement_time("NSE", expiry))
    forward, df = spot * math.exp(pricing.RATE * t), math.exp(-pricing.RATE * t)
    price = pricing.price(forward, strike, t, df, vol, contract.is_call)
    return MarginLeg(contract, quantity, price, vol, forward)


@pytest.mark.parametrize("row", table(DOCUMENT, "portfolio"), ids=str)
def test_the_usual_strategies_need_what_the_document_says(row):
    legs = []
    for side, strike, option_type, vol in re.findall(r"([+-])(\d+)-(CE|PE) ([\d.]+)%", row["portfolio"]):
        legs.append(leg(65 if side == "+" else -65, option_type, int(strike), float(vol) / 100))

    found = requirement(legs, 24_000.0, MORNING)

    assert (str(found.span), str(found.exposure), str(found.total)) == (
        row["span"], row["exposure"], row["total"],
    )  # fmt: skip


def test_the_parameters_are_those_of_the_dated_facts():
    said = {row["parameter"]: row["value"] for row in table(DOCUMENT, "parameter")}
    rates = span.rates_on(AUGUST_4)

    assert said["price scan range"] == (
        f"{rates.price_scan:.1%} of the forward; {rates.price_scan_long:.1%} with more than nine months left"
    )
    assert said["vol scan range"] == (
        f"the larger of {rates.vol_scan:.0%} of the vol and {rates.vol_scan_floor * 100:.0f} points; "
        f"no vol below {span.LOWEST_VOL:.0%}"
    )
    assert said["calendar charge"].startswith(f"{rates.calendar_charge:.2%} of the far contract's forward")
    assert said["exposure"].startswith(f"{rates.exposure:.0%} of the index")
    assert said["far from the money"] == (
        f"{rates.deep_otm:.0%} more on a short option more than {rates.deep_otm_from:.0%} out of the money"
    )
    assert said["expiry day"].startswith(f"{rates.expiry_day:.0%} of the index")


def test_the_shares_of_the_document_follow_from_the_stand_alone_margins():
    rows = table(DOCUMENT, "pair")
    alone = {row["pair"]: Decimal(row["stand-alone"]) for row in rows}

    shares = attributed(Decimal(100_000), alone)

    assert {pair: str(share) for pair, share in shares.items()} == {
        row["pair"]: row["share of 100000.00"] for row in rows
    }


def kite():
    now, expiry = datetime(2023, 7, 11, 15, 30, tzinfo=IST), date(2023, 7, 27)
    when = {"expiry": expiry, "now": now, "spot": 19_434.15}
    short, hedge = leg(-75, "CE", 20_600, 0.12, **when), leg(75, "CE", 20_700, 0.12, **when)
    alone, both = requirement([short], 19_434.15, now), requirement([short, hedge], 19_434.15, now)
    return {
        "Kite, short 75 NIFTY 20600 CE, July 2023: SPAN": alone.span,
        "Kite, its exposure": alone.exposure,
        "Kite, with a long 20700 CE: SPAN": both.span,
    }


def fyers():
    now, expiry = datetime(2024, 5, 13, 11, 0, tzinfo=IST), date(2024, 5, 16)
    when = {"expiry": expiry, "now": now, "spot": 22_400.0}
    short, hedge = leg(-25, "PE", 22_600, 0.14, **when), leg(25, "PE", 22_500, 0.14, **when)
    return {
        "FYERS, short 25 NIFTY 22600 PE, 2024: total": requirement([short], 22_400.0, now).total,
        "FYERS, with a long 22500 PE: total": requirement([short, hedge], 22_400.0, now).total,
    }


def algotest():
    now, expiry = datetime(2024, 10, 9, 11, 0, tzinfo=IST), date(2024, 10, 16)
    when = {"expiry": expiry, "now": now, "spot": 51_400.0, "underlying": "BANKNIFTY"}
    legs = [
        leg(15, "PE", 51_000, 0.15, **when), leg(-15, "PE", 50_800, 0.15, **when),
        leg(15, "CE", 51_800, 0.15, **when), leg(-15, "CE", 52_000, 0.15, **when),
    ]  # fmt: skip
    found = requirement(legs, 51_400.0, now).total
    return {"AlgoTest, BANKNIFTY long iron condor, October 2024: total": found}


def test_every_case_is_as_far_from_the_broker_as_the_document_says():
    found = kite() | fyers() | algotest()

    assert found.keys() == CASES.keys()
    for case, here in found.items():
        broker = Decimal(CASES[case]["broker or exchange"])
        off = f"{here / broker - 1:.1%}".replace("-0.0%", "0.0%")
        assert (str(here), off) == (CASES[case]["here"], CASES[case]["off by"]), case
        assert abs(here / broker - 1) < (Decimal("0.10") if "with a long" in case else Decimal("0.05"))
