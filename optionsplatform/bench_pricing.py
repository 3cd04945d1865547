"""`bin/bench pricing`: speed beside accuracy, in one process, on the same arrays, interleaved.

CPU time, medians. Exit 1 when one of our values is wrong by more than the stated tolerance; speed is
printed beside its goal and judges nothing, because machines differ: the ratio to `erfcx` does not.
"""

from __future__ import annotations

import secrets
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import erfcx

from market.kernel import pricing
from market.kernel.flags import NAMES, Flag
from market.kernel.scenario import ScenarioLegs, scenario_grid
from optionsplatform import bench_reference as reference
from optionsplatform.bench_peers import Peer, installed, ours

SIZES = (1, 100, 2_000, 10_000, 1_000_000)
CHAIN = 2_000
PATIENCE = 3.0  # seconds a call: larger sizes of a slower peer are left out
ROUNDS = {1: 200, 100: 100, 2_000: 60, 10_000: 10, 1_000_000: 3}
IN_A_ROW = {1: 20}
AT_A_TICK, ANYWHERE, GREEK = 1e-13, 5e-12, 1e-13
SILENT = 1e-6  # a peer's answer that is further off than this and says nothing

Calls = dict[str, Callable[[], Any]]


class Accuracy(NamedTuple):
    """Largest relative error of the vol, vols wrong without a word, vols refused, and tested."""

    worst: float
    silent: int
    refused: int
    tested: int


def main() -> int:
    seed = secrets.randbits(32)
    rng = np.random.default_rng(seed)
    _say(f"fresh seed {seed}; CPU time of one process, medians, all peers interleaved")
    peers, absent = installed()
    if absent:
        _say(f"absent: {', '.join(absent)} (.venv/bin/pip install -r requirements-bench.txt)")
    chain = reference.above_a_tick(reference.chain_sample(600, rng))
    wide = reference.wide_sample(1_500, rng)
    wrong = _vol_table([ours(), *peers], chain, wide, rng)
    wrong += _greeks_table([ours(), *(peer for peer in peers if peer.chain)], chain, wide, rng)
    wrong += _refusals()
    _single_and_grid(rng)
    _say("no wrong value" if not wrong else f"WRONG VALUES: {wrong}")
    return 1 if wrong else 0


def _vol_table(
    peers: list[Peer], chain: reference.Sample, wide: reference.Sample, rng: np.random.Generator
) -> int:
    """Implied volatility: each speed row beside its accuracy row."""
    took = _timed([(peer, peer.solver) for peer in peers], rng)
    _say("\nImplied volatility, microseconds an option at N =")
    _say(f"{'':14}{_heads(SIZES)}   x ours at {CHAIN:,}")
    for peer in peers:
        ratio = took[peer.name][CHAIN] / took["this platform"][CHAIN]
        _say(f"{peer.name:14}{_cells(took[peer.name])}   {ratio:8.1f}")
        for label, sample in (("a tick or more", chain), ("anywhere", wide)):
            _say(f"{'':14}  {label:15}{_words(_accuracy(peer, sample))}")
    ticks, anywhere = _too_far(chain, AT_A_TICK), _too_far(wide, ANYWHERE)
    _say(
        f"ours beyond {AT_A_TICK:.0e} at a tick or more: {ticks}; beyond {ANYWHERE:.0e} anywhere: {anywhere}"
    )
    return ticks + anywhere


def _accuracy(peer: Peer, sample: reference.Sample) -> Accuracy:
    with np.errstate(all="ignore"):
        vols = np.asarray(peer.solver(sample.inputs)(), dtype=float)
        refused = ~np.isfinite(vols) | (vols <= 0)
        error = np.abs(vols / sample.vol - 1)[~refused]
    silent = int(np.count_nonzero(error > SILENT))
    worst = float(error.max()) if error.size else float("nan")
    return Accuracy(worst, silent, int(refused.sum()), refused.size)


def _words(found: Accuracy) -> str:
    return (
        f"largest relative error {found.worst:.1e}, silently wrong {found.silent}, "
        f"refused {found.refused} of {found.tested}"
    )


