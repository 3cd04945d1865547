"""What every test shares: a database whose tables can be emptied, a fresh cache, fast passwords."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import connection
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


def pytest_configure(config):
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # else every test client walks all static files when made
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Transactional tests empty every table, so append-only tables let TRUNCATE pass here."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(TRUNCATE_TRIGGERS)
        for table, trigger in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")


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
