"""Amounts as an Indian trader reads them; tests/golden/money.json is shared with the script."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from users.templatetags import money

GOLDEN = json.loads((Path(__file__).parent.parent.parent / "golden" / "money.json").read_text())


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["value"])
def test_rupees_are_grouped_in_lakh_and_crore(row):
    assert money.grouped(Decimal(row["value"]), places=row["places"], sign=row["sign"]) == row["shown"]


def test_a_loss_carries_its_class_and_sign():
    assert money.pnl(Decimal("-4323.8")) == '<span class="pnl down">\u22124,323.80</span>'


def test_what_is_not_known_is_a_dash():
    assert [money.rupees(None), money.signed(None), money.greek(None)] == ["\u2013"] * 3


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(timedelta(hours=3, minutes=30), "in 3 h 30 min"), (timedelta(seconds=42), "in 42 s"), (timedelta(0), "now"),
     (timedelta(days=2, hours=1), "in 2 d 1 h")],
)  # fmt: skip
def test_the_time_until_something_is_in_words(ahead, words):
    now = datetime(2026, 8, 4, 4, 0, tzinfo=UTC)

    assert money.until(now + ahead, now) == words
