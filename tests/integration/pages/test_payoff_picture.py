"""The payoff on a strategy's page: bands, odds, target curve, and the same in words and a table."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(browser, world):
    return browser.get(f"/strategies/{world.strategies['iron_condor'].pk}").content.decode()


def test_both_bands_are_shaded_and_breakevens_marked(page):
    assert page.count('class="sigma"') == 2
    assert page.count('<circle class="even"') >= 2


def test_the_probability_stands_with_its_definition_in_text(page):
    text = " ".join(page.split())

    odds = re.search(r"Odds of profit</dt><dd>(\d+)%", text)
    assert odds is not None
    assert f"Probability of profit {odds[1]}%." in text
    assert "lognormal on the forward at the at-the-money volatility" in text
    assert "not a forecast" in text


def test_the_target_date_has_its_line_its_key_and_its_column(page):
    assert '<polyline class="target" points="' in page
    day = re.search(r'<th scope="col" class="num">(\w{3} \d+ \w{3})</th>', page)
    assert day is not None
    assert f"</svg> {day[1]}</li>" in page


def test_the_picture_carries_no_style_of_its_own(page):
    figure = page[page.index("<figure") : page.index("</figure>")]

    assert "style=" not in figure
    assert "<script" not in figure


def test_a_calendars_best_and_worst_are_of_its_curve_and_not_of_its_strikes(browser, world):
    """Both legs at one strike: read as if they expired together they would never earn anything."""
    made = browser.post(
        f"/baskets/{world.basket.pk}/strategies/new?preset=calendar",
        {"name": "Calendar", **preset_fields(browser, world)},
    )
    assert made.status_code == 302, made.content.decode()

    page = " ".join(browser.get(made["Location"]).content.decode().split())

    best = re.search(r"<dt>Best</dt><dd>\+([\d,]+)</dd>", page)
    assert best is not None, page
    assert int(best[1].replace(",", "")) > 0
    assert "when the first leg expires and the others are valued at today's volatility" in page.replace(
        "&#x27;", "'"
    )


def preset_fields(browser, world):
    """What the form of the preset proposes."""
    page = browser.get(f"/baskets/{world.basket.pk}/strategies/new?preset=calendar")
    form = page.context["form"]
    return {name: form[name].value() for name in form.fields if name != "name" and form[name].value() is not None}
