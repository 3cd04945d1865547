"""Rules of every test run; fixtures are in tests/conftest.py."""

pytest_plugins = ["tests.skips"]
