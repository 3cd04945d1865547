"""Who a socket belongs to, by session cookie or ticket, and whether that still holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.http.request import validate_host

from baskets.models import Basket
from users.models import ApiKey, User


@dataclass(frozen=True, slots=True)
class Login:
    """A session (with the hash that a new password changes) or a program's key, or a bare ticket."""

    user_id: int
    session_key: str | None = None
    session_hash: str = ""
    key_id: int | None = None


def from_scope(scope: dict) -> Login | None:
    """The browser's sign-in, as AuthMiddlewareStack found it."""
    user, session = scope.get("user"), scope.get("session")
    if user is None or session is None or not (user.is_authenticated and user.is_active):
        return None
    return Login(user.pk, session.session_key, session.get(HASH_SESSION_KEY, ""))


def still_valid(logins: Iterable[Login], *, now: datetime) -> set[Login]:
    """Those that are still signed in: user active, session kept and its password unchanged, key usable."""
    asked = set(logins)
    users = {u.pk: u for u in User.objects.filter(pk__in={x.user_id for x in asked}, is_active=True)}
    hashes = {pk: user.get_session_auth_hash() for pk, user in users.items()}
    names = {x.session_key for x in asked if x.session_key}
    kept = set(
        Session.objects.filter(session_key__in=names, expire_date__gt=now).values_list(
            "session_key", flat=True
        )
    )
    ids = {x.key_id for x in asked if x.key_id}
    usable = ApiKey.objects.filter(pk__in=ids, revoked_at=None, expires_at__gt=now)
    keys = set(usable.values_list("pk", flat=True)) if ids else set()
    return {
        x
        for x in asked
        if x.user_id in users
        and (x.session_key is None or (x.session_key in kept and x.session_hash == hashes[x.user_id]))
        and (x.key_id is None or x.key_id in keys)
    }


def origin_is_ours(origin: str, host: str) -> bool:
    """A browser's page may open a socket with its cookie only from this site."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    page = urlsplit(origin)
    if page.scheme not in ("http", "https") or not page.netloc or page.netloc != host:
        return False
    return validate_host(page.hostname or "", settings.ALLOWED_HOSTS)


def may_see_basket(user_id: int, basket_id: int) -> bool:
    """Own baskets, those granted, and those that one's own accounts run."""
    mine = (
        Q(owner=user_id)
        | Q(grants__user=user_id)
        | Q(strategies__allocations__broker_account__user=user_id)
    )
    return Basket.objects.filter(mine, pk=basket_id).exists()
