"""The publisher's side: at once, then at most ten times a second, always the newest."""

from execution.live.feed import Conflation, difference

KEY = ("1", "positions")


def told(deltas):
    return [(d.channel, d.seq, d.changes) for d in deltas]


def test_the_first_change_is_told_at_once_and_the_next_waits_for_its_turn():
    feed = Conflation(interval=0.1)
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "71.20"}}})
    first = feed.due(clock=5.0)
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "71.10"}}})

    assert told(first) == [("positions", 1, {"p1": {"ltp": "71.20"}})]
    assert feed.due(clock=5.05) == []
    assert round(feed.wait(clock=5.05), 6) == 0.05
    assert told(feed.due(clock=5.1)) == [("positions", 2, {"p1": {"ltp": "71.10"}})]


def test_what_changed_twice_while_waiting_is_told_once_with_the_newest_value():
    feed = Conflation()
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "71.20", "pnl": "1.00"}}})
    feed.due(clock=5.0)
    for price in ("71.10", "71.00", "70.90"):
        feed.replace(("positions",), {KEY: {"p1": {"ltp": price, "pnl": "1.00"}}})

    assert told(feed.due(clock=6.0)) == [("positions", 2, {"p1": {"ltp": "70.90"}})]


def test_one_owner_does_not_wait_for_another():
    feed = Conflation()
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "1.00"}}})
    feed.due(clock=5.0)
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "2.00"}}, ("2", "positions"): {"p9": {"ltp": "3.00"}}})

    assert [d.owner for d in feed.due(clock=5.01)] == ["2"]


def test_nothing_is_told_where_nothing_changed():
    feed = Conflation()
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "1.00"}}})
    feed.due(clock=5.0)
    feed.replace(("positions",), {KEY: {"p1": {"ltp": "1.00"}}})

    assert feed.due(clock=9.0) == []
    assert feed.wait(clock=9.0) is None


def test_a_channel_that_is_no_longer_named_loses_its_rows():
    feed = Conflation()
    feed.replace(("positions",), {("1", "positions:12"): {"p1": {"ltp": "1.00"}}, ("1", "summary"): {"all": {}}})
    feed.due(clock=5.0)
    feed.replace(("positions",), {})

    assert told(feed.due(clock=6.0)) == [("positions:12", 2, {"p1": None})]


def test_a_difference_holds_changed_fields_whole_new_rows_and_none_for_gone_ones():
    old = {"a": {"x": 1, "y": 2}, "b": {"x": 3}}
    new = {"a": {"x": 1, "y": None}, "c": {"x": 4}}

    assert difference(old, new) == {"b": None, "a": {"y": None}, "c": {"x": 4}}
