"""Tiny recorded files, written by the tests themselves."""

from __future__ import annotations

import gzip
from pathlib import Path

HEADER = "snapshot_ist,underlying,expiry,strike,type,ltp,session"
SPOT_HEADER = "datetime,open,high,low,close,volume"
DAY = "2026-08-04"


def chain(stamp: str, *, forward: float = 24600, expiry: str = DAY, session: str = "NORMAL"):
    """Rows of five strikes around 24,600 whose parity forward is `forward` (no discounting)."""
    rows = []
    for strike in (24500, 24550, 24600, 24650, 24700):
        call = max(forward - strike, 0) + 50
        put = call - (forward - strike)
        for option_type, ltp in (("CE", call), ("PE", put)):
            rows.append(f"{DAY} {stamp},NIFTY,{expiry},{strike},{option_type},{ltp:g},{session}")
    return rows


def write(folder: Path, rows: list[str], *, name: str = "ltp.csv", header: str = HEADER) -> Path:
    path = folder / name
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def bars(*closes: tuple[str, float]) -> list[str]:
    """Three-minute index bars by start time and close."""
    return [f"{DAY} {start}:00,1,1,1,{close},0" for start, close in closes]
