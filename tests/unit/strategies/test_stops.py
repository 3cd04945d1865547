"""Stops, targets, trailing, locks and break-even: what they do to any run of prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.rules.stops import Bounds, Gains, Watch, has_fired, levels, moved_to_cost, observed

START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)
D = Decimal
GAINS = st.lists(st.integers(-400, 400).map(lambda n: D(n) / 2), max_size=30)
FRAMES = st.integers(1, 4)
EVERY = st.integers(1, 40).map(D)


@st.composite
def rules(draw) -> Bounds:
    """Bounds with any mixture of stop, trail, target and lock that may be saved."""
    every, lock_every = draw(EVERY), draw(EVERY)
    lock_at = draw(st.integers(2, 100).map(D))
    trail = draw(st.sampled_from(["none", "stepped", "continuous"]))
    steps = {"trail_every": every, "trail_by": D(draw(st.integers(1, int(every))))}
    lock = {
        "lock_at": lock_at, "lock_profit": D(draw(st.integers(0, int(lock_at) - 1))),
        "lock_every": lock_every, "lock_by": D(draw(st.integers(1, int(lock_every)))),
    }  # fmt: skip
    return Bounds(
        stop=draw(st.integers(1, 100).map(D)),
        target=draw(st.none() | st.integers(1, 200).map(D)),
        trail=trail,
        **(steps if trail == "stepped" else {}),
        **(lock if draw(st.booleans()) else {}),
    )


def frame(n: int, gain: Decimal, **more) -> Gains:
    at = START + timedelta(seconds=n)
    return Gains(first=at, last=at, price=gain, stop=gain, target=gain, **more)


def seen(bounds: Bounds, gains, watch: Watch | None = None, *, frames: int = 2, first: int = 1) -> Watch:
    watch = watch or Watch()
    for n, gain in enumerate(gains, first):
        watch = observed([bounds], watch, frame(n, D(gain)), frames=frames)
    return watch


@given(rules(), GAINS, FRAMES)
def test_a_stop_never_loosens_and_locked_profit_never_falls(bounds, gains, frames):
    watch = Watch()
    for n, gain in enumerate(gains, 1):
        after = observed([bounds], watch, frame(n, gain), frames=frames)
        assert watch.stop is None or after.stop >= watch.stop
        assert watch.locked is None or after.locked >= watch.locked
        watch = after


@given(rules(), GAINS, FRAMES, st.integers(0, 30))
def test_frames_replayed_from_what_was_kept_give_the_same(bounds, gains, frames, restart):
    whole = seen(bounds, gains, frames=frames)
    first = seen(bounds, gains[:restart], frames=frames)

    assert seen(bounds, gains[restart:], replace(first), frames=frames, first=restart + 1) == whole


@given(rules(), GAINS, FRAMES, st.data())
def test_a_frame_that_comes_again_or_late_changes_nothing(bounds, gains, frames, data):
    watch = seen(bounds, gains, frames=frames)
    if watch.counted_at is None:
        return
    counted = int((watch.counted_at - START).total_seconds())
    late = data.draw(st.integers(1, counted))

    assert observed([bounds], watch, frame(late, gains[late - 1]), frames=frames) == watch


@given(st.integers(1, 100).map(D), EVERY, st.data(), GAINS)
def test_steps_are_never_tighter_than_a_continuous_trail_and_never_looser_than_none(stop, every, data, gains):
    by = D(data.draw(st.integers(1, int(every))))
    fixed = Bounds(stop=stop)
    stepped = replace(fixed, trail="stepped", trail_every=every, trail_by=by)
    continuous = replace(fixed, trail="continuous")

    for gain in gains:
        found = [levels([each], gain)[0] for each in (fixed, stepped, continuous)]
        assert found == sorted(found)


@given(rules(), GAINS, st.integers(2, 4))
def test_a_price_that_shows_once_between_quiet_ones_neither_fires_nor_moves_a_level(bounds, gains, frames):
    quiet = seen(bounds, [0, 0], frames=frames)
    watch = quiet
    for n, freak in enumerate(gains):
        for offset, gain in enumerate((freak, D(0))):
            watch = observed([bounds], watch, frame(10 + 2 * n + offset, gain), frames=frames)

    assert not has_fired(watch, frames)
    assert (watch.stop, watch.locked) == (quiet.stop, quiet.locked)


@given(rules(), GAINS, FRAMES)
def test_what_has_fired_stays_fired(bounds, gains, frames):
    fired = seen(bounds, [-100] * frames, frames=frames)

    assert has_fired(fired, frames)
    assert seen(bounds, gains, fired, frames=frames, first=50) == fired


@given(rules(), rules(), GAINS, FRAMES)
def test_of_two_rules_the_tighter_holds(one, other, gains, frames):
    both = one_of = other_of = Watch()
    for n, gain in enumerate(gains, 1):
        both = observed([one, other], both, frame(n, gain), frames=frames)
        one_of = observed([one], one_of, frame(n, gain), frames=frames)
        other_of = observed([other], other_of, frame(n, gain), frames=frames)
        if has_fired(both, frames) or has_fired(one_of, frames) or has_fired(other_of, frames):
            break
        initial = max(-one.stop, -other.stop)
        assert both.stop >= initial
        if frames == 1:
            assert both.stop == max(one_of.stop, other_of.stop)


@settings(max_examples=30)
@given(rules(), GAINS)
def test_break_even_only_tightens(bounds, gains):
    before = seen(bounds, gains)
    after = moved_to_cost(before, in_price=True)

    assert after.at_cost
    assert before.stop is None or after.stop >= max(before.stop, 0)


@pytest.mark.parametrize(
    ("gains", "stop"),
    [([9, 9], -20), ([10, 10], -15), ([19, 19], -15), ([20, 25], -10), ([20, 9, 20], -20), ([30, 21], -10)],
)
def test_every_full_step_in_favour_that_holds_moves_the_stop(gains, stop):
    bounds = Bounds(stop=D(20), trail="stepped", trail_every=D(10), trail_by=D(5))

    assert seen(bounds, gains).stop == stop


@pytest.mark.parametrize(("gains", "stop"), [([5, 3], -17), ([5, 8], -15), ([5, 8, 8], -12), ([-5, -5], -20)])
def test_a_continuous_trail_keeps_its_distance_from_the_best_that_held(gains, stop):
    assert seen(Bounds(stop=D(20), trail="continuous"), gains).stop == stop


@pytest.mark.parametrize(
    ("gains", "locked"),
    [([999, 999], None), ([1000, 1000], 400), ([1249, 1249], 400), ([1250, 1250], 500), ([2000, 1600], 600)],
)
def test_profit_is_locked_at_its_trigger_and_then_in_steps(gains, locked):
    bounds = Bounds(lock_at=D(1000), lock_profit=D(400), lock_every=D(250), lock_by=D(100))

    assert seen(bounds, gains).locked == locked


def test_a_crossing_fires_when_it_has_held_for_two_frames_of_newer_quotes():
    bounds = Bounds(stop=D(20))
    once = seen(bounds, [-21])
    same_quotes = observed([bounds], once, frame(1, D(-25)), frames=2)
    held = observed([bounds], same_quotes, frame(2, D(-20)), frames=2)

    assert (has_fired(once, 2), has_fired(same_quotes, 2)) == (False, False)
    assert (held.crossed, has_fired(held, 2)) == ("stop", True)


def test_every_leg_of_a_trade_must_have_been_quoted_anew_before_a_frame_counts():
    bounds, at = Bounds(stop=D(20)), START
    first = Gains(first=at, last=at + timedelta(seconds=5), price=D(-30), stop=D(-30), target=D(-30))
    half = replace(first, first=at + timedelta(seconds=4), last=at + timedelta(seconds=9))
    all_new = replace(first, first=at + timedelta(seconds=6), last=at + timedelta(seconds=9))
    once = observed([bounds], Watch(), first, frames=2)

    assert observed([bounds], once, half, frames=2) == once
    assert has_fired(observed([bounds], once, all_new, frames=2), 2)


def test_a_move_of_the_underlying_either_way_stops_and_none_is_seen_while_it_is_dead():
    bounds = Bounds(away=D(100))
    watch = observed([bounds], Watch(), frame(1, D(50), away=None), frames=1)

    assert watch.crossed == ""
    assert observed([bounds], watch, frame(2, D(50), away=D(100)), frames=1).crossed == "stop"


def test_a_leg_at_cost_is_left_when_its_gain_is_gone_even_while_its_own_measure_is_dead():
    at_cost = moved_to_cost(Watch(stop=D(-30)), in_price=False)
    gains = Gains(first=START, last=START, price=D(0), stop=None, target=None)

    assert at_cost.stop == -30
    assert observed([Bounds(stop=D(30))], at_cost, gains, frames=1).crossed == "stop"
