import pytest

from tests.factories import make_account, make_allocation, make_basket, make_strategy


@pytest.fixture
def account(user):
    return make_account(user)


@pytest.fixture
def strategy(user):
    return make_strategy(make_basket(user))


@pytest.fixture
def pair(strategy, account):
    return make_allocation(strategy, account)


@pytest.fixture
def path(pair):
    return f"/options/strategies/{pair.strategy_id}/brokers/{pair.pk}"
