"""When an account's books are looked at again: within a round, and not all accounts' at once."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from execution.reconcile.books import next_look

MINUTE = timedelta(seconds=60)
NOW = datetime(2026, 8, 3, 3, 50, tzinfo=UTC)
moments = st.timedeltas(timedelta(days=-2000), timedelta(days=5000)).map(lambda since: NOW + since)


@given(account=st.integers(1, 10**9), now=moments)
def test_an_account_is_looked_at_again_after_no_more_than_a_round(account, now):
    assert now < next_look(account, now, every=MINUTE) <= now + MINUTE


@given(account=st.integers(1, 10**9), now=moments)
def test_it_keeps_its_moment_of_the_round(account, now):
    first = next_look(account, now, every=MINUTE)

    assert next_look(account, first, every=MINUTE) == first + MINUTE


def test_accounts_read_in_one_moment_are_due_evenly_over_the_round():
    due = Counter(int((next_look(n, NOW, every=MINUTE) - NOW).total_seconds()) for n in range(1, 601))

    assert set(due.values()) <= {9, 10, 11}
    assert sum(due.values()) == 600
