import pytest

from tests.factories import make_basket, make_strategy


@pytest.fixture
def basket(user):
    return make_basket(user)


@pytest.fixture
def strategy(basket):
    return make_strategy(basket)
