"""Recorded days: one frame for each recorded snapshot, and an open account of what they lack.

The files have last prices only. Bid and ask come from a SpreadModel; no future is recorded, so the
put-call parity forward stands in for the monthly futures (flagged); the spot is that of an index
file's last finished bar, or by parity of the nearest series. A contract that a snapshot lacks keeps
its last quote with its old time, so that it goes stale. Gaps stay gaps: no frame is invented.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import exp
from pathlib import Path

from market.kernel import calendar
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract, kind_of
from market.kernel.frame import Frame, Quote
from market.kernel.money import rupees, to_tick
from market.kernel.pricing import RATE, parity_forward, year_fraction
from market.kernel.spot import spot_lives
from market.sources import files as recordings
from market.sources.files import Broken, LtpRows, SpotBars
from market.sources.quality import Quality, account
from market.sources.spread import DEFAULT_SPREAD, Facts, SpreadModel, facts_of

__all__ = ["DEFAULT_SPREAD", "NothingRecorded", "Quality", "RecordedDay", "SpreadModel", "days"]


class NothingRecorded(ValueError):
    """The files hold no usable row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDay:
    """One day's snapshots; `frames` plays them."""

    day: date
    snapshots: Mapping[datetime, Mapping[str, Decimal]]
    contracts: Mapping[str, Contract]
    bars: Mapping[str, SpotBars]
    spread: SpreadModel
    quality: Quality

    @property
    def moments(self) -> list[datetime]:
        return list(self.snapshots)

    def frames(self, timeline: str, *, first_n: int = 1) -> Iterator[Frame]:
        """The day's frames in order, numbered from `first_n`; the same each time."""
        play = _Play(self)
        for n, (now, prices) in enumerate(self.snapshots.items(), first_n):
            yield play.frame(timeline, n, now, prices)


def days(
    files: Iterable[str | Path],
    spot_files: Iterable[str | Path] | None = None,
    *,
    spread: SpreadModel = DEFAULT_SPREAD,
) -> list[RecordedDay]:
    """The recorded days of these files, ascending; index files may be in either list.

    UnknownFormat names a file that is none of the known forms, NothingRecorded says that no row
    was usable. A broken line is named in the day's quality and never kills the others.
    """
    paths = [Path(each) for each in (*files, *(spot_files or ()))]
    forms = {path: recordings.form_of(path) for path in dict.fromkeys(paths)}
    found = [recordings.read_ltp(path) for path, form in forms.items() if form == "ltp"]
    bars = [recordings.read_spot(path) for path, form in forms.items() if form == "spot"]
    if not found:
        raise NothingRecorded(
            "No file of last prices was given; an index file alone has no options."
        )
    ordered = sorted({ist_day(now) for rows in found for now in rows.snapshots})
    if not ordered:
        raise NothingRecorded(_why_nothing(found))
    return [_day(day, found, bars, spread, first=day == ordered[0]) for day in ordered]


def _why_nothing(found: list[LtpRows]) -> str:
    total = sum(sum(rows.rows.values()) for rows in found)
    broken = [broken for rows in found for _, broken in rows.broken]
    example = f"; line {broken[0].line}: {broken[0].reason}" if broken else ""
    names = ", ".join(rows.file for rows in found)
    return f"No usable row in {names}: {total} rows, {len(broken)} of them broken{example}."


def _day(
    day: date, found: list[LtpRows], bars: list[SpotBars], spread: SpreadModel, *, first: bool
) -> RecordedDay:
    snapshots: dict[datetime, dict[str, Decimal]] = {}
    clashes: list[Broken] = []
    for rows in found:
        for now, prices in rows.snapshots.items():
            if ist_day(now) == day:
                _merge(snapshots.setdefault(now, {}), prices, clashes, rows.file)
    ordered = {now: snapshots[now] for now in sorted(snapshots)}
    symbols = {symbol for prices in ordered.values() for symbol in prices}
    contracts = {s: c for rows in found for s, c in rows.contracts.items() if s in symbols}
    mine = {each.underlying: each for each in bars if day in {ist_day(end) for end in each.ends}}
    return RecordedDay(
        day=day,
        snapshots=ordered,
        contracts=contracts,
        bars=mine,
        spread=spread,
        quality=account(day, found, ordered, mine, clashes, spread, first=first),
    )


def _merge(
    snapshot: dict[str, Decimal], prices: dict[str, Decimal], clashes: list[Broken], file: str
) -> None:
    for symbol, price in prices.items():
        if snapshot.setdefault(symbol, price) != price:
            clashes.append(Broken(0, f"{symbol}: another file has {snapshot[symbol]}, kept", file))


