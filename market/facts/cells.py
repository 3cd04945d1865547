"""What a cell of a table of facts may say: text in, a value out, ValueError with what to give instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation

LONGEST_SOURCE = 200
PAISA = Decimal("0.01")
LARGEST = 1_000_000
LARGEST_STEP = 9999
LARGEST_FACTOR = 10


def choice(*values: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return read


def name(text: str, longest: int = 20) -> str:
    if not text or len(text) > longest or not text.replace("_", "").isalnum():
        raise ValueError(f"a name of at most {longest} letters and digits")
    return text


def index(text: str) -> str:
    if not text.isupper():
        raise ValueError("the index's name in capitals, such as NIFTY")
    return name(text, 12)


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("a day such as 2026-08-04") from None


def clock(text: str) -> time:
    try:
        value = time.fromisoformat(text)
    except ValueError:
        value = time.max
    if value != value.replace(second=0, microsecond=0, tzinfo=None):
        raise ValueError("a time in whole minutes such as 09:15")
    return value


def stretches(text: str) -> str:
    """`09:15-10:00 11:30-12:30`, in order; empty while they are not published."""
    try:
        times = [time.fromisoformat(each) for part in text.split() for each in part.split("-")]
    except ValueError:
        times = [time.max]
    in_pairs = all(part.count("-") == 1 for part in text.split())
    if times == [time.max] or not in_pairs or sorted(set(times)) != times:
        raise ValueError("stretches in order, such as 09:15-10:00 11:30-12:30, or nothing")
    return " ".join(text.split())


def whole(text: str, *, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= LARGEST:
        raise ValueError(f"a whole number from {least} to {LARGEST}")
    return int(text)


def tick(text: str) -> Decimal:
    """Rupees of a price step, always with two decimals: contracts are shown with it."""
    return step(text).quantize(PAISA)


def step(text: str) -> Decimal:
    number = _decimal(text)
    if not 0 < number <= LARGEST_STEP or number != number.quantize(PAISA):
        raise ValueError(f"rupees above 0 and up to {LARGEST_STEP} with at most two decimals")
    return number


def share(text: str) -> Decimal:
    number = _decimal(text)
    if not 0 <= number < 1 or number != round(number, 10):
        raise ValueError("a share of 1 from 0 up to 1, such as 0.0015 for 0.15%")
    return number


def factor(text: str) -> Decimal:
    number = _decimal(text)
    if not 0 <= number <= LARGEST_FACTOR or number != round(number, 10):
        raise ValueError(f"a number from 0 to {LARGEST_FACTOR}, such as 0.093 for 9.3%")
    return number


def rupees(text: str) -> Decimal:
    number = _decimal(text)
    if not 0 <= number <= LARGEST_STEP or number != number.quantize(PAISA):
        raise ValueError(f"rupees from 0 to {LARGEST_STEP} with at most two decimals")
    return number


def source(text: str) -> str:
    if not text or len(text) > LONGEST_SOURCE:
        raise ValueError(f"where this is from, in at most {LONGEST_SOURCE} characters")
    return text


def _decimal(text: str) -> Decimal:
    """The number without needless zeros, so that a file and a column give the same."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 12:
        raise ValueError("a number such as 0.05")
    return Decimal(f"{number.normalize():f}")
