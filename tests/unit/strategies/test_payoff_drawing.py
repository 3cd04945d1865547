"""The geometry of a payoff picture: what is drawn where, and what is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.outlook import Outlook
from strategies.templatetags.payoff_drawing import EDGE, TICKS, drawing

SPOTS = np.linspace(23_600.0, 25_600.0, 201)
SIZE = (640, 352, 50)
BANDS = Outlook(24_600.0, 0.13, 7 / 365).bands()


def picture(profit, **more):
    return drawing(SPOTS, np.asarray(profit, dtype=float), spot=24_600.0, size=SIZE, **more)


def test_the_wider_band_is_shaded_first_and_the_narrower_lies_inside_it():
    wide, narrow = picture(SPOTS - 24_600, bands=BANDS).shades

    assert (wide.name, narrow.name) == ("2σ", "1σ")
    assert wide.x < narrow.x < narrow.x + narrow.width < wide.x + wide.width


def test_a_band_that_reaches_beyond_the_chart_ends_at_its_sides():
    wide = picture(SPOTS - 24_600, bands=Outlook(24_600.0, 0.6, 0.5).bands()).shades[0]

    assert (wide.x, wide.width) == (0.0, 640.0)


def test_edges_are_named_where_there_is_room_and_the_outer_ones_first():
    roomy = picture(SPOTS - 24_600, bands=BANDS).edges
    tight = picture(SPOTS - 24_600, bands=Outlook(24_600.0, 0.05, 7 / 365).bands()).edges

    assert [name for _, name in roomy] == ["−2σ", "+2σ", "−1σ", "+1σ"]
    assert [name for _, name in tight] == ["−2σ", "+2σ"]


def test_zero_the_extremes_and_the_breakevens_are_where_they_belong():
    found = picture(np.clip(SPOTS - 24_600, -500, 500), evens=[24_600.0, 30_000.0])

    assert found.zero == 176.0  # the middle: as much above as below
    assert found.evens == (320.0,)  # the other lies beyond the chart
    assert found.y_marks == ((50.0, "+500"), (302.0, "−500"))


def test_lines_that_are_not_asked_for_are_empty():
    bare = picture(SPOTS - 24_600)
    full = picture(SPOTS - 24_600, target=SPOTS - 24_700, today=SPOTS - 24_800)

    assert (bare.target, bare.today) == ("", "")
    assert full.target.count(",") == full.today.count(",") == 201


@given(st.floats(1, 80_000), st.floats(0.01, 0.9))
def test_ticks_are_round_few_and_clear_of_the_sides(middle, reach):
    spots = np.linspace(middle * (1 - reach), middle * (1 + reach), 50)

    found = drawing(spots, spots - middle, spot=middle, size=SIZE)

    assert len(found.x_marks) <= TICKS + 1
    for x, text in found.x_marks:
        assert 640 * EDGE - 0.1 <= x <= 640 * (1 - EDGE) + 0.1
        assert text.replace(",", "").isdigit()


def test_a_profit_of_nothing_is_a_line_in_the_picture():
    found = picture(np.zeros(201))

    assert (found.zero, found.y_marks) == (50.0, ())


@pytest.mark.parametrize("name", ["line", "gain", "drop"])
def test_every_point_is_inside_the_picture(name):
    points = getattr(picture(np.sin(SPOTS / 100) * 1e6), name).split()

    for point in points:
        x, y = map(float, point.split(","))
        assert 0 <= x <= 640
        assert 0 <= y <= 352
