"""client_ref: 20 letters and digits that a broker takes as a tag, another for every order."""

import string
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from execution.engine.refs import client_ref

KEY = b"a key"


def test_a_reference_is_twenty_capital_letters_and_digits():
    ref = client_ref(KEY, "0" * 32, "pair-1", "2026-08-03", "entry", 1, 2, "open", 1, 1)

    assert len(ref) == 20
    assert set(ref) <= set(string.ascii_uppercase + string.digits)


def test_the_same_order_has_the_same_reference_in_every_process():
    assert client_ref(KEY, "pair-1", 1) == client_ref(KEY, "pair-1", 1) == "G1U86S1I2NE11OLYCPJI"


def test_another_key_gives_another_reference():
    assert client_ref(KEY, "pair-1", 1) != client_ref(b"another", "pair-1", 1)


def test_every_order_of_many_pairs_and_days_has_a_reference_of_its_own():
    keys = list(product(range(12), ("2026-08-03", "2026-08-04"), ("entry", "exit", "roll"), range(1, 3),
                        range(1, 7), ("open", "close"), range(1, 5), range(1, 3)))  # fmt: skip

    assert len({client_ref(KEY, *key) for key in keys}) == len(keys) == 13824


@given(
    left=st.lists(st.integers(0, 10**6) | st.sampled_from(["entry", "exit", "open", "close"]), max_size=6),
    right=st.lists(st.integers(0, 10**6) | st.sampled_from(["entry", "exit", "open", "close"]), max_size=6),
)  # fmt: skip
def test_parts_do_not_run_into_each_other(left, right):
    """("1", "11") and ("11", "1") are different orders."""
    same = [str(part) for part in left] == [str(part) for part in right]
    assert (client_ref(KEY, *left) == client_ref(KEY, *right)) == same
