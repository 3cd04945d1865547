"""What a strategy asks of an entry, a re-entry and a roll, in a trader's words."""

from __future__ import annotations

from decimal import Decimal

from django import template

from strategies.models import StrategyVersion
from users.templatetags.money import grouped

register = template.Library()
AFTER = {"stop": "a stop", "target": "a target", "either": "a stop or target"}


@register.filter
def stated_conditions(version: StrategyVersion) -> list[tuple[str, str]]:
    """(name, words) of each condition that the version states."""
    rows = [
        ("Credit", _bounds(version.min_credit, None, " rupees a lot")),
        ("Debit", _bounds(None, version.max_debit, " rupees a lot")),
        ("Bid to ask", _spread(version)),
        ("Slippage", _bounds(None, version.max_slippage_percent, "% from the mid")),
        ("VIX", _bounds(version.vix_min, version.vix_max, "")),
        ("Opening gap", _bounds(version.gap_min, version.gap_max, "%")),
        ("Jitter", f"up to {version.jitter_seconds} s later" if version.jitter_seconds else ""),
        ("Skips", ", ".join(f"{day:%d %b %Y}" for day in version.skip_days)),
        ("Waits", _wait(version)),
        ("Enters again", _again(version)),
        ("Rolls", _roll(version)),
    ]
    return [(name, words) for name, words in rows if words]


def _bounds(low: Decimal | None, high: Decimal | None, unit: str) -> str:
    words = [f"at least {grouped(low)}{unit}"] if low is not None else []
    words += [f"at most {grouped(high)}{unit}"] if high is not None else []
    return ", ".join(words)


def _spread(version: StrategyVersion) -> str:
    parts = (
        _bounds(None, version.max_spread_points, " points"),
        _bounds(None, version.max_spread_percent, "% of the mid"),
    )
    return ", ".join(part for part in parts if part)


def _wait(version: StrategyVersion) -> str:
    if version.wait_for == "nothing" or version.wait_move is None or version.wait_until is None:
        return ""
    what = f"leg {version.wait_leg}" if version.wait_for == "leg" else "the underlying"
    way = "rises" if version.wait_move > 0 else "falls"
    unit = "%" if version.wait_unit == "percent" else " points"
    return f"until {what} {way} by {grouped(abs(version.wait_move))}{unit}, {version.wait_until:%H:%M} at the latest"


def _again(version: StrategyVersion) -> str:
    if version.reentry == "none" or version.reentry_until is None:
        return ""
    how, of_leg = version.get_reentry_display(), version.reentry_of == "leg"
    return (
        f"{'each leg, ' if of_leg else ''}{version.reentry_count} times a day until "
        f"{version.reentry_until:%H:%M}, after {AFTER[version.reentry_after]}"
        f"{' of its own' if of_leg else ''}: {how[:1].lower()}{how[1:]}"
    )


def _roll(version: StrategyVersion) -> str:
    if version.at_expiry != "roll":
        return ""
    when = f"{version.roll_days_before} trading days before expiry" if version.roll_days_before else "on expiry day"
    premium = version.roll_premium
    words = [when, *([f"or once its shorts are worth {grouped(premium)}"] if premium else [])]
    price = ", ".join(
        words
        for words in (
            _bounds(version.roll_min_credit, None, " rupees of credit a lot"),
            _bounds(None, version.roll_max_debit, " rupees of debit a lot"),
        )
        if words
    )
    otherwise = f", for {price}, else {version.get_roll_else_display().lower()}" if price else ""
    return " ".join(words) + otherwise
