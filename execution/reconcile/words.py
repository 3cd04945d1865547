"""A mismatch in a trader's words: what is the matter, and what each decision does."""

from __future__ import annotations

from dataclasses import dataclass

from execution.differences import FIXES, Fix, Kind
from execution.models import Mismatch


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    body: str


ABOUT: dict[Kind, Words] = {
    Kind.SQUARED_OFF: Words(
        "a position of ours was traded by hand",
        "{what}: a trade in the broker's own app went against what we hold. We hold {ours}, the broker "
        "{theirs}. Exits close no more than the broker has.",
    ),
    Kind.UNITS_MISSING: Words(
        "the broker holds less than we do",
        "{what}: we hold {ours}, the broker {theirs}, and no trade of its book explains it. "
        "Exits close no more than the broker has.",
    ),
    Kind.UNITS_EXTRA: Words(
        "the broker holds more than we know of",
        "{what}: we hold {ours}, the broker {theirs}, and no trade of its book explains it.",
    ),
    Kind.ORPHAN: Words(
        "an order bears our tag and is not ours",
        "Order {number} in {what} carries a tag as we give them, and no order of ours is it.",
    ),
    Kind.STILL_ALIVE: Words(
        "an order that ended here still works at the broker",
        "Order {number} in {what} has ended here and is open in the broker's book.",
    ),
    Kind.ORDER_ABSENT: Words(
        "an accepted order is not in the broker's book",
        "Order {number} in {what} was accepted more than 90 seconds ago and the book does not show it.",
    ),
    Kind.NOT_IN_BOOK: Words(
        "an order without an answer is not in the broker's book",
        "{what}: the book was read whole more than 90 seconds after the order was sent, and the order "
        "is not there. It is not sent again by itself.",
    ),
    Kind.AMBIGUOUS: Words(
        "an order without an answer may be one of several",
        "{what}: the broker's book does not show our tag, and more than one order fits. The one "
        "proposed is {number}.",
    ),
    Kind.FILL_MISSING: Words(
        "a trade that we booked is not in the broker's book",
        "Trade {number} was booked here and the broker's trades of today do not have it. Ask the broker "
        "whether the exchange cancelled it.",
    ),
}
SAID: dict[Fix, Words] = {
    Fix.ADOPT_CLOSE: Words("Book it as our close", "The pair's position is closed by that trade, at its price."),
    Fix.BOOK_CLOSE: Words("Book a close at a price", "The missing units are booked as closed at the price you give."),
    Fix.EXTERNAL: Words("It is not ours", "It is counted as external from now on and no pair touches it."),
    Fix.CANCEL: Words("Cancel it at the broker", "The broker is asked to cancel that order."),
    Fix.MATCH: Words("It is that order", "Our order takes the broker's number, and its fills."),
    Fix.NEVER_SENT: Words("Treat it as never sent", "The order ends here; if it appears later its fills still count."),
    Fix.ENDED: Words("It has ended", "The order ends here as cancelled; if it fills later that still counts."),
    Fix.LOOK_AGAIN: Words("Look again", "The broker's books are read and compared anew."),
}  # fmt: skip


def about(mismatch: Mismatch) -> tuple[str, str]:
    """(title, sentences) with the proposed decision at the end."""
    words = ABOUT[Kind(mismatch.kind)]
    body = words.body.format(
        what=mismatch.contract.symbol if mismatch.contract else mismatch.subject,
        ours=mismatch.ours,
        theirs=mismatch.theirs,
        number=mismatch.number or mismatch.subject,
    )
    fix = SAID[Fix(mismatch.fix)]
    return words.title, f"{body} Entries wait. Proposed: {fix.title.lower()}. {fix.body}"


def choices(mismatch: Mismatch) -> list[Fix]:
    """What may be decided, the proposed first."""
    proposed = Fix(mismatch.fix)
    allowed = FIXES[Kind(mismatch.kind)]
    return [proposed, *(fix for fix in allowed if fix is not proposed)]
