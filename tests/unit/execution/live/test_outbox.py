"""A socket's side: latest wins, nothing is passed over in silence, events are never lost."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.live.outbox import MOST_EVENTS, Outbox, Overflow
from execution.live.protocol import Wanted


def delta(seq, changes, *, epoch="e", channel="positions", prev=None):
    message = {"t": "delta", "ch": channel, "epoch": epoch, "prev": seq - 1 if prev is None else prev, "seq": seq, "d": changes}
    return message, orjson.dumps(message).decode()


def event(seq, *, epoch="k", channel="orders"):
    message = {"t": "ev", "ch": channel, "epoch": epoch, "prev": seq - 1, "seq": seq, "d": {"id": seq}}
    return message, orjson.dumps(message).decode()


def socket(channel="positions", *, seq=10, interval=0.1):
    outbox = Outbox()
    outbox.subscribe(Wanted(channel, interval))
    outbox.snapshot(channel, "e", seq, {})
    return outbox


def sent(messages):
    return [orjson.loads(m) for m in messages]


def summary(messages):
    return [(m["t"], m.get("prev"), m.get("seq"), m.get("d")) for m in sent(messages)]


def test_rows_held_back_are_merged_into_one_delta_with_the_newest_values():
    outbox = socket(interval=1.0)
    outbox.offer(*delta(11, {"p1": {"ltp": "1.00"}}))
    outbox.take(clock=5.0)
    outbox.offer(*delta(12, {"p1": {"ltp": "2.00"}, "p2": {"ltp": "5.00", "pnl": "7.00"}}))
    outbox.offer(*delta(13, {"p1": {"pnl": "9.00"}, "p2": {"ltp": "6.00"}}))

    assert outbox.take(clock=5.9) == []
    assert outbox.wait(clock=5.9) == pytest.approx(0.1)
    assert summary(outbox.take(clock=6.0)) == [
        ("delta", 11, 13, {"p1": {"ltp": "2.00", "pnl": "9.00"}, "p2": {"ltp": "6.00", "pnl": "7.00"}})
    ]


def test_a_row_removed_and_made_again_while_waiting_arrives_whole():
    outbox = socket()
    outbox.offer(*delta(11, {"p1": None}))
    outbox.offer(*delta(12, {"p1": {"ltp": "3.00", "pnl": "4.00"}}))

    assert summary(outbox.take(clock=5.0)) == [("delta", 10, 12, {"p1": {"ltp": "3.00", "pnl": "4.00"}})]


def test_merging_for_one_socket_leaves_the_others_deltas_alone():
    one, other = socket(), socket()
    first, second = delta(11, {"p1": {"ltp": "1.00"}}), delta(12, {"p1": {"ltp": "2.00"}})
    for outbox in (one, other):
        outbox.offer(*first)
    one.offer(*second)

    assert summary(other.take(clock=5.0)) == [("delta", 10, 11, {"p1": {"ltp": "1.00"}})]


def test_a_missing_delta_makes_the_channel_take_a_new_snapshot():
    outbox = socket()
    outbox.offer(*delta(12, {"p1": {"ltp": "2.00"}}))

    assert outbox.take(clock=5.0) == []
    assert outbox.waiting() == ["positions"]


def test_another_epoch_makes_the_channel_take_a_new_snapshot():
    outbox = socket()
    outbox.offer(*delta(11, {"p1": {"ltp": "2.00"}}, epoch="f"))

    assert outbox.take(clock=5.0) == []
    assert outbox.waiting() == ["positions"]


def test_deltas_between_joining_and_the_snapshot_are_neither_lost_nor_told_twice():
    outbox = Outbox()
    outbox.subscribe(Wanted("positions", 0.1))
    for seq in (8, 9, 10, 11):
        outbox.offer(*delta(seq, {"p1": {"ltp": f"{seq}.00"}}))
    snapshot = outbox.snapshot("positions", "e", 10, {"p1": {"ltp": "10.00"}})

    assert sent([snapshot])[0]["seq"] == 10
    assert summary(outbox.take(clock=5.0)) == [("delta", 10, 11, {"p1": {"ltp": "11.00"}})]


def test_a_channel_that_is_not_subscribed_is_not_sent():
    outbox = socket()
    outbox.offer(*delta(1, {"p1": {}}, channel="summary"))

    assert outbox.take(clock=5.0) == []


def test_the_heartbeat_carries_what_the_client_has_once_everything_sent_has_arrived():
    outbox = socket(seq=3)
    outbox.offer(*delta(4, {"p1": {"ltp": "1.00"}}))
    outbox.heartbeat = "up"

    assert sent(outbox.take(clock=5.0))[-1] == {"t": "hb", "seqs": {"positions": 4}, "live": "up"}


def test_events_go_out_every_one_in_order():
    outbox = Outbox()
    outbox.subscribe(Wanted("orders", 0.1))
    outbox.replay("orders", "k", 5, [])
    for seq in (6, 7, 8):
        outbox.offer(*event(seq))

    assert [m["seq"] for m in sent(outbox.take(clock=5.0))] == [6, 7, 8]


def test_a_client_that_returns_gets_exactly_the_events_that_it_missed():
    outbox = Outbox()
    outbox.subscribe(Wanted("orders", 0.1, epoch="k", seq=3))
    outbox.offer(*event(6))
    kept = [(n, event(n)[1]) for n in (1, 2, 3, 4, 5, 6)]

    replayed = outbox.replay("orders", "k", 6, kept)

    assert [m["seq"] for m in sent(replayed)] == [4, 5, 6]
    assert outbox.take(clock=5.0) == []


@pytest.mark.parametrize(("epoch", "kept"), [("k", (5, 6)), ("other", (4, 5, 6))])
def test_events_that_cannot_be_replayed_are_a_gap_that_names_the_rest_path(epoch, kept):
    outbox = Outbox()
    outbox.subscribe(Wanted("orders", 0.1, epoch=epoch, seq=3))

    told = outbox.replay("orders", "k", 6, [(n, event(n)[1]) for n in kept])

    assert sent(told) == [{"t": "gap", "ch": "orders", "epoch": "k", "from": 3, "seq": 6, "rest": "/options/orders"}]


def test_after_valkey_was_away_events_are_a_gap_even_if_the_seq_did_not_move():
    outbox = Outbox()
    outbox.subscribe(Wanted("orders", 0.1))
    outbox.replay("orders", "k", 6, [])
    outbox.resync_all(events_lost=True)

    assert outbox.waiting() == ["orders"]
    assert sent(outbox.replay("orders", "k", 6, []))[0]["t"] == "gap"


def test_an_event_that_does_not_follow_is_replayed_and_not_sent_out_of_turn():
    outbox = Outbox()
    outbox.subscribe(Wanted("orders", 0.1))
    outbox.replay("orders", "k", 5, [])
    outbox.offer(*event(8))

    assert outbox.take(clock=5.0) == []
    assert outbox.waiting() == ["orders"]
    assert [m["seq"] for m in sent(outbox.replay("orders", "k", 8, [(n, event(n)[1]) for n in (6, 7, 8)]))] == [6, 7, 8]


def test_a_client_too_slow_for_events_overflows_instead_of_losing_one():
    outbox = Outbox()
    outbox.subscribe(Wanted("orders", 0.1))
    for seq in range(1, MOST_EVENTS + 1):
        outbox.offer(*event(seq))

    with pytest.raises(Overflow):
        outbox.offer(*event(MOST_EVENTS + 1))


changes = st.dictionaries(
    st.sampled_from(["p1", "p2", "p3"]),
    st.none() | st.dictionaries(st.sampled_from(["ltp", "pnl"]), st.integers(0, 9), min_size=1),
    max_size=3,
)
steps = st.lists(
    st.tuples(changes, st.sampled_from(["heard", "heard", "heard", "missed", "cut", "restart"]), st.booleans()),
    max_size=40,
)


def apply(rows, update):
    for key, row in update.items():
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = {**rows.get(key, {}), **row}


class Client:
    """The browser: it applies what follows on, and its rows must end as the server's."""

    def __init__(self):
        self.rows, self.seq = {}, None

    def hear(self, message):
        if message["t"] == "snap":
            self.rows, self.seq = {k: dict(v) for k, v in message["d"].items()}, message["seq"]
            return
        assert message["prev"] == self.seq
        apply(self.rows, message["d"])
        self.seq = message["seq"]


