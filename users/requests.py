"""Requests of signed-in users, with the types that selectors and services want."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from users.models import User


class SignedInRequest(HttpRequest):
    """What a view behind `login_required` is given."""

    user: User
    htmx: HtmxDetails


def signed_in(request: HttpRequest) -> User:
    """The user of a request that is typed as anyone's, as the admin's are."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
