"""States, reasons and events of runs and orders in a trader's words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from execution.codes import CODES
from execution.models import Order, OrderEvent, StrategyExecution
from users.templatetags.money import grouped

Status = StrategyExecution.Status
RUN_TONES: Mapping[str, str] = {
    Status.DUE: "", Status.RUNNING: "warn", Status.DONE: "good", Status.PARTIAL: "warn",
    Status.MISSED: "bad", Status.DENIED: "bad", Status.FAILED: "bad",
}  # fmt: skip
ORDER_WORDS: Mapping[str, tuple[str, str]] = {
    "DRAFT": ("Planned", ""),
    "READY": ("Ready to send", ""),
    "SENDING": ("Sent, not confirmed", "warn"),
    "ACKED": ("Accepted", "warn"),
    "WORKING": ("Working", "warn"),
    "PARTIAL": ("Partly filled", "warn"),
    "UNKNOWN": ("Confirming with broker", "bad"),
    "FILLED": ("Filled", "good"),
    "DENIED": ("Denied by us", "bad"),
    "REJECTED": ("Rejected by broker", "bad"),
    "NEVER_SENT": ("Never sent", "bad"),
    "CANCELLED": ("Cancelled", ""),
    "EXPIRED": ("Expired", ""),
}
UNKNOWN_WORDS = "The broker did not answer. It is not sent twice: we look it up. Exits stay armed."

def why(code: str) -> str:
    """The reason in words, also of a code that an older version wrote; "" where there is none."""
    known = CODES.get(code)
    if known is not None:
        return known.text
    return code.replace("_", " ").capitalize() + "." if code else ""


def fix(code: str) -> str:
    """What the user can do about it; "" where there is no code."""
    known = CODES.get(code)
    return known.fix if known is not None else ""


def reason(order: Order) -> str:
    """What there is to say about the order beyond its state."""
    return UNKNOWN_WORDS if order.status == "UNKNOWN" else why(order.code)


def event_words(event: OrderEvent, name: str) -> str:
    """One line of the text twin of an execution."""
    payload, kind = event.payload, event.kind
    if kind == "fill":
        price = payload.get("price")
        at = f" at {grouped(Decimal(str(price)))}" if price else ""
        return f"{name}: {payload.get('quantity', '')} filled{at}."
    said = {
        "Ack": "the broker accepted it",
        "Rejected": "the broker rejected it",
        "Unknown": "the broker did not answer; it is looked up, never sent twice",
        "NotTried": "not tried; it goes as a new attempt",
        "NeverSent": "no connection: it was never sent",
        "cancel": "cancel asked",
        "modify": "its price was moved to the market",
        "lookup": "looked up at the broker",
        "follow": "its trigger was moved to the leg's stop",
        "stopped": "the broker stopped the leg",
    }
    words = said.get(kind, ORDER_WORDS.get(kind, (kind.replace("_", " ").lower(), ""))[0].lower())
    more = payload.get("upstream") or payload.get("reason") or ""
    return f"{name}: {words}.{f' ({more})' if more else ''}"