def _too_far(sample: reference.Sample, tolerance: float) -> int:
    """Vols off by more than the tolerance, or, where the price hardly depends on it, than the
    rounding of the price itself explains. By arrays and one by one."""
    allowed = np.maximum(tolerance, 8 * reference.ROUNDING * sample.cond)
    rows = list(zip(*(column.tolist() for column in sample.inputs), strict=True))
    found = (
        pricing.implied_vol(*sample.inputs)[0],
        np.array([pricing.implied_vol(*r)[0] for r in rows]),
    )
    return sum(int(np.count_nonzero(~(np.abs(v / sample.vol - 1) <= allowed))) for v in found)


def _greeks_table(
    peers: list[Peer], chain: reference.Sample, wide: reference.Sample, rng: np.random.Generator
) -> int:
    """IV, price and Greeks of a chain in one go."""
    took = _timed([(peer, peer.chain) for peer in peers], rng)
    _say("\nChain: IV and Greeks of the same options, microseconds an option at N =")
    _say(f"{'':14}{_heads(SIZES)}   x ours   Greeks")
    for peer in peers:
        ratio = took[peer.name][CHAIN] / took["this platform"][CHAIN]
        _say(f"{peer.name:14}{_cells(took[peer.name])}   {ratio:6.1f}   {peer.greeks}")
    _yardstick(rng)
    return _greek_errors(chain, wide)


def _yardstick(rng: np.random.Generator) -> None:
    """Ours alone with erfcx in turns: milliseconds depend on the machine, their ratio hardly."""
    x, columns = rng.uniform(-2, 2, CHAIN), _columns(CHAIN, rng)
    taken = [
        (_once(lambda: erfcx(x)), _once(lambda: pricing.implied_greeks(*columns)))
        for _ in range(500)
    ]
    unit, whole = (statistics.median(column) for column in zip(*taken, strict=True))
    least_unit, least = (min(column) for column in zip(*taken, strict=True))
    for word, one, all_of in (("median", unit, whole), ("least", least_unit, least)):
        _say(
            f"{CHAIN:,} options: {word} {all_of * 1e3:.3f} ms (goal 0.5 where erfcx takes 28 ns an "
            f"element; here {one / CHAIN * 1e9:.1f}), {all_of / one:.1f} erfcx an option (goal 14)"
        )


def _greek_errors(chain: reference.Sample, wide: reference.Sample) -> int:
    """Price and 13 Greeks against 50 digits: both paths, and what the chain call answers."""
    wrong = 0
    for label, sample in (("chain", chain), ("anywhere", wide)):
        few = reference.Sample(*(column[:400] for column in sample))
        columns = (few.forward, few.strike, few.t, few.df, few.vol, few.is_call)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        singles = [pricing.greeks(*row) for row in rows]
        one_by_one = {name: np.array([each[name] for each in singles]) for name in NAMES}
        vols, _, in_one_go = pricing.implied_greeks(*few.inputs)
        given = {
            "arrays": (pricing.greeks(*columns), columns),
            "one by one": (one_by_one, columns),
            "with IV": (in_one_go, (*columns[:4], vols, columns[5])),
        }
        for path, (found, at) in given.items():
            errors = reference.greek_errors(found, *at)
            name = max(errors, key=lambda each: errors[each])
            wrong += sum(not error <= GREEK for error in errors.values())
            _say(
                f"  {label:9} {path:11} largest error against 50 digits {errors[name]:.1e} ({name})"
            )
    return wrong


