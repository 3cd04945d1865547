"""Mutation score of the pure modules of an order's life: python -m tests.mutate [module ...]

Each mutant changes one thing in a copy of the module: a comparison, an operator, a constant, a state,
a condition, an entry of a set, a returned value. It is killed when the module's own unit tests fail on it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "execution/states.py": ["tests/unit/execution/test_states.py"],
    "execution/positions.py": ["tests/unit/execution/test_positions.py"],
}
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
            ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
CALCULATED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.BitOr: ast.BitAnd}
LIMIT = 120


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(where and what, the mutated source)."""
    tree = ast.parse(source)
    skipped = {id(part) for node in ast.walk(tree) for part in _unmutated(node)}
    places = [node for node in ast.walk(tree) if id(node) not in skipped]
    for index, node in enumerate(places):
        for number, (words, _) in enumerate(_changes(node)):
            copy = deepcopy(tree)
            skipped_copy = {id(part) for each in ast.walk(copy) for part in _unmutated(each)}
            twin = [each for each in ast.walk(copy) if id(each) not in skipped_copy][index]
            list(_changes(twin))[number][1]()
            yield f"line {getattr(node, 'lineno', 0)}: {words}", ast.unparse(ast.fix_missing_locations(copy))


def _unmutated(node: ast.AST) -> Iterator[ast.AST]:
    """Annotations, docstrings, enum values and decorators: changing them changes no behaviour."""
    if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
        yield from ast.walk(node.annotation)
    if isinstance(node, ast.FunctionDef):
        for part in (node.returns, *node.decorator_list):
            yield from ast.walk(part) if part is not None else ()
    if isinstance(node, ast.ClassDef):
        yield from (part for decorator in node.decorator_list for part in ast.walk(decorator))
        if any(isinstance(base, ast.Name) and base.id == "StrEnum" for base in node.bases):
            yield from (part for line in node.body for part in ast.walk(line))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value


def _changes(node: ast.AST) -> list[tuple[str, object]]:  # noqa: C901, PLR0912 - one arm a kind of node
    found: list[tuple[str, object]] = []

    def change(words: str, **fields: object) -> None:
        found.append((words, lambda: [setattr(node, name, value) for name, value in fields.items()]))

    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARED:
            other = COMPARED[type(operator)]()
            change(f"{type(operator).__name__} -> {type(other).__name__}", ops=[other])
        case ast.BinOp(op=operator) if type(operator) in CALCULATED:
            other = CALCULATED[type(operator)]()
            change(f"{type(operator).__name__} -> {type(other).__name__}", op=other)
        case ast.BoolOp(op=ast.And()):
            change("and -> or", op=ast.Or())
        case ast.BoolOp(op=ast.Or()):
            change("or -> and", op=ast.And())
        case ast.UnaryOp(op=ast.USub()):
            change("-x -> +x", op=ast.UAdd())
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            change(f"{value} -> {value + 1}", value=value + 1)
        case ast.Constant(value=str() as value):
            change(f"{value!r} -> {value + 'X'!r}", value=value + "X")
        case ast.IfExp(body=body, orelse=orelse):
            change("branches exchanged", body=orelse, orelse=body)
        case ast.If(test=test):
            change("if -> if not", test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=value) if value is not None:
            change("return None", value=ast.Constant(None))
        case ast.Set(elts=elements) if len(elements) > 1:
            for n, element in enumerate(elements):
                change(f"without {ast.unparse(element)}", elts=elements[:n] + elements[n + 1 :])
        case _:
            pass
    return found


def killed(module: str, source: str) -> bool:
    """Whether the module's tests fail when it is this source."""
    with tempfile.TemporaryDirectory() as folder:
        shadow = Path(folder) / "execution"
        shadow.mkdir()
        (shadow / Path(module).name).write_text(source)
        environment = {
            name: value for name, value in os.environ.items()
            if name not in ("PYTEST_PLUGINS", "DJANGO_SETTINGS_MODULE")
        } | {"MUTANT": str(shadow), "PYTHONPATH": str(ROOT)}  # fmt: skip
        # The tests are pure: without Django and the project's conftest a mutant takes a second.
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-c", os.devnull, "--rootdir", str(ROOT),
                   "--noconftest", "-p", "no:django", "-p", "no:xdist", "-p", "no:cacheprovider",
                   "-p", "tests.mutant_plugin", *TESTS[module]]  # fmt: skip
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return True
    return done.returncode != 0  # 1: a test failed, 2: the module cannot even be imported


def main(modules: list[str]) -> int:
    """0 when every mutant is killed."""
    alive = 0
    for module in modules or list(TESTS):
        if killed(module, (ROOT / module).read_text()):
            sys.exit(f"the tests of {module} fail, or take longer than {LIMIT} s, before anything is mutated")
        found = list(mutants((ROOT / module).read_text()))
        left = [words for words, source in found if not killed(module, source)]
        alive += len(left)
        sys.stdout.write(f"{module}: {len(found) - len(left)} of {len(found)} mutants killed\n")
        sys.stdout.writelines(f"  alive: {words}\n" for words in left)
        sys.stdout.flush()
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
