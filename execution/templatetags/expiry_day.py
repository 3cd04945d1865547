"""The panel of an expiry day on the option chain: what the user holds of it, and the next series."""

from __future__ import annotations

from typing import Any

from django import template

from execution.live import books
from execution.live.expiring import at_settlement
from market.catalogue import surface
from market.kernel.frame import Frame

register = template.Library()


@register.inclusion_tag("market/expiry_day.html", takes_context=True)
def expiry_day(context: template.Context, frame: Frame, underlying: str) -> dict[str, Any]:
    """Nothing on other days, or where the expiring series has no forward."""
    found = surface.divergence(frame, underlying)
    if found is None:
        return {"divergence": None}
    book = books.load(frame.timeline, day=found.expiring, owner=context["user"].pk)
    return {
        "divergence": found,
        "held": at_settlement(book, frame, underlying, found.expiring),
    }
