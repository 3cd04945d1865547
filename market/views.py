"""The option chain page; htmx asks again for its table or its pictures alone."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from market import quotes, selectors
from market.catalogue import chain as catalogue
from market.catalogue import pictures, surface
from market.kernel import contracts
from market.kernel.frame import Frame
from market.kernel.spot import spot_lives
from market.models import Timeline
from users.requests import SignedInRequest

WINDOWS = {"6": 6, "12": 12, "20": 20, "all": None}
WINDOW = "12"
COLUMNS = {
    "prices": (
        ("oi", "OI", "rupees0"), ("volume", "Volume", "rupees0"), ("iv", "IV", "percent"),
        ("delta", "Delta", "greek"), ("bid", "Bid", "rupees"), ("ask", "Ask", "rupees"),
        ("ltp", "Last", "rupees"),
    ),
    "greeks": (
        ("gamma", "Gamma", "gamma"), ("vega", "Vega", "greek"), ("theta", "Theta", "greek"),
        ("delta", "Delta", "greek"), ("iv", "IV", "percent"), ("ltp", "Last", "rupees"),
    ),
}  # fmt: skip
TEMPLATES = {"table": "market/chain_table.html", "pictures": "market/pictures.html"}


@login_required
@require_GET
def chain(request: SignedInRequest) -> HttpResponse:
    """One expiry around the money, as the last frame has it."""
    frame = _frame()
    context = {"frame": frame, **(_chosen(frame, request) if frame else {})}
    part = request.GET.get("part", "table")
    whole = not request.htmx or part not in TEMPLATES
    return render(request, "market/chain.html" if whole else TEMPLATES[part], context)


def _frame() -> Frame | None:
    try:
        return quotes.latest(selectors.active_timeline().key)
    except Timeline.DoesNotExist:
        return None


def _chosen(frame: Frame, request: HttpRequest) -> dict[str, Any]:
    """What the form asks for, where the frame has it; else the first of each."""
    played = catalogue.underlyings_in(frame)
    names = [name for name in contracts.UNDERLYINGS if name in played]
    underlying = _one_of(request.GET.get("underlying"), names)
    expiries = catalogue.expiries_in(frame, underlying) if underlying else []
    expiry = _one_of(request.GET.get("expiry"), [each.isoformat() for each in expiries])
    window = request.GET.get("window", WINDOW)
    window = window if window in WINDOWS else WINDOW
    show = _one_of(request.GET.get("show"), list(COLUMNS))
    columns = COLUMNS[show]
    found = {
        "names": names,
        "underlying": underlying,
        "expiries": expiries,
        "window": window,
        "windows": WINDOWS,
        "show": show,
        "columns": columns,
        "mirrored": columns[::-1],
    }
    return found | (
        _series(frame, underlying, date.fromisoformat(expiry), window) if expiry else {}
    )


def _one_of(wanted: str | None, known: list[str]) -> str:
    return wanted if wanted in known else known[0] if known else ""


def _series(frame: Frame, underlying: str, expiry: date, window: str) -> dict[str, Any]:
    found = catalogue.chain(frame, underlying, expiry)
    rows = found.window(WINDOWS[window])
    near = {row.strike for row in rows}
    points = [each for each in surface.smile(found) if each.strike in near]
    terms = surface.term_structure(frame, underlying)
    return {
        "expiry": expiry,
        "chain": found,
        "rows": rows,
        "channel": f"chain:{underlying}:{expiry.isoformat()}",
        "parity": (underlying, expiry) in frame.synthetic,
        "spot_is_live": spot_lives(contracts.exchange_of(underlying), frame.now),
        "smile": pictures.smile_picture(points, found.forward) if found.forward else None,
        "term": pictures.term_picture(terms),
    }
