"""Pause, resume, exit and kill: choose a scope, confirm with the list, read the receipt. No script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from execution import receipts, services
from execution.forms import ScopeForm
from execution.receipts import Progress
from execution.tasks import start_after_commit
from execution.views.desk import running_timeline
from execution.views.scopes import Node, Open, open_in, tree_of
from market.kernel.margin import ATTRIBUTION
from users.errors import Refused
from users.models import User
from users.requests import SignedInRequest


@dataclass(frozen=True, slots=True)
class Verb:
    key: str
    name: str
    button: str
    done: str
    meaning: str
    closes: bool
    act: Callable[..., Any]


VERBS = {
    verb.key: verb
    for verb in (
        Verb("pause", "Pause entries", "Pause entries", "Paused",
             "No new entries. Exits and stops go on.", closes=False, act=services.pause),
        Verb("resume", "Resume", "Resume", "Resumed",
             "Entries go on by their schedule, unless a wider scope is still stopped.",
             closes=False, act=services.resume),
        Verb("exit", "Exit now", "Exit now", "Exit sent",
             "Closes what is open; later entries stay on their schedule.",
             closes=True, act=services.exit_now),
        Verb("kill", "Kill", "Kill: stop and close everything listed", "Killed",
             "Cancels open orders, closes positions and lets nothing new in until you resume.",
             closes=True, act=services.kill),
    )
}  # fmt: skip


@login_required
@never_cache
@require_GET
def risk(request: SignedInRequest) -> HttpResponse:
    """Every scope with its state and what is open in it."""
    tree = tree_of(request.user, running_timeline(), valued=True)
    return render(request, "execution/risk.html", {"tree": tree, "method": ATTRIBUTION})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def act(request: SignedInRequest, verb: str) -> HttpResponse:
    """GET shows what would happen; POST does it."""
    if verb not in VERBS:
        raise Http404("no such verb")
    sent = request.POST if request.method == "POST" else request.GET
    tree = tree_of(request.user, running_timeline())
    if "scope" not in sent:
        return render(request, "execution/choose.html", {"verb": VERBS[verb], "tree": tree})
    form = ScopeForm(sent)
    node = _node(form, tree)
    if request.method == "POST" and _done(request.user, VERBS[verb], node, form):
        place = {"scope": node.scope, "target": node.target}
        return redirect(f"/risk/{verb}/done?{urlencode(place)}")
    return _confirm(request, VERBS[verb], node, form)


@login_required
@never_cache
@require_GET
def receipt(request: SignedInRequest, verb: str) -> HttpResponse:
    """By account, what was closed and is still open, until the broker's own book says that it is flat."""
    if verb not in VERBS:
        raise Http404("no such verb")
    timeline = running_timeline()
    node = _node(ScopeForm(request.GET), tree_of(request.user, timeline))
    held = open_in(request.user, timeline, node)
    parts = _parts(request.user, VERBS[verb], node)
    context = {
        "verb": VERBS[verb],
        "node": node,
        "flat": not held.positions and not held.orders,
        "verified": bool(parts) and all(part.verified_at for part in parts),
        "besides": receipts.besides([each for part in parts for each in part.left_to_expire]),
        "left": len(held.positions),
        "waiting": len(held.orders),
        "parts": parts,
        "asof": timeline.market_now if timeline else None,
    }
    return render(request, "execution/receipt.html", context)


def _parts(user: User, verb: Verb, node: Node) -> list[Progress]:
    """By account, how far the newest act of this kind in the scope has come."""
    found = receipts.newest(user, verb=verb.key, scope=node.scope, target=node.id)
    return [] if found is None else services.progress_of(found)


def _node(form: ScopeForm, tree: list[Node]) -> Node:
    """The scope among the user's own; a stranger's is not there."""
    if not form.is_valid():
        raise Http404("no such scope")
    wanted = form.cleaned_data["scope"], form.cleaned_data["target"]
    for node in tree:
        if (node.scope, node.id) == wanted:
            return node
    raise Http404("no such scope")


def _done(user: User, verb: Verb, node: Node, form: ScopeForm) -> bool:
    try:
        runs = verb.act(
            user=user, scope=node.scope, target=node.id, by=user, source="page", now=datetime.now(UTC)
        )
    except Refused as error:
        form.refuse(error)
        return False
    start_after_commit(runs or [])
    return True


def _confirm(request: SignedInRequest, verb: Verb, node: Node, form: ScopeForm) -> HttpResponse:
    timeline = running_timeline()
    held = open_in(request.user, timeline, node) if verb.closes else Open()
    context = {
        "verb": verb,
        "node": node,
        "form": form,
        "positions": held.positions,
        "orders": held.orders if verb.key == "kill" else [],
    }
    status = 422 if form.errors else 200
    return render(request, "execution/confirm.html", context, status=status)
