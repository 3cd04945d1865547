"""The market process: frames reach the simulator first, then Valkey, and nothing is skipped."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal

import httpx
import orjson
import pytest
from django.core.management import CommandError, call_command

from market import feed, quotes, selectors, services
from market.kernel.clock import at
from market.models import Quote, SettlementPrice, Timeline
from tests.integration.market.conftest import KEY, WALL
from tests.unit.market.sources.recordings import chain, write

pytestmark = pytest.mark.django_db


def stop_after(stop, count):
    """Stops the market when the simulator got that many frames."""

    def after(frame):
        if frame.n >= count:
            stop.set()

    return after


def test_frames_go_to_the_simulator_and_then_to_valkey(market, simulator, stop, timeline, valkey):
    watcher = valkey.pubsub()
    watcher.subscribe(quotes.channel(timeline.key))
    simulator.after = stop_after(stop, 3)

    market.run()

    assert [f.n for f in simulator.frames] == [1, 2, 3]
    assert [f.now - simulator.frames[0].now for f in simulator.frames] == [
        timedelta(seconds=30 * n) for n in range(3)
    ]
    assert quotes.latest(timeline.key) == simulator.frames[-1]
    assert 0 < valkey.ttl(f"frame:{KEY}") <= 300
    said = [watcher.get_message(timeout=1) for _ in range(4)]
    assert [m["data"] for m in said if m["type"] == "message"] == [b"1", b"2", b"3"]
    watcher.close()
    timeline.refresh_from_db()
    assert (timeline.frame, timeline.market_now) == (3, simulator.frames[-1].now)


def test_a_restart_goes_on_where_it_stopped(market, simulator, stop, timeline):
    simulator.after = stop_after(stop, 2)
    market.run()
    stop.clear()
    simulator.after = stop_after(stop, 4)
    market.run()

    assert [f.n for f in simulator.frames] == [1, 2, 3, 4]
    times = [f.now for f in simulator.frames]
    assert times == sorted(set(times))


def test_a_jump_while_a_frame_is_on_its_way_is_kept(market, simulator, stop, timeline):
    def after(frame):
        if frame.n == 2:
            services.jump_forward(timeline=timeline, to=time(15, 9))
        if frame.n == 3:
            stop.set()

    simulator.after = after

    market.run()

    assert [(f.n, f.now.time()) for f in simulator.frames] == [
        (1, time(9, 15)), (2, time(9, 15, 30)), (3, time(15, 9, 30)),
    ]  # fmt: skip


def test_the_first_frame_waits_for_those_who_trade_on_it(market, simulator, stop, timeline, valkey, pulse):
    pulse.at["waiting"] = lambda: valkey.set("heartbeat:test-worker", "now", ex=10)
    simulator.after = stop_after(stop, 2)

    market.run(wait_for=("test-worker",))

    assert pulse.states == ["waiting", "playing", "playing"]
    assert [f.n for f in simulator.frames] == [1, 2]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.Response(500, text="broken"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"n": 99}),
    ],
)
def test_a_frame_the_simulator_did_not_acknowledge_is_sent_again(
    market, simulator, stop, timeline, pulse, answer
):
    simulator.answers = [answer]
    simulator.after = stop_after(stop, 1)

    market.run()

    assert [f.n for f in simulator.frames] == [1]
    assert pulse.states == ["simulator_down", "playing"]


def test_health_and_heartbeat_are_set_for_ten_seconds(market, simulator, stop, timeline, valkey):
    simulator.after = stop_after(stop, 1)

    market.run()

    assert valkey.get(feed.HEARTBEAT) == WALL.isoformat().encode()
    assert 0 < valkey.ttl(feed.HEARTBEAT) <= 10
    assert orjson.loads(valkey.get(feed.HEALTH))["state"] == "playing"


def test_stopping_saves_the_snapshot_from_which_a_cold_valkey_is_warmed(
    market, simulator, stop, timeline, valkey
):
    simulator.after = stop_after(stop, 1)
    market.run()
    (frame,) = simulator.frames
    assert Quote.objects.filter(timeline=timeline).count() == len(frame.quotes)

    valkey.delete(f"frame:{KEY}")
    market._restore(Timeline.objects.get(pk=timeline.pk))

    restored = quotes.latest(timeline.key)
    assert (restored.n, restored.now, restored.quotes) == (1, frame.now, frame.quotes)
    assert restored.notes == (selectors.RESTORED,)


def test_an_expired_snapshot_warms_nothing(timeline, market, simulator, stop):
    simulator.after = stop_after(stop, 1)
    market.run()
    timeline.refresh_from_db()

    later = WALL + timedelta(seconds=300)
    assert selectors.restored_frame(timeline, wall=later, cadence=1) is None
    assert selectors.restored_frame(timeline, wall=WALL, cadence=1) is not None


def test_a_day_goes_over_into_the_next_and_its_settlement_values_are_kept(
    market, simulator, stop, timeline
):
    start = at(timeline.first_day, time(15, 39, 30))
    Timeline.objects.filter(pk=timeline.pk).update(market_now=start, frame=700)
    simulator.after = stop_after(stop, 702)

    market.run()

    assert [f"{f.now:%d %H:%M:%S}" for f in simulator.frames] == [
        "04 15:40:00", "05 09:15:00",
    ]  # fmt: skip
    row = SettlementPrice.objects.get(timeline=timeline, underlying="NIFTY")
    assert row.day == date(2026, 8, 4)
    assert row.price == simulator.frames[0].forwards["NIFTY", date(2026, 8, 4)]
    assert row.source == "the simulated day's own path"
    assert simulator.settled == [
        {"timeline": KEY, "underlying": "NIFTY", "day": "2026-08-04", "price": str(row.price)}
    ]


def test_a_corrected_settlement_value_reaches_the_simulator_and_the_same_one_only_once(
    market, simulator, stop, timeline
):
    def enter(price):
        services.set_settlement_price(
            timeline=timeline, underlying="NIFTY", day=date(2026, 8, 4), price=Decimal(price),
            source="the exchange's page", now=WALL,
        )  # fmt: skip

    prices = {1: "24600.00", 3: "24610.50", 4: "24610.50"}

    def after(frame):
        if frame.n in prices:
            enter(prices[frame.n])
        if frame.n == 6:
            stop.set()

    simulator.after = after

    market.run()

    assert [row["price"] for row in simulator.settled] == ["24600.00", "24610.50"]


def test_a_recording_that_is_over_invents_nothing(market, simulator, pulse, tmp_path, db):
    path = write(tmp_path, chain("09:15"))
    row = services.create_timeline(
        key="test-rec", source="recorded", first_day=date(2026, 8, 4), files=[str(path)]
    )
    services.activate_timeline(timeline=row, now=WALL)
    pulse.stop_at = "finished"

    market.run()

    assert [f.n for f in simulator.frames] == [1]
    assert pulse.states == ["playing", "finished"]


def test_activating_another_timeline_switches_the_market(market, simulator, stop, timeline, valkey):
    other = services.create_timeline(
        key="test-other", source="simulated", first_day=date(2026, 8, 6), speed=60
    )

    def after(frame):
        if frame.timeline == "test-other":
            stop.set()
        elif frame.n == 2:
            services.activate_timeline(timeline=other, now=WALL)

    simulator.after = after

    market.run()

    assert [(f.timeline, f.n) for f in simulator.frames] == [
        (KEY, 1), (KEY, 2), ("test-other", 1),
    ]  # fmt: skip
    timeline.refresh_from_db()
    assert timeline.frame == 1  # the frame delivered during the switch does not count


def test_a_live_timeline_is_refused_in_plain_words(db, valkey):
    row = services.create_timeline(key="live", source="live", first_day=date(2026, 8, 4))
    services.activate_timeline(timeline=row, now=WALL)

    with pytest.raises(CommandError, match="'live' is live: no broker feed is built in yet"):
        call_command("run_market")


def test_without_a_timeline_the_command_says_what_to_do(db):
    with pytest.raises(CommandError, match="No timeline is active: create one and activate it"):
        call_command("run_market")


def test_the_speed_option_changes_the_timeline_and_refuses_nonsense(timeline):
    with pytest.raises(CommandError, match="cannot run at x0"):
        call_command("run_market", speed=0)
    services.set_speed(timeline=timeline, speed=10)
    timeline.refresh_from_db()
    assert timeline.speed == 10
