"""The worked tables of docs/algorithms/payoff.md, held against the code."""

from __future__ import annotations

from market.catalogue.payoff import payoff_of
from tests.unit.market.catalogue.test_payoff import MONTHLY, flat, leg
from tests.unit.test_documents import table

DOCUMENT = "docs/algorithms/payoff.md"


def said(first_column):
    return {row[first_column]: row["value"] for row in table(DOCUMENT, first_column)}


def money(value):
    return "no end" if value is None else f"{value:.2f}"


def test_the_strangle_of_the_document_has_its_figures():
    found = payoff_of(flat(), [leg("SELL", "CE", 24_900, price=100.0), leg("SELL", "PE", 24_300, price=80.0)])
    one, two = found.bands

    assert said("figure") == {
        "premium": money(found.premium),
        "breakevens": " and ".join(map(money, found.breakevens)),
        "best": money(found.max_profit),
        "worst": money(found.max_loss),
        "years": f"{found.legs[0].years:.6f}",
        "1 sigma": f"{one.low:.2f} to {one.high:.2f}",
        "2 sigma": f"{two.low:.2f} to {two.high:.2f}",
        "odds of profit": f"{found.probability_of_profit:.1%}",
    }


def test_the_calendar_of_the_document_has_its_figures():
    legs = [leg("SELL", "CE", 24_600, price=210.0), leg("BUY", "CE", 24_600, MONTHLY, price=370.0)]
    found = payoff_of(flat(), legs)

    assert said("figure at the near expiry") == {
        "paid": money(-found.premium),
        "breakevens": " and ".join(map(money, found.breakevens)),
        "best, at the strike": money(found.max_profit),
        "worst": money(found.max_loss),
        "odds of profit": f"{found.probability_of_profit:.1%}",
    }
