"""The open account of a recorded day: what its files held, what was unusable, what stood in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from statistics import median

from market.sources.files import Broken, LtpRows, SpotBars
from market.sources.spread import SpreadModel

FORWARD_SOURCE = (
    "put-call parity on the quotes' middles, median of the 5 strikes nearest the money; it also "
    "stands in for the monthly futures, which are not recorded"
)
PARITY_SPOT = "put-call parity of the nearest series (no index file given)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a day's files held and what was done about it; the report prints it."""

    rows: int
    kept: int
    stale: int
    flagged: Mapping[str, int]
    broken: tuple[Broken, ...]
    duplicates: int
    missing: Mapping[str, int]
    gaps: tuple[tuple[datetime, datetime], ...]
    cadence: float
    spot_source: str
    spread_model: str
    forward_source: str = FORWARD_SOURCE


def account(  # noqa: PLR0913 - the account of one day takes all that was read
    day: date,
    found: list[LtpRows],
    snapshots: dict[datetime, dict[str, Decimal]],
    bars: dict[str, SpotBars],
    clashes: list[Broken],
    spread: SpreadModel,
    *,
    first: bool,
) -> Quality:
    """The account of one day; a line without a readable day counts with the first."""
    flagged: dict[str, int] = {}
    for rows in found:
        for flag, count in rows.flagged.get(day, {}).items():
            flagged[flag] = flagged.get(flag, 0) + count
    mine = {day, None} if first else {day}
    broken = [each for rows in found for its_day, each in rows.broken if its_day in mine]
    index = [each for bar in bars.values() for each in bar.broken] if first else []
    cadence = _cadence(list(snapshots))
    return Quality(
        rows=sum(count for rows in found for its, count in rows.rows.items() if its in mine),
        kept=sum(len(prices) for prices in snapshots.values()),
        stale=sum(flagged.values()),
        flagged=flagged,
        broken=(*broken, *clashes, *index),
        duplicates=sum(rows.duplicates.get(day, 0) for rows in found),
        missing=_missing(snapshots),
        gaps=_gaps(list(snapshots), cadence),
        cadence=cadence,
        spot_source=_spot_source(bars),
        spread_model=spread.describe(),
    )


def _cadence(moments: list[datetime]) -> float:
    """Seconds between snapshots: the median; a minute where there is but one."""
    gaps = [(b - a).total_seconds() for a, b in zip(moments, moments[1:], strict=False)]
    return float(median(gaps)) if gaps else 60.0


def _gaps(moments: list[datetime], cadence: float) -> tuple[tuple[datetime, datetime], ...]:
    """Stretches longer than twice the cadence: what goes stale in between."""
    pairs = zip(moments, moments[1:], strict=False)
    return tuple((a, b) for a, b in pairs if (b - a).total_seconds() > 2 * cadence)


def _missing(snapshots: dict[datetime, dict[str, Decimal]]) -> dict[str, int]:
    """In how many snapshots a contract had no row after its first one."""
    known: set[str] = set()
    lacking: dict[str, int] = {}
    for prices in snapshots.values():
        for symbol in known.difference(prices):
            lacking[symbol] = lacking.get(symbol, 0) + 1
        known.update(prices)
    return dict(sorted(lacking.items()))


def _spot_source(bars: dict[str, SpotBars]) -> str:
    if not bars:
        return PARITY_SPOT
    named = "; ".join(
        f"{each.underlying}: close of the last finished {each.length.seconds // 60}-minute bar "
        f"of {each.file}" for each in bars.values()
    )  # fmt: skip
    return f"{named}; before the first bar ends, by put-call parity of the nearest series"
