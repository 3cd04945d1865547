"""Facts from an environment's `indian_market_config`: a documented table instead of dated history."""

from dataclasses import replace
from datetime import date, time
from typing import Any

from market.facts import tables
from market.facts.values import ExpiryRule, Facts, Hours, LotRow

FULL_WEEKDAYS = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip


def facts_from_config(config: dict[str, Any], *, dated: Facts | None = None) -> Facts:
    """The dated facts (None: the packaged ones) with the hours and index table that it states.

    Keys: trading_start_time and trading_end_time ("09:15") and indices
    {name: {"lot_size": 25, "weekly_expiry": "Thursday"}}; a null or absent key leaves the dated
    facts. A stated table is the whole market: an index it does not name is unknown, each lot holds
    for every expiry, and the monthly expiry is the last such weekday of the month.
    """
    facts = _with_hours(
        dated or tables.packaged(), config.get("trading_start_time"), config.get("trading_end_time")
    )
    indices = config.get("indices")
    if not indices:
        return facts
    unknown = set(indices) - set(facts.underlyings)
    if unknown:
        raise ValueError(f"indices names unknown underlyings: {', '.join(sorted(unknown))}.")
    return replace(
        facts,
        name="config",
        underlyings={name: facts.underlyings[name] for name in indices},
        lots={name: _lots(name, row, facts) for name, row in indices.items()},
        expiry_rules={name: _rules(name, row, facts) for name, row in indices.items()},
    )


def _with_hours(facts: Facts, start: str | None, end: str | None) -> Facts:
    if not start and not end:
        return facts
    return replace(
        facts, name="config", hours=tuple(_stated(row, start, end) for row in facts.hours)
    )


def _stated(row: Hours, start: str | None, end: str | None) -> Hours:
    opened = _clock("trading_start_time", start) if start else row.open
    closed = _clock("trading_end_time", end) if end else row.close
    if opened >= closed:
        raise ValueError("trading_end_time must be after trading_start_time.")
    return replace(
        row,
        open=opened,
        close=closed,
        settlement=closed if end else row.settlement,
        spot_until=closed if end else row.spot_until,
    )


def _clock(key: str, text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError(f'{key} must be a time such as "09:15", not {text!r}.') from None


def _lots(name: str, row: dict[str, Any], facts: Facts) -> tuple[LotRow, ...]:
    lot = row.get("lot_size")
    if not isinstance(lot, int) or lot <= 0:
        raise ValueError(f"indices.{name}.lot_size must be a whole number above 0, not {lot!r}.")
    last = date(facts.last.year + 5, 12, 31)
    return tuple(LotRow(kind, facts.first, last, lot) for kind in ("weekly", "monthly"))


def _rules(name: str, row: dict[str, Any], facts: Facts) -> tuple[ExpiryRule, ...]:
    weekday = _weekday(name, row.get("weekly_expiry"))
    return tuple(
        ExpiryRule(kind, facts.first, facts.last, weekday) for kind in ("weekly", "monthly")
    )


def _weekday(name: str, text: object) -> int:
    for number, full in enumerate(FULL_WEEKDAYS):
        if isinstance(text, str) and text.lower() in (full, full[:3]):
            return number
    raise ValueError(
        f"indices.{name}.weekly_expiry must be a weekday such as Thursday, not {text!r}."
    )
