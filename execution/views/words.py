"""States, reasons and events of runs and orders in a trader's words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from allocations.risk import Denial
from execution.models import Order, OrderEvent, StrategyExecution
from market.kernel.money import rupees
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
WHY: Mapping[str, str] = {
    "ABOVE_FREEZE": "The order was larger than the exchange takes in one order.",
    "BAD_PRICE": "The broker did not take the price.",
    "BAD_REQUEST": "The broker could not read the order.",
    "ALREADY_IN": "The pair is in a trade.",
    "BASKET_NOT_ACTIVE": "The basket is not active.",
    "EXPIRED_CONTRACT": "The contract has expired.",
    "FUNDS_UNREAD": "The broker did not say how much money is free, so nothing was sent.",
    "INSUFFICIENT_FUNDS": "The account does not have enough free money.",
    "INSUFFICIENT_MARGIN": "The account does not have enough free margin.",
    "LIVE_ACCOUNT_IN_REPLAY": "A live account does not trade a replay.",
    "NO_GRANT": "You may no longer enter this basket.",
    "LEGS_MEET": "Two legs mean the same contract now.",
    "MARKET_WITHOUT_PROTECTION": "A market order needs its price protection.",
    "NO_DELTA": "No volatility could be read from the prices, so no delta strike was found.",
    "NO_FORWARD": "The forward price is not known now.",
    "NO_LIQUIDITY": "Nobody offered the other side.",
    "NO_LISTED_STRIKE": "The rule means a strike that is not listed.",
    "NO_QUOTE": "A contract has no price now.",
    "NO_SPOT": "The index has no live price now.",
    "NO_SUCH_EXPIRY": "The expiry that the rule means is not listed.",
    "NO_WEEKLY_EXPIRY": "The index has no weekly expiry.",
    "NOT_A_LOT_MULTIPLE": "The quantity was not a whole number of lots.",
    "NOT_FILLED": "Nothing filled in time.",
    "NOT_OPEN": "The order was no longer open at the broker.",
    "OFF_TICK": "The price was not a whole number of ticks.",
    "OUTSIDE_PRICE_BAND": "The price was outside the exchange's band.",
    "OUTSIDE_SESSION": "The exchange was closed.",
    "PAPER_DISABLED": "Paper trading is switched off.",
    "REPRICED": "It was moved as often as the broker allows; the rest was ordered anew.",
    "SESSION_OVER": "The trading day ended first.",
    "SIBLING_FAILED": "Another pair of the strategy did not complete its entry: all or none.",
    "STALE_QUOTE": "The last price of a contract was too old to trade on.",
    "TIMED_OUT": "It was not complete in time; the strategy's policy decided what stays.",
    "TOKEN_REFUSED": "The broker did not accept the login.",
    "TOO_LATE": "The entry time had passed by more than the tolerance.",
    "TOO_MANY_MODIFICATIONS": "The broker allows no more changes of this order.",
    "UNDECLARED_NAKED": "More short options would have been uncovered than the strategy declares.",
    "UNKNOWN_SYMBOL": "The broker does not know the contract.",
    "WITHDRAWN": "Withdrawn before it was sent.",
}


def why(code: str) -> str:
    """The reason in words; "" where there is no code or it says nothing more than itself."""
    if code in Denial.__members__.values():
        return Denial(code).text
    return WHY.get(code, code.replace("_", " ").capitalize() + "." if code else "")


def reason(order: Order) -> str:
    """What there is to say about the order beyond its state."""
    return UNKNOWN_WORDS if order.status == "UNKNOWN" else why(order.code)


def slippage(order: Order) -> Decimal | None:
    """Rupees lost against the mid at arrival (negative is a cost); None before a fill."""
    if not order.filled_quantity or order.average_price is None or order.arrival_mid is None:
        return None
    better = order.arrival_mid - order.average_price
    return rupees((better if order.side == "BUY" else -better) * order.filled_quantity)


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
        "NeverSent": "no connection: it was never sent",
        "cancel": "cancel asked",
        "modify": "its price was moved to the market",
        "lookup": "looked up at the broker",
    }
    words = said.get(kind, ORDER_WORDS.get(kind, (kind.replace("_", " ").lower(), ""))[0].lower())
    more = payload.get("upstream") or payload.get("reason") or ""
    return f"{name}: {words}.{f' ({more})' if more else ''}"
