"""Programs sign in with `Authorization: Bearer <prefix>.<secret>`; what each key's scope allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from users import selectors, services
from users.models import ApiKey, User

if TYPE_CHECKING:  # rest_framework.views imports this module
    from rest_framework.views import APIView


class ApiKeyAuthentication(BaseAuthentication):
    """request.user is the key's owner and request.auth the ApiKey; None leaves it to the session."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        now = timezone.now()
        key = selectors.key_for(words[1].decode("latin-1"), now=now) if len(words) == 2 else None
        if key is None:
            raise AuthenticationFailed("The API key is unknown, revoked or expired.")
        services.note_key_use(key=key, now=now)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="options"'


class KeyScope(BasePermission):
    """A read key reads; a paper or trade key may write, except in views with `session_only = True`.

    A view that only calculates (a preview, a payoff) sets `moves_money = False`:
    then a read key may POST to it. Paper keys: the view must also ask `paper_only(request)`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return True
        if getattr(view, "session_only", False):
            self.message = "API keys cannot do this; sign in with the browser."
            return False
        if request.method in SAFE_METHODS or not getattr(view, "moves_money", True):
            return True
        self.message = "A read key cannot change anything; use a paper or trade key."
        return key.scope in (ApiKey.Scope.PAPER, ApiKey.Scope.TRADE)


def caller(request: Request) -> User:
    """The signed-in user of this request, with the type that the services want."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def paper_only(request: Request) -> bool:
    """True when the caller's key must never touch a live account."""
    return isinstance(request.auth, ApiKey) and request.auth.scope == ApiKey.Scope.PAPER


def origin(request: Request) -> dict[str, Any]:
    """`source` and `address` of this request, for the services that write the audit log."""
    source = "api" if isinstance(request.auth, ApiKey) else "browser"
    return {"source": source, "address": request.META.get("REMOTE_ADDR") or None}
