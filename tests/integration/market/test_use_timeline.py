"""The command by which bin/start chooses the world that runs."""

import re
from datetime import date, time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from market.models import Timeline
from tests.unit.market.sources.recordings import chain, write

pytestmark = pytest.mark.django_db


def use(*arguments):
    said = StringIO()
    call_command("use_timeline", *arguments, stdout=said)
    return said.getvalue().strip()


def active():
    return Timeline.objects.get(active=True)


def test_the_first_start_begins_a_simulated_world():
    said = use()

    assert said == (
        "market: simulated days from 2026-08-03, x10, at its first minute"
        f" (timeline {active().key})"
    )
    assert re.fullmatch(r"simulated-20260803-1-[0-9a-f]{6}", active().key)
    assert (active().source, active().first_day, active().seed) == ("simulated", date(2026, 8, 3), 1)


def test_a_second_start_changes_nothing():
    use()
    before = Timeline.objects.values().get()

    use()

    assert Timeline.objects.values().get() == before


def test_another_speed_keeps_the_world():
    use()
    use("--speed=60")

    assert Timeline.objects.count() == 1
    assert active().speed == 60


def test_another_seed_is_another_world_and_the_first_can_be_taken_up_again():
    use()
    first = active()
    use("--seed=7")
    assert active().seed == 7

    use("--seed=1")

    assert active() == first
    assert Timeline.objects.count() == 2


def test_a_new_world_is_made_beside_an_equal_one_under_a_key_that_no_simulator_has_seen():
    use()
    first = active()
    use("--new")

    assert (active().seed, active().first_day) == (first.seed, first.first_day)
    assert active().key != first.key


def reached():
    return timezone.localtime(active().market_now).time()


def test_a_simulated_day_jumps_forward_before_it_began_and_later():
    said = use("--at=09:19:30")
    assert "at 03 Aug 2026 09:19 " in said
    assert reached() == time(9, 19, 30)

    use("--at=15:09")

    assert reached() == time(15, 9)
    assert Timeline.objects.count() == 1


@pytest.mark.parametrize("when", ["09:19", "11:59", "12:00", "15:40", "18:00"])
def test_a_day_jumps_neither_back_nor_beyond_its_close(when):
    use("--at=12:00")

    with pytest.raises(CommandError, match=rf"2026-08-03 is at 12:00:00 and cannot jump to {when}"):
        use(f"--at={when}")

    assert reached() == time(12)


def test_before_its_first_minute_a_day_cannot_jump_before_its_open():
    with pytest.raises(CommandError, match="has not begun and cannot jump to 09:00:00"):
        use("--at=09:00")


def test_a_recorded_day_is_played_whole(tmp_path):
    file = write(tmp_path, chain("09:15"))
    use("--files", str(file))

    with pytest.raises(CommandError, match="A recorded timeline cannot leave out a part"):
        use("--at=10:00")


def test_a_file_that_cannot_be_played_is_refused_and_the_world_goes_on(tmp_path):
    use()
    before = active()
    (tmp_path / "x.csv").write_text("hello\n")

    with pytest.raises(CommandError, match="timeline: "):
        use("--files", str(tmp_path / "x.csv"))

    assert active() == before


def test_a_speed_that_no_source_has_is_refused():
    with pytest.raises(CommandError, match="cannot run at x600"):
        use("--speed=600")
