"""Pages about the user: notices, API keys, and how the desk looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from users import alarm_services, selectors, services
from users.errors import Refused
from users.forms import ApiKeyForm, ChannelForm
from users.requests import SignedInRequest

PAGE = 50


@login_required
@require_GET
def notices(request: SignedInRequest) -> HttpResponse:
    """Everything the user was told, newest first."""
    rows = selectors.notices_of(request.user)
    unread = request.GET.get("show") == "unread"
    if unread:
        rows = rows.filter(read_at=None)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "users/notices.html", {"page": page, "unread_only": unread})


@login_required
@require_POST
def read_notice(request: SignedInRequest, notice_id: int) -> HttpResponse:
    """Mark one notice as read."""
    notice = get_object_or_404(selectors.notices_of(request.user), pk=notice_id)
    services.mark_read(user=request.user, notice_id=notice.pk, now=datetime.now(UTC))
    return redirect("page-notices")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def settings_page(request: SignedInRequest) -> HttpResponse:
    """API keys, alarms, sign-in security and colours; a new key's token is shown in this answer only."""
    form = ApiKeyForm(request.POST or None)
    token = _create_key(request, form) if request.method == "POST" and form.is_valid() else ""
    shown = {"form": ApiKeyForm() if token else form, "token": token}
    return _settings(request, shown, wrong=form.is_bound and bool(form.errors))


@login_required
@never_cache
@require_POST
def add_channel(request: SignedInRequest) -> HttpResponse:
    """A new alarm channel; a webhook's secret is shown in this answer only."""
    form = ChannelForm(request.POST)
    secret = None
    if form.is_valid():
        try:
            _, secret = alarm_services.add_channel(
                user=request.user, **form.cleaned_data, source="page",
                ip=request.META.get("REMOTE_ADDR"), now=datetime.now(UTC),
            )  # fmt: skip
        except Refused as error:
            form.refuse(error)
    if secret is None:
        return _settings(request, {"channel_form": form}, wrong=True)
    messages.success(request, f"Added {form.cleaned_data['name']}. Send a test to see that it arrives.")
    return _settings(request, {"secret": secret}) if secret else redirect("page-settings")


@login_required
@require_POST
def end_channel(request: SignedInRequest, channel_id: int) -> HttpResponse:
    """Nothing more goes through it."""
    channel = get_object_or_404(selectors.channels_of(request.user), pk=channel_id)
    alarm_services.end_channel(
        user=request.user, channel_id=channel.pk, source="page", ip=request.META.get("REMOTE_ADDR"),
        now=datetime.now(UTC),
    )  # fmt: skip
    messages.success(request, f"Nothing goes through {channel.name} any more.")
    return redirect("page-settings")


@login_required
@require_POST
def test_channel(request: SignedInRequest, channel_id: int) -> HttpResponse:
    """Send a test through one channel."""
    channel = get_object_or_404(selectors.channels_of(request.user), pk=channel_id)
    alarm_services.send_test(user=request.user, channel_id=channel.pk, now=datetime.now(UTC))
    messages.success(request, f"A test is on its way through {channel.name}. Its result is shown here in a moment.")
    return redirect("page-settings")


def _settings(request: SignedInRequest, shown: dict[str, Any], *, wrong: bool = False) -> HttpResponse:
    channels = list(selectors.channels_of(request.user))
    last = selectors.last_deliveries(channels)
    context = {
        "form": ApiKeyForm(),
        "channel_form": ChannelForm(),
        "keys": selectors.keys_of(request.user),
        "channels": [(channel, last.get(channel.pk)) for channel in channels],
        "now": datetime.now(UTC),
        **shown,
    }
    return render(request, "users/settings.html", context, status=422 if wrong else 200)


@login_required
@require_POST
def revoke_key(request: SignedInRequest, key_id: int) -> HttpResponse:
    """Stop a key at once."""
    if not selectors.keys_of(request.user).filter(pk=key_id).exists():
        raise Http404("no such key")
    key = services.revoke_api_key(
        user=request.user,
        key_id=key_id,
        source="page",
        address=request.META.get("REMOTE_ADDR"),
        now=datetime.now(UTC),
    )
    messages.success(request, f"The key {key.name} no longer works.")
    return redirect("page-settings")


def _create_key(request: SignedInRequest, form: ApiKeyForm) -> str:
    now = datetime.now(UTC)
    try:
        _, token = services.create_api_key(
            user=request.user,
            name=form.cleaned_data["name"],
            scope=form.cleaned_data["scope"],
            expires_at=now + timedelta(days=form.cleaned_data["days"]),
            source="page",
            address=request.META.get("REMOTE_ADDR"),
            now=now,
        )
    except Refused as error:
        form.refuse(error)
        return ""
    return token