def _refusals() -> int:
    """Prices without a vol must say why, never give one."""
    nan = float("nan")
    cases = (
        (250.0, 24_600.0, 24_500.0, 0.0, 1.0, Flag.EXPIRED),
        (99.0, 24_600.0, 24_500.0, 0.1, 1.0, Flag.BELOW_INTRINSIC),
        (100.0, 24_600.0, 24_500.0, 0.1, 1.0, Flag.AT_INTRINSIC),
        (24_600.0, 24_600.0, 24_500.0, 0.1, 1.0, Flag.ABOVE_MAX),
        (nan, 24_600.0, 24_500.0, 0.1, 1.0, Flag.INVALID),
        (5.0, 24_600.0, -1.0, 0.1, 1.0, Flag.INVALID),
        (5.0, 24_600.0, 24_700.0, 0.1, 0.0, Flag.INVALID),
    )
    wrong = 0
    for price, forward, strike, t, df, flag in cases:
        one: tuple[Any, ...] = (price, forward, strike, t, df, np.True_)
        vols, flags = pricing.implied_vol(*(np.full(100, value) for value in one))
        for vol, said in (pricing.implied_vol(*one), (vols[0], flags[0])):
            made_up = vol > 0 or (vol == 0 and flag is not Flag.AT_INTRINSIC)
            wrong += said != flag or made_up
    return wrong


def _single_and_grid(rng: np.random.Generator) -> None:
    columns = _columns(1_000, rng)
    f, k, t, df, vol, call = reference.chain_columns(1_000, rng)
    singles = list(zip(*(column.tolist() for column in columns), strict=True))
    valued = list(zip(*(column.tolist() for column in (f, k, t, df, vol, call)), strict=True))
    _say("\nOne at a time, microseconds")
    for label, function, rows in (
        ("implied_vol (goal 5)", pricing.implied_vol, singles),
        ("greeks", pricing.greeks, valued),
        ("price", pricing.price, valued),
    ):
        took = statistics.median(_once(partial(_each, function, rows)) for _ in range(15))
        _say(f"  {label:24}{took / len(rows) * 1e6:8.2f}")
    legs = ScenarioLegs(rng.choice([-75.0, 75.0], 80), k[:80], t[:80], vol[:80], call[:80], f[:80])
    grid = (
        f[0] * np.linspace(0.9, 1.1, 201),
        np.linspace(0, 5 / 365, 10),
        np.linspace(-0.04, 0.04, 5),
    )
    took = statistics.median(
        _once(lambda: scenario_grid(legs, *grid, spot=f[0], rate=reference.RATE)) for _ in range(15)
    )
    _say(f"80 legs x 201 spots x 10 times x 5 vols: {took * 1e3:.1f} ms (goal 25)")


def _each(function: Callable[..., Any], rows: list[tuple[Any, ...]]) -> None:
    for row in rows:
        function(*row)


def _timed(
    entries: Sequence[tuple[Peer, Any]], rng: np.random.Generator
) -> dict[str, dict[int, float]]:
    """Seconds an option by peer and size: medians of calls taken in turns."""
    found: dict[str, dict[int, float]] = {peer.name: {} for peer, _ in entries}
    for size in SIZES:
        columns = _columns(size, rng)
        turns = [
            (p.name, prepare(columns)) for p, prepare in entries if p.seconds * size < PATIENCE
        ]
        for _, call in turns:
            call()
        taken: dict[str, list[float]] = {name: [] for name, _ in turns}
        for _ in range(ROUNDS[size]):
            for name, call in turns:
                taken[name].append(_once(call, IN_A_ROW.get(size, 1)))
        for name, seconds in taken.items():
            found[name][size] = statistics.median(seconds) / size
    return found


def _columns(size: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    f, k, t, df, vol, call = reference.chain_columns(size, rng)
    return pricing.price(f, k, t, df, vol, call), f, k, t, df, call


def _once(call: Callable[[], Any], times: int = 1) -> float:
    """Seconds of CPU of a call. Short ones are made some times in a row, or they would be measured
    with the clock, which is a call of the system, and with a cold cache."""
    began = time.process_time_ns()
    for _ in range(times):
        call()
    return (time.process_time_ns() - began) / 1e9 / times


def _heads(sizes: Sequence[int]) -> str:
    return "".join(f"{'1M' if size == 10**6 else f'{size:,}':>10}" for size in sizes)


def _cells(took: dict[int, float]) -> str:
    return "".join(f"{took[size] * 1e6:10.3f}" if size in took else f"{'-':>10}" for size in SIZES)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
