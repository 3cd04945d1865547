"""The desk of many small units of work: always the last frame, the world and the facts a second old at most."""

from datetime import time, timedelta

import pytest

from execution.running import Lately
from market import quotes
from market.facts import tables
from market.kernel import contracts
from market.kernel.clock import at
from market.sources.simulated import World
from tests.integration.market.test_facts import TUESDAY, change_lot

pytestmark = pytest.mark.django_db
OPTION = "NIFTY-20260804-24500-CE"


@pytest.fixture(autouse=True)
def _packaged_facts():
    tables.install(None)
    yield
    tables.install(None)


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def publish(timeline, n):
    now = at(TUESDAY, time(10)) + timedelta(seconds=n)
    quotes.publish(World(7, TUESDAY).frame_at(now, timeline=timeline.key, n=n, cadence=1))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lately(timeline, valkey, clock):
    publish(timeline, 1)
    made = Lately(clock)
    made.desk()
    return made


def test_a_second_unit_of_work_at_the_same_frame_asks_the_database_nothing(lately, django_assert_num_queries):
    with django_assert_num_queries(0):
        desk = lately.desk()

    assert desk.frame.n == 1


def test_a_new_frame_is_seen_at_once_and_with_the_facts_of_its_moment(lately, timeline):
    publish(timeline, 2)
    change_lot(130)

    assert lately.desk().frame.n == 2
    assert contracts.parse(OPTION).lot_size == 130


def test_facts_that_change_between_two_frames_hold_after_a_second(lately, clock):
    change_lot(130)

    clock.seconds += 0.9
    lately.desk()
    before = contracts.parse(OPTION).lot_size
    clock.seconds += 0.2
    lately.desk()

    assert (before, contracts.parse(OPTION).lot_size) == (65, 130)


def test_a_world_that_is_left_gives_no_desk_after_a_second(lately, timeline, clock):
    timeline.active = False
    timeline.save()

    clock.seconds += 1.1

    assert lately.desk() is None


def test_without_a_frame_there_is_no_desk(lately, timeline):
    quotes.connection().delete(quotes.frame_key(timeline.key), quotes.number_key(timeline.key))

    assert lately.desk() is None