@settings(max_examples=300, deadline=None)
@given(steps)
def test_whatever_is_missed_or_cut_the_client_ends_with_the_servers_rows(plan):
    truth, seq, epoch = {}, 0, 0
    outbox, client = Outbox(), Client()
    outbox.subscribe(Wanted("positions", 0.1))
    for number, (update, fate, drained) in enumerate(plan):
        if fate == "restart":
            truth, seq, epoch = {}, 0, epoch + 1
            outbox.resync_all(events_lost=False)
        update = {k: v if v is None or k in truth else {"ltp": 0, "pnl": 0, **v} for k, v in update.items()}
        apply(truth, update)
        seq += 1
        if fate != "missed":
            outbox.offer(*delta(seq, update, epoch=str(epoch)))
        if fate == "cut":
            outbox, client = Outbox(), Client()
            outbox.subscribe(Wanted("positions", 0.1))
        if drained:
            drain(outbox, client, truth, seq, str(epoch), clock=float(number))
    seq += 1
    outbox.offer(*delta(seq, {}, epoch=str(epoch)))  # whatever comes next, or the heartbeat, shows a loss

    for extra in (1, 2):
        drain(outbox, client, truth, seq, str(epoch), clock=len(plan) + 5.0 * extra)
    assert client.rows == truth
    assert client.seq == seq


def drain(outbox, client, truth, seq, epoch, *, clock):
    for channel in outbox.waiting():
        client.hear(orjson.loads(outbox.snapshot(channel, epoch, seq, truth)))
    for message in outbox.take(clock):
        client.hear(orjson.loads(message))
