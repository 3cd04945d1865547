"""The command by which bin/start chooses the world that runs."""

from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from market.models import Timeline

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
        " (timeline simulated-20260803-1)"
    )
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
    use("--seed=7")
    assert active().key == "simulated-20260803-7"

    use("--seed=1")

    assert active().key == "simulated-20260803-1"
    assert Timeline.objects.count() == 2


def test_a_new_world_is_made_beside_an_equal_one():
    use()
    use("--new")

    assert active().key == "simulated-20260803-1-n2"


def test_a_file_that_cannot_be_played_is_refused_and_the_world_goes_on(tmp_path):
    use()
    (tmp_path / "x.csv").write_text("hello\n")

    with pytest.raises(CommandError, match="timeline: "):
        use("--files", str(tmp_path / "x.csv"))

    assert active().key == "simulated-20260803-1"


def test_a_speed_that_no_source_has_is_refused():
    with pytest.raises(CommandError, match="cannot run at x600"):
        use("--speed=600")
