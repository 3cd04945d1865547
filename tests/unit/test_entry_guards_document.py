"""The worked tables of the entry guards and of the rolls, held against the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from execution.codes import CODES
from execution.engine.desk import Desk, Silent
from execution.engine.roll_judging import credit_of
from execution.models import Position
from market.kernel.contracts import parse
from market.kernel.frame import Frame, Quote
from market.kernel.money import rupees
from market.models import Contract
from strategies.rules import Conditions, Guard, ResolvedLeg, blocked, price_reasons, watch_of
from strategies.rules.watching import PREMIUM, Watch
from tests.unit.test_documents import Row, table

NOW = datetime(2026, 8, 3, 3, 50, tzinfo=UTC)
GUARDS, EXPIRY = "docs/algorithms/entry-guards.md", "docs/algorithms/expiry.md"


def quoted(bid: str, ask: str) -> Quote:
    low, high = Decimal(bid), Decimal(ask)
    return Quote(low, high, (low + high) / 2, 650, 650, NOW)


def framed(quotes: dict[str, Quote]) -> Frame:
    return Frame(timeline="t", n=1, now=NOW, cadence=1.0, quotes=quotes, spots={}, forwards={})


def asked(words: str) -> dict[str, Decimal]:
    name, value = words.split(" ")
    return {name: Decimal(value)}


CONDOR = [
    ResolvedLeg(number=int(row["leg"]), side=row["side"], ratio=1, contract=parse(row["contract"]),
                reference=Decimal(0))
    for row in table(GUARDS, "leg")
]  # fmt: skip
MARKET = framed({row["contract"]: quoted(row["bid"], row["ask"]) for row in table(GUARDS, "leg")})


@pytest.mark.parametrize("row", table(GUARDS, "condition"), ids=str)
def test_the_guards_answer_as_the_document_says(row: Row):
    terms = Conditions(**asked(row["condition"]))

    found = blocked(terms, CONDOR, underlying="NIFTY", frame=MARKET, day=NOW.date())

    assert (found.guard.value if found else "goes") == row["answer"]


def test_the_document_names_every_guard_and_whether_it_waits_and_the_screen_has_words_for_each():
    said = {code: row["waits"] == "yes" for row in table(GUARDS, "guard") for code in row["code"].split(", ")}

    from strategies.rules import CLEARING

    assert said == {guard.value: guard in CLEARING for guard in Guard}
    assert set(Guard) <= set(CODES)


@pytest.mark.parametrize("row", table(GUARDS, "reference"), ids=str)
def test_a_wait_goes_where_the_document_says(row: Row):
    contract = CONDOR[0].contract
    reference = Decimal(row["reference"])
    frame = framed({contract.symbol: quoted(str(reference - 1), str(reference + 1))})
    terms = Conditions(wait_for="leg", wait_leg=1, wait_move=Decimal(row["move"]), wait_unit=row["unit"])

    watch = watch_of(terms, CONDOR, frame=frame, base="synthetic", until=NOW)

    assert watch.level == Decimal(row["level"])
    assert watch.reached(Decimal(row["mid"])) == (row["goes"] == "yes")


@pytest.mark.parametrize("row", table(GUARDS, "sold at"), ids=str)
def test_a_re_entry_at_cost_comes_where_the_document_says(row: Row):
    watch = Watch(of=PREMIUM, reference=Decimal(row["stopped, mid at"]), level=Decimal(row["sold at"]), until=NOW)

    mids = [Decimal(mid) for mid in row["next mids"].split(", ")]

    assert next(mid for mid in mids if watch.reached(mid)) == Decimal(row["enters at"])


@pytest.mark.parametrize("row", table(EXPIRY, "old contract"), ids=str)
def test_a_roll_takes_in_what_the_document_says(row: Row):
    old, new = row["old contract"], row["new contract"]
    quotes = {old: quoted(row["old bid"], row["old ask"]), new: quoted(row["new bid"], row["new ask"])}
    desk = Desk(timeline=None, frame=framed(quotes), wall=NOW, adapter_for=None, feed=Silent(), tag_key=b"")  # type: ignore[arg-type]  # prices alone are read
    held = Position(leg_number=1, quantity=-65, average_price=Decimal(80), contract=_contract(old))
    target = replace(CONDOR[1], contract=parse(new))
    bounds = {"min_credit": None, "max_debit": None} | {
        name.removeprefix("roll_"): value for name, value in asked(row["asked"]).items()
    }

    credit = credit_of([held], [target], 1, desk)

    assert credit is not None
    assert str(rupees(credit)) == row["credit of a lot"]
    reason = next(price_reasons(credit, bounds["min_credit"], bounds["max_debit"]), None)
    assert (reason.guard.value if reason else "goes") == row["answer"]


def _contract(symbol: str) -> Contract:
    spec = parse(symbol)
    return Contract(symbol=symbol, underlying=spec.underlying, expiry=spec.expiry, strike=spec.strike, option_type=spec.option_type,
                    lot_size=spec.lot_size)  # fmt: skip
