"""Files of quotes: which of the known forms a file is, and its quotes as frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from math import exp

from market.importers import bhavcopy, bse, nse, recorded_chain
from market.importers.files import decoded, document, header, unpacked
from market.importers.rows import Progress, QuoteFile, Snapshot, UnknownFormat
from market.kernel import calendar, forwards
from market.kernel.contracts import Contract, exchange_of
from market.kernel.frame import Frame, Quote
from market.kernel.money import rupees
from market.kernel.pricing import RATE, year_fraction
from market.kernel.spot import spot_lives

CADENCE = 60.0
"""Seconds: a chain on an exchange's page is about a minute old when it is replaced."""

FORMS = (
    "NSE option chain JSON (old and v3), BSE option chain JSON, the CSV of the NSE chain page, a "
    "UDiFF bhavcopy CSV, a recorded chain CSV; plain, .gz or .zip"
)
NOTHING = forwards.Ladder((), (), ())
Series = tuple[str, date]


def read_quotes(
    name: str,
    data: bytes,
    *,
    at: datetime | None = None,
    underlying: str | None = None,
    expiry: date | None = None,
    progress: Progress | None = None,
) -> QuoteFile:
    """The quotes in these bytes. `at`, `underlying` and `expiry` are for the CSV of the NSE page,
    which lacks them. UnknownFormat when the file is none of FORMS."""
    inner, content, bad = unpacked(name, data)
    written = decoded(content)
    if written.lstrip()[:1] in ("{", "["):
        file = _json(inner, written, progress)
    elif written.startswith(nse.CSV_TITLE):
        file = nse.read_csv(inner, written, at=at, underlying=underlying, expiry=expiry)
    elif bhavcopy.COLUMNS.issubset(header(written)):
        file = bhavcopy.read(inner, written, progress)
    elif recorded_chain.COLUMNS.issubset(header(written)):
        file = recorded_chain.read(written, progress)
    else:
        raise UnknownFormat(f"{name}: the first line is {written[:80]!r}. Known: {FORMS}.")
    file.bad = bad + file.bad
    file.rows += len(bad)
    return file


def frame_of(snapshot: Snapshot, at: datetime, *, timeline: str = "file", n: int = 1) -> Frame:
    """The snapshot as a frame of the market; a spot that was dead by then is not in it."""
    alive = {
        name: spot for name, spot in snapshot.spots.items() if spot_lives(exchange_of(name), at)
    }
    found, synthetic = forwards_of(snapshot.quotes, snapshot.contracts, alive, at)
    return Frame(
        timeline=timeline,
        n=n,
        now=at,
        cadence=CADENCE,
        quotes=snapshot.quotes,
        spots=alive,
        forwards=found,
        synthetic=synthetic,
    )


def forwards_of(
    quotes: Mapping[str, Quote],
    contracts: Mapping[str, Contract],
    spots: Mapping[str, Decimal],
    at: datetime,
) -> tuple[dict[Series, Decimal], frozenset[Series]]:
    """The forward of each series, and which are synthetic.

    Its listed future, else put-call parity on two-sided quotes near the money, else on last prices
    traded that day, else the living spot carried at our rate (synthetic), else none.
    """
    series: dict[Series, list[Contract]] = {}
    for contract in contracts.values():
        series.setdefault((contract.underlying, contract.expiry), []).append(contract)
    found: dict[Series, Decimal] = {}
    synthetic = set()
    for key, listed in sorted(series.items()):
        t = year_fraction(at, calendar.settlement_time(exchange_of(key[0]), key[1]))
        chosen = forwards.select(
            future=_future(listed, quotes),
            ladder=_ladder(listed, quotes),
            spot=float(spots[key[0]]) if key[0] in spots else None,
            df=exp(-RATE * t),
            growth=exp(RATE * t),
        )
        if chosen is not None:
            found[key] = rupees(chosen.value)
            if chosen.source is forwards.Source.SYNTHETIC:
                synthetic.add(key)
    return found, frozenset(synthetic)


def _future(listed: list[Contract], quotes: Mapping[str, Quote]) -> float | None:
    futures = [float(quotes[each.symbol].mid) for each in listed if not each.is_option]
    return futures[0] if futures else None


def _ladder(listed: list[Contract], quotes: Mapping[str, Quote]) -> forwards.Ladder:
    """Strikes with both sides: by their middles when enough are two-sided, else by last prices."""
    middles, last = (_paired(listed, quotes, price) for price in (_middle, _traded))
    return middles if len(middles.strikes) >= forwards.FEWEST_PARITY_STRIKES else last


def _paired(
    listed: list[Contract],
    quotes: Mapping[str, Quote],
    price: Callable[[Quote], Decimal | None],
) -> forwards.Ladder:
    sides: dict[Decimal, dict[str, float]] = {}
    for each in listed:
        value = price(quotes[each.symbol])
        if each.strike is not None and value is not None:
            sides.setdefault(each.strike, {})[each.option_type] = float(value)
    both = [(float(k), p["CE"], p["PE"]) for k, p in sorted(sides.items()) if len(p) == 2]
    return (
        forwards.Ladder(*(list(column) for column in zip(*both, strict=True))) if both else NOTHING
    )


def _middle(quote: Quote) -> Decimal | None:
    return quote.mid if quote.bid is not None and quote.ask is not None else None


def _traded(quote: Quote) -> Decimal | None:
    return quote.ltp if quote.volume != 0 else None


def _json(name: str, written: str, progress: Progress | None) -> QuoteFile:
    held = document(name, written)
    if nse.is_chain(held):
        return nse.read_json(held, progress)
    if bse.is_chain(held):
        return bse.read_json(held, progress)
    raise UnknownFormat(f"{name}: JSON, but no option chain of the NSE or BSE. Known: {FORMS}.")
