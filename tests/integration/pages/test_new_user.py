"""Every page of somebody who has nothing yet, on a desk whose market has not begun."""

from __future__ import annotations

import pytest

from tests.integration.pages.test_every_page import OPEN

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", OPEN)
def test_a_new_user_gets_the_page_without_anything(path, browser):
    assert browser.get(path).status_code == 200


def test_a_page_that_is_not_there_says_so_and_offers_kill(browser):
    answer = browser.get("/nothing-here")

    assert answer.status_code == 404
    assert "Nothing was changed and no order was sent." in answer.content.decode()
    assert "/risk/kill" in answer.content.decode()
