"""What the brokers call our contracts, both ways.

Three ways of writing are in use. Compact (Zerodha everywhere; every broker for the BSE, whose own
series codes these are): NIFTY2681824350CE for a weekly, with the month as 1-9, O, N or D, and
NIFTY26AUG24350CE or NIFTY26AUGFUT for the contracts of a monthly expiry, which name only the month.
Angel One on the NSE: NIFTY04AUG2624500CE, NIFTY25AUG26FUT. Finvasia on the NSE: NIFTY04AUG26C24500,
NIFTY25AUG26F. Sources: the brokers' instrument masters.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from functools import lru_cache

from market.facts import tables
from market.facts.values import Facts
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import Contract, exchange_of
from market.kernel.expiries import kind_of, monthly_expiries

BROKERS = ("zerodha", "angelone", "finvasia")
MONTHS = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
WEEKLY_MONTHS = "123456789OND"
MONTHLY_AFTER = 15
"""A monthly expiry is its month's last such weekday, so later than this day even when shifted."""

NOREN_NAMES = {
    "BSXOPT": "SENSEX", "BSXFUT": "SENSEX", "BKXOPT": "BANKEX", "BKXFUT": "BANKEX",
    "SX50OPT": "SENSEX50", "SX50FUT": "SENSEX50",
}  # fmt: skip
"""Finvasia's `Symbol` column on the BSE, options and futures apart; on the NSE it is the index."""

_MONTH = "|".join(MONTHS)
_STRIKE = r"(?P<strike>\d+(?:\.\d+)?)"
_COMPACT = re.compile(
    rf"(?P<yy>\d\d)(?:(?P<month>{_MONTH})|(?P<letter>[1-9OND])(?P<dd>\d\d))"
    rf"(?:{_STRIKE}(?P<side>CE|PE)|FUT)"
)
_ANGEL = re.compile(rf"(?P<dd>\d\d)(?P<month>{_MONTH})(?P<yy>\d\d)(?:{_STRIKE}(?P<side>CE|PE)|FUT)")
_NOREN = re.compile(rf"(?P<dd>\d\d)(?P<month>{_MONTH})(?P<yy>\d\d)(?:(?P<side>C|P){_STRIKE}|F)")


def to_broker(
    contract: Contract, broker: str, *, facts: Facts | None = None, listed: Collection[date] = ()
) -> str:
    """The broker's trading symbol of the contract.

    A compact symbol depends on whether the expiry is its month's; beyond the calendar's coverage
    the days in `listed` (the index's expiries in an instrument master) decide. OutsideCoverage when
    neither knows; ValueError for an unknown broker, or a future of a weekly, which nobody lists.
    """
    _require_broker(broker)
    known = facts or tables.in_force()
    if _style(broker, contract.underlying, known) is _COMPACT:
        return _compact(contract, known, listed)
    day = f"{contract.underlying}{contract.expiry.day:02}{_month(contract.expiry)}"
    stem = f"{day}{contract.expiry:%y}"
    if broker == "angelone":
        return f"{stem}{_strike(contract)}{contract.option_type}"
    return f"{stem}{contract.option_type[0]}{_strike(contract)}"


def from_broker(
    symbol: str, broker: str, *, facts: Facts | None = None, listed: Collection[date] = ()
) -> Contract:
    """The contract of a broker's trading symbol, the other way round than `to_broker`.

    ValueError when it is none of that broker's symbols of a known index; OutsideCoverage when it
    names a month whose expiry day is unknown.
    """
    _require_broker(broker)
    known = facts or tables.in_force()
    for underlying in sorted(known.underlyings, key=len, reverse=True):
        if not symbol.startswith(underlying):
            continue
        found = _style(broker, underlying, known).fullmatch(symbol, len(underlying))
        if found is not None:
            return _contract(symbol, underlying, found.groupdict(), known, listed)
    raise ValueError(f"{symbol!r} is no {broker} symbol of a known index option or future.")


def _style(broker: str, underlying: str, facts: Facts) -> re.Pattern[str]:
    if broker == "zerodha" or exchange_of(underlying, facts=facts) == "BSE":
        return _COMPACT
    return _ANGEL if broker == "angelone" else _NOREN


def _compact(contract: Contract, facts: Facts, listed: Collection[date]) -> str:
    underlying, day = contract.underlying, contract.expiry
    tail = f"{_strike(contract)}{contract.option_type}"
    if _monthly(underlying, day.year, day.month, facts, listed) == day:
        return f"{underlying}{day:%y}{_month(day)}{tail}"
    if kind_of(underlying, day, facts=facts) != "weekly" and day not in listed:
        raise OutsideCoverage(f"No {underlying} contract is known to expire on {day}.")
    if not contract.is_option:
        raise ValueError(f"{contract.symbol}: futures expire with the month, not with a week.")
    return f"{underlying}{day:%y}{WEEKLY_MONTHS[day.month - 1]}{day:%d}{tail}"


def _contract(
    symbol: str,
    underlying: str,
    parts: dict[str, str | None],
    facts: Facts,
    listed: Collection[date],
) -> Contract:
    side, strike = parts["side"], parts["strike"]
    if side is None and parts.get("letter"):
        raise ValueError(f"{symbol!r}: futures expire with the month, not with a week.")
    year = 2000 + int(parts["yy"] or 0)
    letter, name = parts.get("letter"), parts["month"]
    month = WEEKLY_MONTHS.index(letter) + 1 if letter else MONTHS.index(name or "") + 1
    try:
        day = date(year, month, int(parts["dd"])) if parts["dd"] else None
    except ValueError as error:
        raise ValueError(f"{symbol!r} names no day: {error}.") from error
    contract = Contract(
        underlying,
        day or _monthly(underlying, year, month, facts, listed),
        {"C": "CE", "P": "PE", None: "FUT"}[side and side[0]],  # type: ignore[arg-type]  # one of the three
        Decimal(strike) if strike else None,
    )
    if letter and _compact(contract, facts, listed) != symbol:
        raise ValueError(f"{symbol!r} writes a monthly expiry as a weekly.")
    return contract


def _monthly(
    underlying: str, year: int, month: int, facts: Facts, listed: Collection[date]
) -> date:
    """The day of that month's expiry: by the dated facts, else the last one listed in the month."""
    try:
        return _monthly_by_facts(underlying, year, month, facts)
    except OutsideCoverage:
        days = [day for day in listed if (day.year, day.month) == (year, month)]
        if not days:
            raise
        return max(days)


@lru_cache(maxsize=4096)
def _monthly_by_facts(underlying: str, year: int, month: int, facts: Facts) -> date:
    days = monthly_expiries(underlying, date(year, month, MONTHLY_AFTER), 1, facts=facts)
    if not days or (days[0].year, days[0].month) != (year, month):
        raise OutsideCoverage(f"No monthly {underlying} expiry is known in {year}-{month:02}.")
    return days[0]


def _month(day: date) -> str:
    return MONTHS[day.month - 1]


def _strike(contract: Contract) -> str:
    if contract.strike is None:
        return ""
    text = f"{contract.strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _require_broker(broker: str) -> None:
    if broker not in BROKERS:
        raise ValueError(f"broker must be one of {', '.join(BROKERS)}, not {broker!r}.")