@dataclass(slots=True)
class _Play:
    """One run through a day: what each contract was last quoted at."""

    of: RecordedDay
    quotes: dict[str, Quote] = field(default_factory=dict)
    before: datetime | None = None
    _facts: dict[str, Facts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for symbol, contract in self.of.contracts.items():
            self._facts[symbol] = facts_of(contract)

    def frame(self, timeline: str, n: int, now: datetime, prices: Mapping[str, Decimal]) -> Frame:
        quote_of, facts = self.of.spread.quote_of, self._facts
        fresh = {s: quote_of(facts[s], ltp, now) for s, ltp in prices.items()}
        carried = sum(1 for s in self.quotes if s in facts and s not in fresh)
        self.quotes |= fresh
        forwards, notes = _forwards(fresh, self.of.contracts, now)
        synthetic = self._stand_in_for_futures(forwards, now)
        spots, spot_notes = self._spots(forwards, now)
        notes += [*spot_notes, *self._gap_note(now)]
        if carried:
            notes.append(f"{carried} contracts have no row: their last quotes stand, ageing")
        self.before = now
        return Frame(
            timeline=timeline,
            n=n,
            now=now,
            cadence=self.of.quality.cadence,
            quotes=dict(self.quotes),
            spots=spots,
            forwards={key: rupees(value) for key, value in forwards.items()},
            synthetic=frozenset(synthetic),
            notes=tuple(notes),
        )

    def _stand_in_for_futures(
        self, forwards: dict[tuple[str, date], float], now: datetime
    ) -> list[tuple[str, date]]:
        stood = []
        for (underlying, expiry), forward in forwards.items():
            if kind_of(underlying, expiry) != "monthly":
                continue
            future = Contract(underlying, expiry, "FUT")
            ltp = to_tick(rupees(forward), future.tick_size)
            self.quotes[future.symbol] = self.of.spread.quote(future, ltp, now)
            stood.append((underlying, expiry))
        return stood

    def _spots(
        self, forwards: dict[tuple[str, date], float], now: datetime
    ) -> tuple[dict[str, Decimal], list[str]]:
        spots, notes = {}, []
        for underlying, nearest in _nearest(self.of.contracts.values()).items():
            if not spot_lives(nearest.exchange, now):
                continue
            spot = _last_close(self.of.bars.get(underlying), now)
            if spot is None and (forward := forwards.get((underlying, nearest.expiry))):
                spot = rupees(forward * _discount(nearest, now))
                if underlying in self.of.bars:
                    notes.append(f"{underlying} spot by parity: no finished index bar")
            if spot is not None:
                spots[underlying] = spot
        return spots, notes

    def _gap_note(self, now: datetime) -> list[str]:
        if self.before is None:
            return []
        seconds = (now - self.before).total_seconds()
        if seconds <= 2 * self.of.quality.cadence:
            return []
        return [f"after a gap of {seconds / 60:g} minutes in the recording"]


def _forwards(
    fresh: Mapping[str, Quote], contracts: Mapping[str, Contract], now: datetime
) -> tuple[dict[tuple[str, date], float], list[str]]:
    """The parity forward of each series from this snapshot's own rows, and the series without one."""
    series: dict[tuple[str, date], dict[Decimal, dict[str, float]]] = {}
    sample: dict[tuple[str, date], Contract] = {}
    for symbol, quote in fresh.items():
        contract = contracts[symbol]
        key = (contract.underlying, contract.expiry)
        strikes = series.setdefault(key, {})
        sample[key] = contract
        strikes.setdefault(contract.strike, {})[contract.option_type] = float(quote.mid)  # type: ignore[arg-type]  # recorded contracts are options: a strike and CE or PE
    found, notes = {}, []
    for key in sorted(series):
        both = [(float(k), p) for k, p in sorted(series[key].items()) if len(p) == 2]
        ladder = [strike for strike, _ in both]
        calls, puts = ([prices[side] for _, prices in both] for side in ("CE", "PE"))
        forward = parity_forward(ladder, calls, puts, _discount(sample[key], now))
        if forward is None:
            notes.append(f"{key[0]} {key[1]}: no forward, fewer than 3 strikes with both sides")
        else:
            found[key] = forward
    return found, notes


def _nearest(contracts: Iterable[Contract]) -> dict[str, Contract]:
    nearest: dict[str, Contract] = {}
    for contract in contracts:
        held = nearest.get(contract.underlying)
        if held is None or contract.expiry < held.expiry:
            nearest[contract.underlying] = contract
    return nearest


def _discount(contract: Contract, now: datetime) -> float:
    ends = calendar.settlement_time(contract.exchange, contract.expiry)
    return exp(-RATE * year_fraction(now, ends))


def _last_close(bars: SpotBars | None, now: datetime) -> Decimal | None:
    """The close of the last bar that had ended by now, if it ended today and not long ago."""
    if bars is None:
        return None
    index = bisect_right(bars.ends, now) - 1
    if index < 0 or now - bars.ends[index] > max(2 * bars.length, timedelta(minutes=2)):
        return None
    return bars.closes[index]
