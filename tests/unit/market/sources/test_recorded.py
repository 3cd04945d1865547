"""Recorded files become frames, and what they lack is said, never guessed."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest

from market.kernel.clock import at
from market.kernel.frame import encode
from market.sources import recorded
from market.sources.files import Broken, UnknownFormat
from market.sources.spread import SpreadModel
from tests.unit.market.sources.recordings import SPOT_HEADER, bars, chain, write

DAY = date(2026, 8, 4)
CALL = "NIFTY-20260804-24600-CE"


def moment(text: str) -> datetime:
    return at(DAY, time.fromisoformat(text))


def play(tmp_path, rows, *, spot=None, **options):
    spots = None if spot is None else [write(tmp_path, spot, name="NIFTY_x.csv", header=SPOT_HEADER)]
    (day,) = recorded.days([write(tmp_path, rows)], spots, **options)
    return day, list(day.frames("replay"))


def test_each_snapshot_of_the_session_is_one_numbered_frame(tmp_path):
    day, frames = play(tmp_path, chain("09:15") + chain("09:16"))

    assert [(f.timeline, f.n, f.now) for f in frames] == [
        ("replay", 1, moment("09:15")),
        ("replay", 2, moment("09:16")),
    ]
    assert day.quality.cadence == frames[0].cadence == 60
    assert (day.quality.rows, day.quality.kept) == (20, 20)


def test_bid_and_ask_are_the_stated_spread_rounded_outward_to_ticks(tmp_path):
    rows = [f"2026-08-04 09:15,NIFTY,2026-08-11,24600,CE,{ltp},NORMAL" for ltp in ("101.30",)]
    _, (frame,) = play(tmp_path, rows)

    quote = frame.quotes["NIFTY-20260811-24600-CE"]
    # half-spread 0.15% of 101.30 is 0.15195
    assert (quote.bid, quote.ltp, quote.ask) == (Decimal("101.10"), Decimal("101.30"), Decimal("101.50"))
    assert (quote.bid_quantity, quote.ask_quantity) == (20 * 65, 20 * 65)


def test_a_price_of_one_tick_has_an_offer_and_no_bid(tmp_path):
    _, (frame,) = play(tmp_path, ["2026-08-04 09:15,NIFTY,2026-08-04,26000,CE,0.05,NORMAL"])

    quote = frame.quotes["NIFTY-20260804-26000-CE"]
    assert (quote.bid, quote.ask, quote.bid_quantity) == (None, Decimal("0.10"), 0)


def test_another_spread_model_describes_itself_in_the_report(tmp_path):
    model = SpreadModel(option_fraction=Decimal("0.01"), least_ticks=2, displayed_lots=3)
    day, (frame,) = play(tmp_path, chain("09:15"), spread=model)

    quote = frame.quotes[CALL]
    assert (quote.bid, quote.ask, quote.ask_quantity) == (Decimal("49.50"), Decimal("50.50"), 195)
    assert "half-spread 1% of" in day.quality.spread_model
    assert "at least 2 tick(s)" in day.quality.spread_model
    assert "3 lots" in day.quality.spread_model


def test_rows_flagged_stale_are_skipped_and_counted(tmp_path):
    day, frames = play(tmp_path, chain("09:05", session="PREOPEN_STALE") + chain("09:15"))

    assert [f.now for f in frames] == [moment("09:15")]
    assert day.quality.stale == 10
    assert day.quality.flagged == {"PREOPEN_STALE": 10}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,50", "6 columns instead of 7"),
        ("", "1 columns instead of 7"),
        ("2026-08-04 9h15,NIFTY,2026-08-04,24600,CE,50,NORMAL",
         "snapshot_ist '2026-08-04 9h15' is not a time such as 2026-08-04 09:15"),
        ("2026-08-04 09:15,GOLD,2026-08-04,24600,CE,50,NORMAL", "underlying 'GOLD' is unknown"),
        ("2026-08-04 09:15,NIFTY,4 Aug,24600,CE,50,NORMAL",
         "expiry '4 Aug' is not a date such as 2026-08-04"),
        ("2026-08-04 09:15,NIFTY,2026-07-28,24600,CE,50,NORMAL",
         "NIFTY-20260728-24600-CE had expired by 2026-08-04"),
        ("2026-08-04 09:15,NIFTY,2026-08-04,-5,CE,50,NORMAL", "strike '-5' is not above 0"),
        ("2026-08-04 09:15,NIFTY,2026-08-04,24600,XX,50,NORMAL", "type 'XX' is neither CE nor PE"),
        ("2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,,NORMAL", "ltp '' is not a number"),
        ("2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,nan,NORMAL", "ltp 'nan' is not above 0"),
        ("2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,0,NORMAL", "ltp '0' is not above 0"),
        ("2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,50.03,NORMAL",
         "ltp 50.03 is not a multiple of the 0.05 tick"),
        ("2026-08-04 18:00,NIFTY,2026-08-04,24600,CE,50,NORMAL",
         "18:00 is outside the NSE session 09:15-15:40"),
        ('2026-08-04 09:15,"NIFTY,2026-08-04,24600,CE,50,NORMAL', "underlying '\"NIFTY' is unknown"),
    ],
)  # fmt: skip
def test_a_broken_row_is_named_and_the_good_ones_stay(tmp_path, row, reason):
    day, (frame,) = play(tmp_path, [row, *chain("09:15")])

    assert day.quality.broken == (Broken(2, reason, "ltp.csv"),)
    assert (day.quality.rows, day.quality.kept, len(frame.quotes)) == (11, 10, 10)


def test_a_repeated_row_is_counted_and_a_second_price_is_named(tmp_path):
    first, *_ = chain("09:15")
    other = first.replace(",150,", ",151,")
    day, (frame,) = play(tmp_path, [*chain("09:15"), first, other])

    assert day.quality.duplicates == 1
    assert day.quality.broken == (
        Broken(13, "NIFTY-20260804-24500-CE has a second price 151 at 09:15; 150 is kept", "ltp.csv"),
    )
    assert frame.quotes["NIFTY-20260804-24500-CE"].ltp == 150


def test_a_file_that_breaks_off_keeps_what_came_before(tmp_path):
    path = write(tmp_path, chain("09:15") + chain("09:16"), name="ltp.csv.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-12])

    (day,) = recorded.days([path])

    assert [b.reason.split(":")[0] for b in day.quality.broken] == ["the file breaks off"]
    assert day.quality.kept >= 10


def test_a_missing_contract_keeps_its_last_quote_and_goes_stale(tmp_path):
    later = [row for row in chain("09:16") + chain("09:17") + chain("09:18") if ",24600,CE," not in row]
    day, frames = play(tmp_path, chain("09:15") + later)

    quotes = [frame.quotes[CALL] for frame in frames]
    assert {quote.at for quote in quotes} == {moment("09:15")}
    assert [q.stale(f.now, f.cadence) for q, f in zip(quotes, frames, strict=True)] == [
        False, False, False, True,
    ]  # fmt: skip
    assert day.quality.missing == {CALL: 3}
    assert "1 contracts have no row: their last quotes stand, ageing" in frames[1].notes


def test_a_gap_stays_a_gap_and_is_reported(tmp_path):
    rows = [row for stamp in ("09:15", "09:16", "09:17", "09:34", "09:35") for row in chain(stamp)]
    day, frames = play(tmp_path, rows)

    assert len(frames) == 5
    assert day.quality.gaps == ((moment("09:17"), moment("09:34")),)
    assert "after a gap of 17 minutes in the recording" in frames[3].notes


def test_the_forward_is_by_parity_and_stands_in_for_the_monthly_future(tmp_path):
    _, (frame,) = play(tmp_path, chain("09:15") + chain("09:15", expiry="2026-08-25", forward=24700))

    assert abs(frame.forwards["NIFTY", DAY] - 24600) < 1
    monthly = ("NIFTY", date(2026, 8, 25))
    assert abs(frame.forwards[monthly] - 24700) < 1
    future = frame.quotes["NIFTY-20260825-FUT"]
    assert abs(future.ltp - frame.forwards[monthly]) <= Decimal("0.05")
    assert future.bid < future.ltp < future.ask
    assert frame.synthetic == {monthly}
    assert "NIFTY-20260804-FUT" not in frame.quotes


def test_a_series_with_too_few_strikes_has_no_forward_and_says_so(tmp_path):
    _, (frame,) = play(tmp_path, chain("09:15")[:4])

    assert frame.forwards == {}
    assert frame.spots == {}
    assert "NIFTY 2026-08-04: no forward, fewer than 3 strikes with both sides" in frame.notes


def test_the_spot_is_the_close_of_the_last_bar_that_had_ended(tmp_path):
    stamps = ("09:17", "09:18", "09:20", "09:21")
    rows = [row for stamp in stamps for row in chain(stamp)]
    day, frames = play(tmp_path, rows, spot=bars(("09:15", 24590), ("09:18", 24595)))

    by_parity, *from_file = [frame.spots["NIFTY"] for frame in frames]
    assert abs(by_parity - 24600) < 2
    assert from_file == [24590, 24590, 24595]
    assert "NIFTY spot by parity: no finished index bar" in frames[0].notes
    assert day.quality.spot_source.startswith("NIFTY: close of the last finished 3-minute bar")


def test_the_spot_is_absent_once_the_index_stops_being_continuous(tmp_path):
    _, frames = play(tmp_path, chain("15:14") + chain("15:15") + chain("15:40"))

    assert [set(frame.spots) for frame in frames] == [{"NIFTY"}, set(), set()]
    assert [len(frame.forwards) for frame in frames] == [1, 1, 1]


def test_the_same_files_give_the_same_frames(tmp_path):
    day, frames = play(tmp_path, chain("09:16") + chain("09:15"))

    again = list(recorded.days([tmp_path / "ltp.csv"])[0].frames("replay"))
    assert [encode(f) for f in frames] == [encode(f) for f in again]
    assert [f.now for f in frames] == sorted(day.moments)


def test_several_files_play_as_days_in_order(tmp_path):
    second = [row.replace("2026-08-04 ", "2026-08-05 ").replace(",2026-08-04,", ",2026-08-11,")
              for row in chain("09:15")]  # fmt: skip
    files = [write(tmp_path, second, name="b.csv"), write(tmp_path, chain("09:15"), name="a.csv.gz")]

    days = recorded.days(files)

    assert [day.day for day in days] == [DAY, date(2026, 8, 5)]
    assert [f.n for f in days[1].frames("replay", first_n=7)] == [7]


def test_an_unknown_format_names_the_file_and_the_known_forms(tmp_path):
    path = write(tmp_path, [], name="other.csv", header="time,price")

    with pytest.raises(UnknownFormat, match=r"other.csv: the first line is 'time,price'. Known"):
        recorded.days([path])


def test_a_file_that_is_no_gzip_is_an_unknown_format(tmp_path):
    path = tmp_path / "broken.csv.gz"
    path.write_bytes(b"not gzip")

    with pytest.raises(UnknownFormat, match="not readable as gzip"):
        recorded.days([path])


def test_an_index_file_must_be_named_by_its_underlying(tmp_path):
    path = write(tmp_path, bars(("09:15", 1), ("09:18", 1)), name="index.csv", header=SPOT_HEADER)

    with pytest.raises(UnknownFormat, match="'INDEX' is none of NIFTY"):
        recorded.days([write(tmp_path, chain("09:15")), path])


def test_files_without_a_usable_row_are_refused_with_an_example(tmp_path):
    path = write(tmp_path, ["2026-08-04 09:15,NIFTY,2026-08-04,24600,CE,zero,NORMAL"])

    with pytest.raises(recorded.NothingRecorded, match="line 2: ltp 'zero' is not a number"):
        recorded.days([path])


def test_a_day_on_which_the_exchange_is_closed_plays_nothing(tmp_path):
    rows = [row.replace("2026-08-04 ", "2026-08-02 ") for row in chain("10:00")]

    with pytest.raises(recorded.NothingRecorded, match="NSE does not trade on 2026-08-02"):
        recorded.days([write(tmp_path, rows)])
