"""A question outside the coverage is a 422 that says what is missing, whatever asked it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import pytest

from market import quotes
from market.api.problems import handler
from market.kernel import contracts
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import at
from market.sources.simulated import World

pytestmark = pytest.mark.django_db
TUESDAY = date(2026, 8, 4)


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        (
            "calendar?exchange=NSE&from=2026-12-01&to=2027-01-05",
            "the NSE session hours and holidays of 2027 are missing",
        ),
        (
            "calendar?exchange=BSE&from=2020-12-30&to=2021-01-05",
            "the BSE session hours and holidays of 2020 are missing",
        ),
    ],
)
def test_a_day_outside_the_calendar_is_a_422_that_says_what_is_missing(api, question, missing):
    answer = api.get(f"/options/market/{question}")

    assert (answer.status_code, answer.json()["code"]) == (422, "outside_coverage")
    assert missing in answer.json()["detail"]


def test_contracts_of_a_day_outside_the_facts_are_a_422_that_says_what_is_missing(
    api, timeline, valkey
):
    frame = World(7, TUESDAY).frame_at(
        at(TUESDAY, time(11)), timeline=timeline.key, n=1, cadence=30
    )
    quotes.publish(replace(frame, now=at(date(2027, 1, 4), time(11))))

    answer = api.get("/options/market/contracts?underlying=NIFTY")

    assert (answer.status_code, answer.json()["code"]) == (422, "outside_coverage")
    assert answer.json()["detail"] == "No freeze quantity of 'NIFTY' on 2027-01-04."
    assert "import the missing facts" in answer.json()["fix"]


def test_any_other_question_of_an_api_outside_the_facts_is_a_422_too():
    with pytest.raises(OutsideCoverage) as gap:
        contracts.lot_size("FINNIFTY", date(2027, 1, 26))

    answer = handler(gap.value, {})

    assert (answer.status_code, answer.data["code"]) == (422, "outside_coverage")
    assert answer.data["detail"] == "No lot size of 'FINNIFTY' contracts that expire on 2027-01-26."
    assert answer.data["retryable"] is False
