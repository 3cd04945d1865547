"""What every test shares: a database whose tables can be emptied, a fresh cache, fast passwords."""

from __future__ import annotations

import gc
import os
import secrets

import psycopg
import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from hypothesis import HealthCheck
from hypothesis import settings as bounds
from rest_framework.test import APIClient

from tests.factories import UserFactory, make_api_key

# No property is a matter of time: machines are shared.
bounds.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
bounds.load_profile("house")

TRUNCATE_TRIGGERS = """
SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
WHERE NOT tgisinternal AND tgtype & 32 <> 0
"""
MADE_BY = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
MIGRATED = "migrated"  # the database that every xdist worker's own is a copy of
#: Begun first, so that no worker is alone with them at the end; the rest as pytest-django sorts it.
LONGEST = (
    "tests/end_to_end/test_story.py", "tests/end_to_end/test_trade_day.py",
    "tests/integration/test_schema.py", "tests/integration/test_every_route.py",
)  # fmt: skip


def pytest_configure(config):
    # Chosen before workers start, so that they all have it: another set of schedules in each run.
    os.environ.setdefault("SCHEDULES_SEED", str(secrets.randbelow(10**9)))
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # else every test client walks all static files when made
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def pytest_report_header(config):
    return f"schedules of the proof: SCHEDULES_SEED={os.environ['SCHEDULES_SEED']}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """pytest-django puts tests without a database last, and so the whole desks of tests/end_to_end."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))


def pytest_collection_finish():
    """What is loaded now stays: the garbage collector need not look through it after every test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, request, django_db_blocker):
    """Under xdist one worker migrates, and the database of each is a copy of what it made."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None or request.config.option.reuse_db:
        return
    with django_db_blocker.unblock(), psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(hashtext(%s))", [MIGRATED])  # until it disconnects
        if server.execute(MADE_BY, [MIGRATED]).fetchone() != (run,):
            _migrate()
            server.execute(f"COMMENT ON DATABASE {MIGRATED} IS '{run}'")
    connection.settings_dict["TEST"]["TEMPLATE"] = MIGRATED


def _migrate():
    """Make MIGRATED, in place of an earlier run's."""
    name = connection.settings_dict["NAME"]
    own = connection.settings_dict["TEST"]["NAME"]
    connection.settings_dict["TEST"]["NAME"] = MIGRATED
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.close()
    connection.settings_dict["TEST"]["NAME"] = own
    connection.settings_dict["NAME"] = name


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Transactional tests empty every table, so append-only tables let TRUNCATE pass here."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(TRUNCATE_TRIGGERS)
        for table, trigger in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    yield
    # asgiref's thread for synchronous code lives as long as the process, and holds the database with it
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


@pytest.fixture
def user(db):
    return UserFactory()


@pytest.fixture
def stranger(db):
    return UserFactory()


@pytest.fixture
def api(user):
    """The API as `user` in the browser."""
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def key_api(user):
    """The API as a program of `user`: key_api("read")."""

    def client(scope, **key):
        _, token = make_api_key(user, scope=scope, **key)
        program = APIClient()
        program.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return program

    return client
