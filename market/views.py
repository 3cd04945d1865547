"""The option chain page; the table alone is sent again to htmx every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from market import quotes, selectors
from market.kernel import calendar, contracts, pricing
from market.kernel.contracts import Contract
from market.kernel.frame import Frame, Quote
from market.models import Timeline
from users.requests import SignedInRequest

STRIKES_EACH_SIDE = 12


@dataclass(frozen=True, slots=True)
class Side:
    """One option of the chain; `iv` in percent, None where the price implies none."""

    quote: Quote | None
    iv: float | None
    delta: float | None


@dataclass(frozen=True, slots=True)
class Strike:
    strike: Decimal
    call: Side
    put: Side
    at_the_money: bool


@login_required
@require_GET
def chain(request: SignedInRequest) -> HttpResponse:
    """Calls and puts around the money of one expiry, as the last frame has them."""
    frame = _frame()
    context = {"frame": frame, **(_chain(frame, request) if frame else {})}
    template = "market/chain_table.html" if request.htmx else "market/chain.html"
    return render(request, template, context)


def _frame() -> Frame | None:
    try:
        return quotes.latest(selectors.active_timeline().key)
    except Timeline.DoesNotExist:
        return None


def _chain(frame: Frame, request: SignedInRequest) -> dict[str, Any]:
    series = sorted({(u, e) for u, e in frame.forwards})
    names = [name for name in contracts.UNDERLYINGS if any(u == name for u, _ in series)]
    underlying = _chosen(request.GET.get("underlying"), names)
    expiries = [expiry for name, expiry in series if name == underlying]
    expiry = _chosen(request.GET.get("expiry"), [e.isoformat() for e in expiries])
    day = date.fromisoformat(expiry) if expiry else None
    return {
        "names": names,
        "underlying": underlying,
        "expiries": expiries,
        "expiry": day,
        "spot": frame.spots.get(underlying),
        "forward": frame.forwards.get((underlying, day)) if day else None,
        "rows": _rows(frame, underlying, day) if day else [],
    }


def _chosen(wanted: str | None, known: list[str]) -> str:
    """What was asked for if it is there, else the first."""
    return wanted if wanted in known else known[0] if known else ""


def _rows(frame: Frame, underlying: str, expiry: date) -> list[Strike]:
    start = f"{underlying}-{expiry:%Y%m%d}-"
    listed = sorted(
        {s for symbol in frame.quotes if symbol.startswith(start) and (s := contracts.parse(symbol).strike)}
    )
    if not listed:
        return []
    forward = frame.forwards[underlying, expiry]
    atm = min(range(len(listed)), key=lambda n: (abs(listed[n] - forward), n))
    near = listed[max(0, atm - STRIKES_EACH_SIDE) : atm + STRIKES_EACH_SIDE + 1]
    calls = _sides(frame, [Contract(underlying, expiry, "CE", k) for k in near])
    puts = _sides(frame, [Contract(underlying, expiry, "PE", k) for k in near])
    return [
        Strike(k, call, put, k == listed[atm]) for k, call, put in zip(near, calls, puts, strict=True)
    ]


def _sides(frame: Frame, options: list[Contract]) -> list[Side]:
    found = [frame.quote(option.symbol) for option in options]
    mids = np.array([np.nan if quote is None else float(quote.mid) for quote in found])
    strikes = np.array([float(option.strike or 0) for option in options])
    first = options[0]
    forward = float(frame.forwards[first.underlying, first.expiry])
    ends = calendar.settlement_time(first.exchange, first.expiry)
    t = pricing.year_fraction(frame.now, ends)
    df = np.exp(-pricing.RATE * t)
    vols, _ = pricing.implied_vol(mids, forward, strikes, t, df, first.is_call)
    deltas = pricing.greeks(forward, strikes, t, df, vols, first.is_call)["delta"]
    return [
        Side(quote, _known(vol * 100), _known(delta))
        for quote, vol, delta in zip(found, vols, deltas, strict=True)
    ]


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
