"""Failures on demand: armed over the admin route, each used up by the requests it meets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from brokers.simulator.wire import HTML, Answer, Refusal, choice_of, decimal_of, reply

ROUTES = (
    "place", "modify", "cancel", "orders", "trades", "positions", "funds", "margin", "events",
)  # fmt: skip
# Nothing happens at the broker, and the answer says so or says nothing.
NOT_DONE = ("reject_next", "answer_500_not_placed", "too_many_requests", "drop_request")
# The request is done; its answer is spoilt.
SPOILT = (
    "drop_answer", "delay_answer", "answer_500_but_placed", "answer_400_but_placed", "html_body",
    "truncated_body",
)  # fmt: skip
# The request is done and answered well; the book is odd about the order afterwards.
ODD_BOOK = ("hide_order_for", "forget_tag")
KINDS = (*NOT_DONE, *SPOILT, *ODD_BOOK)

# What a gateway says in the broker's place, whatever happened behind it.
GATEWAY_ANSWERS = {
    "answer_500_but_placed": reply({"message": "Internal error"}, 500),
    "answer_400_but_placed": reply(
        {"message": "Request timed out. Please check the order book."}, 400
    ),
    "html_body": Answer(200, b"<html><body>Gateway time-out</body></html>", dict(HTML)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Any account and any symbol unless they are named."""

    kind: str
    route: str = "place"
    account: str | None = None
    symbol: str | None = None
    count: int = 1
    code: str = "INSUFFICIENT_MARGIN"
    seconds: float = 0.0

    def meets(self, route: str, account: str, symbol: str | None) -> bool:
        return (
            self.route == route
            and self.account in (None, account)
            and self.symbol in (None, symbol)
        )


def fault_of(document: dict[str, Any]) -> Fault:
    """The fault of an admin request."""
    count = document.get("count", 1)
    if not isinstance(count, int) or count < 1:
        raise Refusal("BAD_REQUEST", "count must be a whole number above 0.")
    kind = choice_of(document, "kind", KINDS)
    route = choice_of({"route": "place", **document}, "route", ROUTES)
    seconds = decimal_of({"seconds": str(document.get("seconds", 0))}, "seconds")
    return Fault(
        kind=kind,
        route=route,
        account=document.get("account"),
        symbol=document.get("symbol"),
        count=count,
        code=document.get("code", "INSUFFICIENT_MARGIN"),
        seconds=float(seconds or 0),
    )


class Faults:
    """What is armed, in the order it was armed. Several may meet one request."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        self._armed.append(fault)

    def clear(self) -> None:
        self._armed.clear()

    def documents(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._armed]

    def take(self, route: str, account: str, symbol: str | None) -> list[Fault]:
        """The faults that this request meets; each loses one of its count."""
        met = [fault for fault in self._armed if fault.meets(route, account, symbol)]
        self._armed = [
            replace(fault, count=fault.count - 1) if fault in met else fault
            for fault in self._armed
            if fault not in met or fault.count > 1
        ]
        return met


def instead(faults: list[Fault]) -> Answer | None:
    """The answer that is given without doing anything, if a fault says so."""
    for fault in faults:
        if fault.kind == "reject_next":
            return Refusal(fault.code, "Refused by an injected failure.").answer()
        if fault.kind == "answer_500_not_placed":
            return reply({"message": "Internal error"}, 500)
        if fault.kind == "too_many_requests":
            return reply({"code": "TOO_MANY_REQUESTS", "message": "Too many requests"}, 429)
        if fault.kind == "drop_request":
            return Answer(200, b"", dropped=True)
    return None


def spoilt(answer: Answer, faults: list[Fault]) -> Answer:
    """The answer as the network and the broker's gateway leave it."""
    for fault in faults:
        answer = _spoilt_by(answer, fault)
    return answer


def hidden_for(faults: list[Fault]) -> float:
    """Seconds of wall time that the order stays out of the book."""
    return sum(fault.seconds for fault in faults if fault.kind == "hide_order_for")


def _spoilt_by(answer: Answer, fault: Fault) -> Answer:
    if fault.kind == "drop_answer":
        return replace(answer, dropped=True)
    if fault.kind == "delay_answer":
        return replace(answer, delay=answer.delay + fault.seconds)
    if fault.kind == "truncated_body":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    return GATEWAY_ANSWERS.get(fault.kind, answer)
