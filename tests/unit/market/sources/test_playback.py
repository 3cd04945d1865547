"""What the market process plays, and how long it waits: the speed divides time, nothing is skipped."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest

from market.kernel.clock import at
from market.sources.playback import NoSource, market_step, source_of
from tests.unit.market.sources.recordings import chain, write

DAY = date(2026, 8, 4)


def moment(text: str, day: date = DAY) -> datetime:
    return at(day, time.fromisoformat(text))


def simulated(first_day=DAY):
    return source_of("simulated", key="sim", first_day=first_day, seed=7)


@pytest.mark.parametrize(("speed", "step"), [(1, 0.5), (10, 5.0), (60, 30.0)])
def test_a_simulated_frame_comes_each_half_second_of_wall_time(speed, step):
    source = simulated()
    frame = source.next_frame(moment("10:00"), n=5, speed=speed)

    assert market_step(speed) == frame.cadence == step
    assert (frame.n, (frame.now - moment("10:00")).total_seconds()) == (5, step)
    assert source.wait(moment("10:00"), frame, speed=speed) == 0.5
    assert source.wait(None, frame, speed=speed) == 0


def test_a_recorded_gap_lasts_as_long_as_it_was_divided_by_the_speed(tmp_path):
    path = write(tmp_path, chain("09:15") + chain("09:32"))
    source = source_of("recorded", key="rec", first_day=DAY, files=[str(path)])
    first = source.next_frame(None, n=1, speed=60)
    second = source.next_frame(first.now, n=2, speed=60)

    assert [first.n, second.n] == [1, 2]
    assert source.wait(first.now, second, speed=60) == 17
    assert source.wait(first.now, second, speed=1) == 17 * 60
    assert source.next_frame(second.now, n=3, speed=60) is None


def test_a_recording_resumes_after_its_last_frame_with_the_quotes_it_carried(tmp_path):
    later = [row for row in chain("09:16") + chain("09:17") if ",24600,CE," not in row]
    path = write(tmp_path, chain("09:15") + later)
    source = source_of("recorded", key="rec", first_day=DAY, files=[str(path)])

    frame = source.next_frame(moment("09:16"), n=9, speed=1)

    assert (frame.n, frame.now) == (9, moment("09:17"))
    assert frame.quotes["NIFTY-20260804-24600-CE"].at == moment("09:15")


def test_settlement_values_are_known_from_the_settlement_time_of_expiring_series_only():
    source = simulated()
    before = source.next_frame(moment("15:34:00"), n=1, speed=60)
    after = source.next_frame(moment("15:34:30"), n=2, speed=60)

    assert source.settlements(before) == {}
    assert list(source.settlements(after)) == ["NIFTY"]
    assert source.settlements(after)["NIFTY"] == after.forwards["NIFTY", DAY]


def test_the_simulated_world_ends_where_the_dated_facts_end():
    source = simulated(date(2026, 12, 30))
    last = source.next_frame(moment("15:39:45", date(2026, 12, 31)), n=1, speed=60)

    assert last.now == moment("15:40", date(2026, 12, 31))
    assert source.next_frame(last.now, n=2, speed=60) is None


def test_files_without_a_day_from_the_first_day_on_are_refused(tmp_path):
    path = write(tmp_path, chain("09:15"))

    with pytest.raises(NoSource, match="begins on 2026-08-05, its files hold 2026-08-04"):
        source_of("recorded", key="rec", first_day=date(2026, 8, 5), files=[str(path)])


def test_a_live_timeline_has_no_source_here():
    with pytest.raises(NoSource, match="no broker feed is built in yet"):
        source_of("live", key="live", first_day=DAY)
