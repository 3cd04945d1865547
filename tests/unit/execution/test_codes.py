"""Every code that is written anywhere has words and a fix, in the product and in its document."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from allocations.risk import Denial
from brokers.adapters.plain import REJECTIONS
from execution.codes import CODES, GROUPS, reason_of
from execution.states import OrderState
from strategies.rules.values import Code
from tests.unit.test_documents import table

ROOT = Path(__file__).resolve().parents[3]
WRITERS = ("execution/engine", "execution/moves.py", "execution/gates.py", "execution/reconcile", "execution/services")
#: Upper-case words of the engine that are no codes of an order or run.
OTHER_WORDS = {"BUY", "SELL", "LIMIT", "MARKET", "INSERT", "UPDATE", "DELETE", "ROLLBACK", "COMMIT"}


def words_of(path: Path) -> set[str]:
    """Every string constant of the file that is one upper-case word."""
    constants = (
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in constants if re.fullmatch(r"[A-Z]{2,}(_[A-Z]+)+|[A-Z]{5,}", text)}


def written() -> set[str]:
    files = [file for each in WRITERS for file in sorted([*(ROOT / each).glob("**/*.py"), ROOT / each])]
    found = set().union(*(words_of(file) for file in files if file.is_file() and file.suffix == ".py"))
    return found - OTHER_WORDS - {state.value for state in OrderState}


def test_every_code_that_the_engine_writes_has_words_and_a_fix():
    assert written() - CODES.keys() == set()
    assert {"TIMED_OUT", "NO_LOGIN", "BROKER_UNREACHABLE"} <= written()  # the search finds codes


def test_every_denial_rule_and_rejection_has_words_and_a_fix():
    assert {*map(str, Denial), *map(str, Code), *REJECTIONS} <= CODES.keys()


@pytest.mark.parametrize("code", CODES)
def test_words_and_fix_are_sentences(code):
    reason = reason_of(code)

    assert reason.text.endswith(".")
    assert reason.fix.endswith(".")
    assert code not in reason.text


def test_no_code_stands_in_two_groups():
    assert sum(len(group) for group in GROUPS.values()) == len(CODES)


def test_a_code_that_nobody_writes_is_refused():
    with pytest.raises(KeyError):
        reason_of("NO_SUCH_CODE")


@pytest.mark.parametrize("name", GROUPS)
def test_the_document_lists_every_code_as_the_product_says_it(name):
    rows = table("docs/concepts/codes.md", "code", under=f"## {name}\n")

    assert [(row["code"], row["what happened"], row["what to do"]) for row in rows] == [
        (code, reason.text, reason.fix) for code, reason in GROUPS[name].items()
    ]
