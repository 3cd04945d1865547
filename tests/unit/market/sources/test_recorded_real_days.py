"""The real recorded days: read where MARKET_DATA_DIR says, else skipped with the reason."""

from __future__ import annotations

import os
from datetime import date, datetime, time
from pathlib import Path
from statistics import median

import pytest

from market.kernel.clock import at
from market.sources import recorded

FOLDER = os.environ.get("MARKET_DATA_DIR")
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER, reason="MARKET_DATA_DIR is not set: no recorded market days"),
]
DAY = date(2026, 8, 4)


def moment(text: str) -> datetime:
    return at(DAY, time.fromisoformat(text))


@pytest.fixture(scope="module")
def expiry_day():
    folder = Path(FOLDER)
    (day,) = recorded.days(
        [folder / "intraday_ltp_1min/nifty_ltp_2026-08-04.csv.gz"],
        [folder / "index_3min/NIFTY_20260727_20260804.csv"],
    )
    return day


def test_the_expiry_day_plays_every_snapshot_of_its_session(expiry_day):
    quality = expiry_day.quality

    assert len(expiry_day.snapshots) == 351 - 11  # eleven snapshots before 09:15 are stale
    assert (quality.rows, quality.kept, quality.stale) == (223_675, 216_613, 7_062)
    assert (quality.broken, quality.duplicates, quality.cadence) == ((), 0, 60)
    assert quality.gaps == ((moment("12:15"), moment("12:32")),)


def test_the_parity_forward_stays_near_the_index_while_the_index_lives(expiry_day):
    differences = [
        abs(frame.forwards["NIFTY", DAY] - frame.spots["NIFTY"])
        for frame in expiry_day.frames("replay")
        if "NIFTY" in frame.spots and frame.now >= moment("09:18")
    ]

    assert len(differences) > 300
    assert median(differences) < 5


def test_every_frame_has_the_four_forwards_and_the_stand_in_for_the_future(expiry_day):
    for frame in expiry_day.frames("replay"):
        assert {expiry.day for _, expiry in frame.forwards} == {4, 11, 18, 25}
        assert frame.synthetic == {("NIFTY", date(2026, 8, 25))}
        assert frame.quotes["NIFTY-20260825-FUT"].at == frame.now
