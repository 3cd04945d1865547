"""run_live over a real database and Valkey: a frame goes in, rows come out."""

from datetime import timedelta
from decimal import Decimal

import orjson
import pytest

from execution.live.events import announcements, book_changed
from execution.live.feed import state_key
from execution.live.process import LiveProcess
from market import quotes
from tests.factories import UserFactory
from tests.integration.execution.live.rows_in_db import (
    TODAY,
    make_pair,
    make_position,
    make_timeline,
)
from tests.unit.execution.live.worlds import CALL, NOW, PUT, frame, quote

pytestmark = pytest.mark.django_db

QUOTED = {CALL: quote("70.90", "71.20", "71.00"), PUT: quote("55.00", "55.30", "55.10")}


class Clock:
    """Monotonic seconds, and a wall that goes with them."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def wall(self):
        return NOW + timedelta(days=100, seconds=self.seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def process(valkey, clock):
    running = LiveProcess(valkey, clock.wall, clock)
    yield running
    running.close()


def publish(n=1, quoted=None, **world):
    quotes.publish(frame(quoted or QUOTED, n=n, timeline="live-test", **world))


def step(process, clock, seconds=0.2):
    clock.seconds += seconds
    for _ in range(20):  # the announcement may be on its way
        process.step(wait=0.01)


def state(valkey, owner, channel):
    kept = {k.decode(): orjson.loads(v) for k, v in valkey.hgetall(state_key(str(owner), channel)).items()}
    meta = kept.pop("~", None)
    return meta, kept


def announced(pubsub):
    messages = []
    while (message := pubsub.get_message(timeout=0.1)) is not None:
        if message["type"] == "message":
            messages += orjson.loads(message["data"])
    return messages


def test_every_owner_gets_the_rows_of_their_own_positions(user, valkey, process):
    other, timeline = UserFactory(), make_timeline()
    mine = make_position(make_pair(user, name="A"), timeline, CALL, -130)
    theirs = make_position(make_pair(other, name="B"), timeline, PUT, 65, average="50.25")
    publish()
    process.start()

    _, my_rows = state(valkey, user.pk, "positions")
    _, their_rows = state(valkey, other.pk, "positions")

    assert {k: v["pnl"] for k, v in my_rows.items()} == {f"p{mine.pk}": "3744.00"}
    assert {k: v["pnl"] for k, v in their_rows.items()} == {f"p{theirs.pk}": "308.75"}


def test_rows_come_by_basket_and_sums_by_every_scope(user, valkey, process):
    timeline, pair = make_timeline(), make_pair(user)
    make_position(pair, timeline, CALL, -130, charges=Decimal("61.10"))
    make_position(pair, timeline, PUT, 65, average="50.25")
    publish()
    process.start()

    basket = pair.strategy.basket_id
    assert len(state(valkey, user.pk, f"positions:{basket}")[1]) == 2
    _, sums = state(valkey, user.pk, "summary")
    assert set(sums) == {
        "all",
        f"basket:{basket}",
        f"strategy:{pair.strategy_id}",
        f"pair:{pair.pk}",
        f"account:{pair.broker_account_id}",
    }
    assert (sums["all"]["pnl"], sums["all"]["charges"], sums["all"]["net"]) == ("4052.75", "61.10", "3991.65")
    assert Decimal(sums["all"]["margin"]) > 100_000


def test_a_frame_announces_only_what_changed_and_follows_on(user, valkey, process, clock):
    position = make_position(make_pair(user), make_timeline(), CALL, -130)
    publish()
    process.start()
    meta, _ = state(valkey, user.pk, "positions")
    pubsub = valkey.pubsub()
    pubsub.subscribe(announcements(user.pk))
    step(process, clock)
    announced(pubsub)
    publish(2, {CALL: quote("70.90", "71.10", "71.00")})
    step(process, clock)

    (delta,) = [m for m in announced(pubsub) if m["ch"] == "positions"]

    changed = delta["d"][f"p{position.pk}"]
    assert (delta["epoch"], delta["prev"] + 1) == (meta["epoch"], delta["seq"])
    assert (changed["mark"], changed["pnl"]) == ("71.10", "3757.00")
    assert not {"symbol", "quantity", "ltp"} & set(changed)
    assert state(valkey, user.pk, "positions")[0]["seq"] == delta["seq"]


def test_a_new_position_appears_when_the_engine_says_that_the_book_changed(user, valkey, process, clock):
    timeline, pair = make_timeline(), make_pair(user)
    publish()
    process.start()
    position = make_position(pair, timeline, CALL, -130)
    book_changed(timeline.key)
    step(process, clock)

    assert state(valkey, user.pk, "positions")[1][f"p{position.pk}"]["quantity"] == -130


def test_a_new_position_appears_within_five_seconds_without_being_told(user, valkey, process, clock):
    timeline, pair = make_timeline(), make_pair(user)
    publish()
    process.start()
    position = make_position(pair, timeline, CALL, -130)
    step(process, clock, seconds=5.1)

    assert f"p{position.pk}" in state(valkey, user.pk, "positions")[1]


def test_a_position_closed_on_an_earlier_day_is_no_row_but_counts_in_the_total(user, valkey, process):
    timeline, pair = make_timeline(), make_pair(user)
    make_position(pair, timeline, CALL, 0, day=TODAY - timedelta(days=1), realised=900, charges=Decimal("120.50"))
    closed = make_position(pair, timeline, PUT, 0, realised=50)
    publish()
    process.start()

    assert set(state(valkey, user.pk, "positions")[1]) == {f"p{closed.pk}"}
    total = state(valkey, user.pk, "summary")[1]["all"]
    assert (total["pnl"], total["net"], total["day_pnl"]) == ("950.00", "829.50", "50.00")


def test_a_silent_feed_makes_every_open_row_stale_and_says_so(user, valkey, process, clock):
    position = make_position(make_pair(user), make_timeline(), CALL, -130)
    publish()
    process.start()
    step(process, clock)
    assert state(valkey, user.pk, "positions")[1][f"p{position.pk}"]["stale"] is False

    step(process, clock, seconds=10.5)

    assert state(valkey, user.pk, "positions")[1][f"p{position.pk}"]["stale"] is True
    feed = state(valkey, "all", "system")[1]["feed"]
    assert (feed["state"], feed["age"]) == ("silent", 11)


def test_the_market_channel_has_spot_forward_and_the_session(user, valkey, process):
    make_timeline()
    publish()
    process.start()

    nifty = state(valkey, "all", "market")[1]["NIFTY"]

    assert nifty == {
        "spot": "24490.15",
        "forward": "24500.00",
        "expiry": "2026-08-11",
        "expiries": ["2026-08-11"],
        "state": "open",
        "closes": "2026-08-04T15:40:00+05:30",
    }


def test_a_restart_begins_a_new_epoch_and_leaves_no_row_of_the_old_run(user, valkey, process):
    position = make_position(make_pair(user), make_timeline(), CALL, -130)
    publish()
    process.start()
    before, _ = state(valkey, user.pk, "positions")
    position.delete()
    process.start()

    assert state(valkey, user.pk, "positions") == (None, {})
    assert valkey.get("live:epoch").decode() != before["epoch"]


def test_another_active_timeline_takes_over(user, valkey, process, clock):
    old = make_timeline()
    make_position(make_pair(user), old, CALL, -130)
    publish()
    process.start()
    old.active = False
    old.save()
    make_timeline("live-test-2")
    step(process, clock, seconds=5.1)

    assert process.timeline == "live-test-2"
    assert state(valkey, user.pk, "positions")[1] == {}


def test_the_process_says_that_it_lives(valkey, process, clock):
    make_timeline()
    process.start()

    assert valkey.get("heartbeat:live").decode() == clock.wall().isoformat()
    assert state(valkey, "all", "system")[1]["process:live"] == {"state": "up"}


def test_the_book_of_many_owners_is_read_in_two_queries(user, django_assert_num_queries):
    from execution.live import books

    timeline = make_timeline()
    for n in range(3):
        make_position(make_pair(UserFactory(), name=f"N{n}"), timeline, CALL, -65)

    with django_assert_num_queries(2):
        book = books.load(timeline.key, day=TODAY)

    assert len(book.lines) == 3
    assert book.symbols == (CALL,)
