"""docs/concepts/proof.md: all 44 faults are there, and each names a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAULTS = range(1, 45)
ROW = re.compile(r"^\| (\d+) .*\| `(test_fault_\w+)` \|$", re.MULTILINE)
NAME = re.compile(r"def (test_fault_((?:\d\d_)+)\w+)\(")


def faults_named():
    """Fault number -> names of the tests that name it."""
    found = {}
    for file in (ROOT / "tests").rglob("test_*.py"):
        for name, numbers in NAME.findall(file.read_text()):
            for number in numbers.strip("_").split("_"):
                found.setdefault(int(number), set()).add(name)
    return found


def test_every_fault_has_a_test_of_its_number():
    assert sorted(faults_named()) == list(FAULTS)


def test_the_table_names_every_fault_and_a_test_of_it():
    rows = {int(number): name for number, name in ROW.findall((ROOT / "docs/concepts/proof.md").read_text())}
    tests = faults_named()

    assert list(rows) == list(FAULTS)
    assert {number: name for number, name in rows.items() if name not in tests[number]} == {}
