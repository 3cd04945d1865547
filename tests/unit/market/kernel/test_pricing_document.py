"""The worked table of docs/algorithms/pricing.md, held against the code."""

import math
from pathlib import Path

from market.kernel.flags import Flag
from market.kernel.pricing import greeks

TEXT = (Path(__file__).resolve().parents[4] / "docs/algorithms/pricing.md").read_text()


def rows(first_column):
    lines = TEXT.partition(f"| {first_column} |")[2].splitlines()[2:]
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_worked_greeks_of_the_document_are_the_codes():
    t = 9 / 365
    found = greeks(24_612.35, 24_600, t, math.exp(-0.065 * t), 0.13, True)  # noqa: FBT003 the fixed signature

    assert {name: figure for name, _, figure in rows("name")} == {
        name: f"{value:.6g}" for name, value in found.items()
    }


def test_the_document_names_every_flag():
    assert [row[0] for row in rows("flag")] == [flag.name for flag in Flag]
