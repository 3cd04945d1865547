"""The calls of an account stay within every window of its broker, whenever the broker saw them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.limits import CALL_LIMITS, CallWindow
from execution.rates import Kind, Spent, ask, share, tidy, used

SECOND = 1_000_000
START = 1_786_000_000 * SECOND
WINDOWS = (CallWindow(1, 9), CallWindow(60, 40))

#: (µs until the next ask, what it is for, µs on the way, where on the way the broker sees it, clock's step)
CALLS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 20_000, 111_111, 400_000, SECOND, 7 * SECOND]),
        st.sampled_from(list(Kind)),
        st.sampled_from([0, 3_000, 250_000, 999_999, 5 * SECOND]),
        st.floats(0, 1),
        st.sampled_from([0] * 12 + [-1, -30]),
    ),
    max_size=150,
)


def land(spent, call, at):
    return Spent({c: t for c, t in spent.flying.items() if c != call}, [*spent.landed, at], spent.counts)


def play(calls):
    """What was allowed: (kind, true time at which the broker saw it), the clock stepping as told."""
    spent, true, step, seen, way = Spent(), START, 0, [], []
    for n, (pause, kind, flight, where, jump) in enumerate(calls):
        true, step = true + pause, step + jump * SECOND
        for end, call in sorted(each for each in way if each[0] <= true):
            spent = land(spent, call, end + step)
        way = [each for each in way if each[0] > true]
        allowed = ask(spent, WINDOWS, kind, call=str(n), at=true + step)
        if allowed is not None:
            spent = allowed
            way.append((true + flight, str(n)))
            seen.append((kind, true + int(flight * where)))
    return seen


def most_in(times, seconds):
    ordered = sorted(times)
    return max((sum(1 for t in ordered if t0 <= t < t0 + seconds * SECOND) for t0 in ordered), default=0)


@settings(max_examples=150, deadline=None)
@given(CALLS)
def test_no_window_is_exceeded_at_the_broker_for_any_arrivals_delays_and_a_clock_set_back(calls):
    seen = [at for _, at in play(calls)]

    assert all(most_in(seen, window.seconds) <= window.most for window in WINDOWS)


@settings(max_examples=100, deadline=None)
@given(CALLS)
def test_entries_and_exits_leave_their_reserve_in_every_window(calls):
    seen = play(calls)

    for window in WINDOWS:
        entries = [at for kind, at in seen if kind is Kind.ENTRY]
        opening_or_closing = [at for kind, at in seen if kind is not Kind.CANCEL]
        assert most_in(entries, window.seconds) <= share(window, Kind.ENTRY)
        assert most_in(opening_or_closing, window.seconds) <= share(window, Kind.EXIT)


def test_entries_stop_first_then_exits_and_a_cancel_takes_the_last_place():
    spent, allowed = Spent(), {}
    for kind in (Kind.ENTRY, Kind.EXIT, Kind.CANCEL):
        allowed[kind] = 0
        while (after := ask(spent, WINDOWS, kind, call=f"{kind}{allowed[kind]}", at=START)) is not None:
            spent, allowed[kind] = after, allowed[kind] + 1

    assert allowed == {Kind.ENTRY: 7, Kind.EXIT: 1, Kind.CANCEL: 1}


def test_a_call_counts_while_it_is_on_its_way_and_a_second_longer():
    spent = Spent()
    for n in range(9):
        spent = ask(spent, WINDOWS, Kind.CANCEL, call=str(n), at=START)

    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=START + 5 * SECOND) is None
    spent = land(spent, "0", START + 5 * SECOND)
    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=START + 5 * SECOND + 990_000) is None
    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=START + 6 * SECOND + 20_000) is not None


def test_a_call_whose_worker_died_is_counted_until_it_must_have_ended_and_its_place_is_free_again():
    spent = Spent()
    for n in range(9):
        spent = ask(spent, WINDOWS, Kind.CANCEL, call=str(n), at=START)

    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=START + 17 * SECOND) is None
    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=START + 19 * SECOND) is not None


def test_after_the_clock_was_set_back_thirty_seconds_calls_wait_one_second_not_thirty():
    spent = Spent()
    for n in range(9):
        spent = land(ask(spent, WINDOWS, Kind.CANCEL, call=str(n), at=START), str(n), START)
    back = START - 30 * SECOND

    spent = tidy(spent, WINDOWS, at=back)

    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=back) is None
    assert ask(spent, WINDOWS, Kind.CANCEL, call="x", at=back + SECOND + 20_000) is not None


def test_what_is_kept_does_not_grow_with_the_calls():
    limits = CALL_LIMITS["zerodha"].windows
    spent, at = Spent(), START
    for n in range(3000):
        at += 171_000
        allowed = ask(spent, limits, Kind.CANCEL, call=str(n), at=at)
        spent = spent if allowed is None else land(allowed, str(n), at + 1000)

    kept = tidy(spent, limits, at=at)
    assert sum(len(parts) for parts in kept.counts.values()) <= 3 * 51
    assert used(kept, limits[1], at=at) <= 400


def test_every_broker_is_held_to_nine_a_second_and_to_its_own_longer_windows():
    windows = {name: {w.seconds: w.most for w in found.windows} for name, found in CALL_LIMITS.items()}

    assert windows == {
        "zerodha": {1: 9, 60: 400, 86400: 5000},
        "angelone": {1: 9, 60: 500, 3600: 1000},
        "finvasia": {1: 9, 60: 200},
    }
