"""The proof can fail: each build that is broken on purpose is caught within some hundred schedules."""

import pytest

from tests.unit.execution.schedules.broker import Violation
from tests.unit.execution.schedules.mutants import MUTANTS
from tests.unit.execution.schedules.play import Schedule

MOST = 600


def violations(mutant):
    """The invariants that break, one a schedule."""
    for n in range(MOST):
        try:
            Schedule(f"mutant:{n}", desk=mutant.desk, rules=mutant.broken_rules()).play()
        except Violation as violation:
            yield str(violation).split()[0]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_build_is_caught(mutant):
    assert any(broken in mutant.breaks for broken in violations(mutant))
