from __future__ import annotations

from copy import deepcopy

import pytest

from market.quotes import connection
from tests.factories import UserFactory
from tests.integration import everything
from tests.integration.pages import world as story


@pytest.fixture(scope="module")
def _standing(django_db_setup, django_db_blocker):
    """The demo story, made once for the tests of a file; each of them rolls back to it."""
    with django_db_blocker.unblock(), everything.standing(lambda: story.build(UserFactory())) as built:
        yield built


@pytest.fixture
def world(_standing, db):
    """The demo story of `user`; Valkey is emptied of it afterwards."""
    made = deepcopy(_standing, {id(_standing.frame): _standing.frame})  # no test changes a frame
    story.publish(made.timeline, story.CLOCK)
    yield made
    connection().delete("frame:demo", "frame-number:demo", "heartbeat:market")


@pytest.fixture
def user(request, db):
    """The trader of the story, where the test has one."""
    told = "world" in request.fixturenames
    return request.getfixturevalue("world").user if told else UserFactory()


@pytest.fixture
def browser(client, user):
    """A signed-in browser."""
    client.force_login(user)
    return client
