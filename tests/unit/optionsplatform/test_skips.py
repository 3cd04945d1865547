from pathlib import Path

import pytest

from tests.skips import FILE, read

pytest_plugins = ["pytester"]

PLUGIN = 'pytest_plugins = ["tests.skips"]\n'
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _runs_see_the_project_and_no_other_plugin(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_PLUGINS", raising=False)


def test_every_allowed_skip_has_a_reason():
    assert read(FILE.read_text())
    assert all(allowed.test and len(allowed.reason.strip("*")) > 10 for allowed in read(FILE.read_text()))


def test_a_listed_skip_is_covered_by_its_reason_alone():
    (allowed,) = read("tests/* | *MARKET_DATA_DIR is not set*  # a comment")

    assert allowed.covers("tests/unit/x.py::test_a", "MARKET_DATA_DIR is not set")
    assert not allowed.covers("tests/unit/x.py::test_a", "too slow today")
    assert not allowed.covers("other/x.py::test_a", "MARKET_DATA_DIR is not set")


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\ndef test_a():\n    pytest.skip('too slow today')\n",
        "import pytest\npytest.skip('too slow today', allow_module_level=True)\n",
        "import pytest\n@pytest.mark.skip(reason='too slow today')\ndef test_a():\n    pass\n",
    ],
)
def test_a_run_with_a_skip_that_is_not_listed_fails_and_names_it(pytester, body):
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile(body)

    result = pytester.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["skipped but not in tests/allowed_skips.txt:*too slow today"])


def test_a_run_without_surprising_skips_passes(pytester):
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile("import pytest\ndef test_a():\n    pass\n@pytest.mark.xfail\ndef test_b():\n    assert 0\n")

    result = pytester.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.OK
