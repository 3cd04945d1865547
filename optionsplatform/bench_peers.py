"""Who is measured by `bin/bench pricing`: this platform's kernel, and the peers that are installed.

Each takes the columns price, forward, strike, t, df, is_call and gives what it can; a peer's own
conventions are translated outside the timed calls. requirements-bench.txt brings the peers.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from market.kernel import pricing

Call = Callable[[], Any]
Columns = tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`solver(columns)` and `chain(columns)` prepare arguments and give the call that is timed: one
    for vols, one for vols and Greeks. `seconds` is about what an option takes, to leave out sizes
    that would take minutes; `greeks` says in words what its chain call answers."""

    name: str
    solver: Callable[[Columns], Call]
    chain: Callable[[Columns], Call] | None = None
    greeks: str = ""
    seconds: float = 1e-6


def ours() -> Peer:
    def given(columns: Columns) -> tuple[Any, ...]:
        return columns if columns[0].size > 1 else tuple(c.item() for c in columns)

    def solver(columns: Columns) -> Call:
        asked = given(columns)
        return lambda: pricing.implied_vol(*asked)[0]

    def chain(columns: Columns) -> Call:
        asked = given(columns)
        return lambda: pricing.implied_greeks(*asked)

    return Peer(
        name="this platform",
        solver=solver,
        chain=chain,
        greeks="price + 13",
    )


def installed() -> tuple[list[Peer], list[str]]:
    """The peers that can be imported, and the names of those that cannot."""
    found, absent = [], []
    for name, module, make in PEERS:
        try:
            found.append(make(importlib.import_module(module)))
        except ImportError:
            absent.append(name)
    return found, absent


def _rates(df: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -np.log(df) / t


def _fast_vollib(module: Any) -> Peer:
    module.set_backend("numpy")

    def prepared(columns: Columns) -> tuple[Any, ...]:
        price, forward, strike, t, df, is_call = columns
        return price, forward, strike, _rates(df, t), t, np.where(is_call, "c", "p")

    def vols(price: Any, forward: Any, strike: Any, rate: Any, t: Any, flag: Any) -> Any:
        return module.fast_implied_volatility_black(
            price, forward, strike, rate, t, flag, return_as="numpy", on_error="ignore"
        )

    def all_of(given: tuple[Any, ...]) -> Any:
        _, forward, strike, rate, t, flag = given
        return module.get_all_greeks(
            flag, forward, strike, t, rate, vols(*given), model="black", return_as="dict"
        )

    return Peer(name="fast-vollib", greeks="5", **_calls(prepared, vols, all_of))


def _pyvolr(module: Any) -> Peer:
    def prepared(columns: Columns) -> tuple[Any, ...]:
        price, forward, strike, t, df, is_call = columns
        return price, np.where(is_call, "c", "p"), forward, strike, t, _rates(df, t)

    def vols(*given: Any) -> Any:
        return module.implied_vol(*given, on_error="ignore")

    def all_of(given: tuple[Any, ...]) -> Any:
        return module.greeks(*given[1:], vols(*given))

    return Peer(name="pyvolr", greeks="5", **_calls(prepared, vols, all_of))


def _lbriv(module: Any) -> Peer:
    def prepared(columns: Columns) -> tuple[Any, ...]:
        price, forward, strike, t, df, is_call = columns
        return price / df, forward, strike, is_call.astype(np.int8), df, np.sqrt(t)

    def vols(*given: Any) -> Any:
        out = [np.empty(given[0].size) for _ in range(4)]
        module.compute_trades_greeks(*given[:5], *out)
        return out[0] / given[5]

    def all_of(given: tuple[Any, ...]) -> Any:
        return vols(*given)

    return Peer(name="lbriv", greeks="3", **_calls(prepared, vols, all_of))


def _vollib(module: Any) -> Peer:
    greeks = importlib.import_module("vollib.black.greeks.analytical")
    five = (greeks.delta, greeks.gamma, greeks.vega, greeks.theta, greeks.rho)

    def prepared(columns: Columns) -> tuple[Any, ...]:
        price, forward, strike, t, df, is_call = columns
        listed = (price, forward, strike, _rates(df, t), t)
        return *(column.tolist() for column in listed), ["c" if c else "p" for c in is_call]

    def vols(*given: Any) -> Any:
        return np.array(
            [_or_nan(module.implied_volatility, *row) for row in zip(*given, strict=True)]
        )

    def all_of(given: tuple[Any, ...]) -> Any:
        _, forward, strike, rate, t, flag = given
        found = vols(*given).tolist()
        rows = zip(flag, forward, strike, t, rate, found, strict=True)
        return [[greek(*row) for greek in five] for row in rows]

    return Peer(name="vollib", greeks="5", seconds=6e-5, **_calls(prepared, vols, all_of))


def _quantlib(module: Any) -> Peer:
    call, put = module.Option.Call, module.Option.Put

    def prepared(columns: Columns) -> tuple[Any, ...]:
        price, forward, strike, t, df, is_call = columns
        sides = [call if c else put for c in is_call]
        return (sides, *(c.tolist() for c in (strike, forward, price, df, np.sqrt(t))))

    def one(
        side: Any, strike: float, forward: float, price: float, df: float, root: float
    ) -> float:
        solve = module.blackFormulaImpliedStdDev
        return solve(side, strike, forward, price, df, 0.0, 0.2 * root, 1e-14, 200) / root

    def vols(*given: Any) -> Any:
        return np.array([_or_nan(one, *row) for row in zip(*given, strict=True)])

    return Peer(
        name="QuantLib", solver=_calls(prepared, vols, vols)["solver"], greeks="-", seconds=5e-6
    )


def _or_nan(solve: Callable[..., float], *row: Any) -> float:
    """A peer's own refusal, which it says by raising, counts as refused."""
    try:
        return solve(*row)
    except Exception:  # noqa: BLE001 each peer has its own exceptions
        return math.nan


def _calls(prepared: Any, vols: Any, all_of: Any) -> dict[str, Any]:
    def solver(columns: Columns) -> Call:
        given = prepared(columns)
        return lambda: vols(*given)

    def chain(columns: Columns) -> Call:
        given = prepared(columns)
        return lambda: all_of(given)

    return {"solver": solver, "chain": chain}


PEERS = (
    ("lbriv", "lbriv", _lbriv),
    ("fast-vollib", "fast_vollib", _fast_vollib),
    ("pyvolr", "pyvolr.black76", _pyvolr),
    ("QuantLib", "QuantLib", _quantlib),
    ("vollib", "vollib.black.implied_volatility", _vollib),
)
