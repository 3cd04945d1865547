"""Two requests at once, on PostgreSQL, each with its own connection."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from allocations.models import StrategyBrokerAllocation
from strategies.models import Strategy
from tests.factories import UserFactory, make_account, make_allocation, make_basket, make_strategy
from users.errors import Refused

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work, arguments):
    """What each call answered, refusals as their code."""

    def one(argument):
        try:
            return work(argument)
        except Refused as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(one, arguments))


def test_the_last_place_of_a_basket_is_taken_once():
    basket = make_basket(UserFactory())
    for number in range(9):
        make_strategy(basket, name=f"S{number}")

    answers = at_once(lambda name: make_strategy(basket, name=name), ["A", "B", "C", "D"])

    assert answers.count("basket_full") == 3
    assert Strategy.objects.count() == 10


def test_a_pair_is_made_once():
    user = UserFactory()
    strategy, account = make_strategy(make_basket(user)), make_account(user)

    answers = at_once(lambda lots: make_allocation(strategy, account, lots=lots), [1, 2, 3, 4])

    assert answers.count("pair_exists") == 3
    assert StrategyBrokerAllocation.objects.count() == 1
