"""Conditions of a strategy over the API and the form: they come back as sent, and stand in words."""

import pytest

from strategies.selectors import conditions, newest_version, terms
from strategies.templatetags.conditions import stated_conditions
from tests.integration.strategies.sent import SPREAD

pytestmark = pytest.mark.django_db

CONDITIONS = {
    "min_credit": "1250.00", "max_debit": None, "max_spread_points": "2.00",
    "max_spread_percent": "5.00", "max_slippage_percent": "1.50", "vix_min": "11.00",
    "vix_max": "22.50", "gap_min": "-0.80", "gap_max": "0.80",
    "skip_days": ["2026-08-05", "2026-08-14"], "jitter_seconds": 30, "wait_for": "leg", "wait_leg": 2,
    "wait_move": "-10.00", "wait_unit": "percent", "wait_until": "11:00:00", "reentry": "cost",
    "reentry_of": "trade", "reentry_after": "either", "reentry_count": 2, "reentry_until": "14:00:00", "roll_premium": None,
    "roll_min_credit": None, "roll_max_debit": None, "roll_else": "hold",
}  # fmt: skip


def test_conditions_come_back_as_they_were_sent(api, basket):
    sent = SPREAD | CONDITIONS

    body = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json").json()

    assert {name: body[name] for name in CONDITIONS} == CONDITIONS


def test_a_change_of_something_else_keeps_them(api, basket):
    path = f"/options/baskets/{basket.pk}/strategies"
    made = api.post(path, SPREAD | CONDITIONS, format="json").json()

    body = api.patch(f"/options/strategies/{made['id']}", {"exit_time": "15:00"}, format="json").json()

    assert (body["version"], body["skip_days"]) == (2, CONDITIONS["skip_days"])
    assert {name: body[name] for name in CONDITIONS} == CONDITIONS


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"min_credit": "-5.00"}, "/min_credit"),
        ({"min_credit": "lots"}, "/min_credit"),
        ({"skip_days": ["5 August"]}, "/skip_days/0"),
        ({"jitter_seconds": 1801}, "/jitter_seconds"),
        ({"wait_for": "rain"}, "/wait_for"),
        ({**CONDITIONS, "wait_until": "15:20"}, "/wait_until"),
        ({**CONDITIONS, "wait_leg": 3}, "/wait_leg"),
        ({"reentry": "asap"}, "/reentry_count"),
        ({**CONDITIONS, "reentry_of": "leg"}, "/reentry_of"),  # no leg has a stop of its own
        ({"roll_min_credit": "100.00"}, "/at_expiry"),
    ],
)
def test_a_wrong_condition_is_named_and_nothing_is_saved(api, basket, sent, pointer):
    answer = api.post(f"/options/baskets/{basket.pk}/strategies", SPREAD | sent, format="json")

    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert basket.strategies.count() == 0


def test_they_stand_on_the_page_in_words(api, basket):
    sent = SPREAD | CONDITIONS
    made = api.post(f"/options/baskets/{basket.pk}/strategies", sent, format="json").json()
    version = newest_version(basket.strategies.get(pk=made["id"]))

    assert dict(stated_conditions(version)) == {
        "Credit": "at least 1,250.00 rupees a lot",
        "Bid to ask": "at most 2.00 points, at most 5.00% of the mid",
        "Slippage": "at most 1.50% from the mid",
        "VIX": "at least 11.00, at most 22.50",
        "Opening gap": "at least −0.80%, at most 0.80%",
        "Jitter": "up to 30 s later",
        "Skips": "05 Aug 2026, 14 Aug 2026",
        "Waits": "until leg 2 falls by 10.00%, 11:00 at the latest",
        "Enters again": "2 times a day until 14:00, after a stop or target: "
        "the same contracts, back at their cost",
    }
    assert conditions(version).skip_days == terms(version).skip_days
