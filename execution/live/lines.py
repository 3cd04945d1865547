"""The open positions as arrays, made once whenever they change; valuation.py values them at a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from market.kernel import calendar
from market.kernel.contracts import Contract


class Scope(NamedTuple):
    """Whose a line is, and every row of the summary that it counts in."""

    owner: int
    basket: int
    strategy: int
    allocation: int
    account: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (
            "all",
            f"basket:{self.basket}",
            f"strategy:{self.strategy}",
            f"pair:{self.allocation}",
            f"account:{self.account}",
        )


class Line(NamedTuple):
    """One position; `day_opening` None: what it was worth at the last close is not known yet."""

    id: int
    scope: Scope
    contract: Contract
    lot_size: int
    quantity: int
    average_price: Decimal
    cost: Decimal
    realised: Decimal
    charges: Decimal
    day_opening: Decimal | None
    day_charges_before: Decimal


class Past(NamedTuple):
    """What a pair's positions closed before today earned; it counts in totals, not in the day."""

    scope: Scope
    realised: Decimal
    charges: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """The lines as arrays. Money is int64 paise; `symbol` and `series` index the tuples."""

    lines: tuple[Line, ...]
    contracts: tuple[Contract, ...]
    symbols: tuple[str, ...]
    siblings: tuple[str, ...]
    series_keys: tuple[tuple[str, date], ...]
    symbol: np.ndarray
    quantity: np.ndarray
    cost: np.ndarray
    realised: np.ndarray
    charges: np.ndarray
    opening: np.ndarray
    opening_known: np.ndarray
    charges_before: np.ndarray
    strike: np.ndarray
    is_call: np.ndarray
    is_future: np.ndarray
    series: np.ndarray
    expires: np.ndarray
    groups: tuple[tuple[int, str], ...]
    membership: np.ndarray
    past_realised: np.ndarray
    past_charges: np.ndarray


def build(lines: Iterable[Line], past: Iterable[Past] = ()) -> Book:
    """The book of these lines; the same contract held twice is priced once."""
    rows, closed = tuple(lines), tuple(past)
    contracts = tuple(dict.fromkeys(line.contract for line in rows))
    place = {contract: n for n, contract in enumerate(contracts)}
    series_keys = tuple(dict.fromkeys((c.underlying, c.expiry) for c in contracts))
    series_place = {key: n for n, key in enumerate(series_keys)}
    scopes = [line.scope for line in rows] + [item.scope for item in closed]
    groups = tuple(dict.fromkeys((scope.owner, key) for scope in scopes for key in scope.keys))
    group_place = {group: n for n, group in enumerate(groups)}
    past_realised, past_charges = _past(closed, group_place)
    return Book(
        lines=rows,
        contracts=contracts,
        symbols=tuple(contract.symbol for contract in contracts),
        siblings=tuple(_sibling(contract) for contract in contracts),
        series_keys=series_keys,
        symbol=_ints(place[line.contract] for line in rows),
        quantity=_ints(line.quantity for line in rows),
        cost=_paise(line.cost for line in rows),
        realised=_paise(line.realised for line in rows),
        charges=_paise(line.charges for line in rows),
        opening=_paise(line.day_opening or Decimal(0) for line in rows),
        opening_known=np.array([line.day_opening is not None for line in rows], dtype=bool),
        charges_before=_paise(line.day_charges_before for line in rows),
        strike=np.array([float(c.strike or 1) for c in contracts]),
        is_call=np.array([c.is_call for c in contracts], dtype=bool),
        is_future=np.array([not c.is_option for c in contracts], dtype=bool),
        series=_ints(series_place[c.underlying, c.expiry] for c in contracts),
        expires=np.array([_expires(*key) for key in series_keys]),
        groups=groups,
        membership=_membership(rows, group_place),
        past_realised=past_realised,
        past_charges=past_charges,
    )


def _membership(rows: Sequence[Line], place: Mapping[tuple[int, str], int]) -> np.ndarray:
    table = [[place[line.scope.owner, key] for key in line.scope.keys] for line in rows]
    return np.array(table, dtype=np.int64).reshape(len(rows), 5).T


def _past(
    closed: Sequence[Past], place: Mapping[tuple[int, str], int]
) -> tuple[np.ndarray, np.ndarray]:
    realised, charges = np.zeros(len(place), dtype=np.int64), np.zeros(len(place), dtype=np.int64)
    for item in closed:
        for key in item.scope.keys:
            realised[place[item.scope.owner, key]] += int(item.realised * 100)
            charges[place[item.scope.owner, key]] += int(item.charges * 100)
    return realised, charges


def _sibling(contract: Contract) -> str:
    if not contract.is_option:
        return ""
    twin = replace(contract, option_type="PE" if contract.is_call else "CE")
    return twin.symbol


def _expires(underlying: str, expiry: date) -> float:
    """Seconds since 1970 of the settlement; NaN, so no Greeks, where the facts do not reach."""
    try:
        exchange = Contract(underlying, expiry, "FUT").exchange
        return calendar.settlement_time(exchange, expiry).timestamp()
    except calendar.OutsideCoverage:
        return float("nan")


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, dtype=np.int64)


def _paise(values: Iterable[Decimal]) -> np.ndarray:
    return np.fromiter((int(value * 100) for value in values), dtype=np.int64)
