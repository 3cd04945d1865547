"""The backtest report as two files: report.json to compute with, report.html to read."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string

from execution.headless import pictures
from execution.headless.backtest import backtest
from market.sources.simulated import SPREAD

Document = dict[str, Any]


def write(folder: Path, document: Document) -> None:
    """Both files; the same document gives the same bytes."""
    found = backtest(document)
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**document, "backtest": found}
    text = json.dumps(whole, indent=1, sort_keys=True, default=_plain)
    (folder / "report.json").write_text(text + "\n")
    (folder / "report.html").write_text(page(document, found))


def page(document: Document, found: Document) -> str:
    """One self-contained page: no script, no font, no picture from elsewhere."""
    context = {
        "document": document,
        "backtest": found,
        "total": found["total"],
        "days": [date.fromisoformat(day) for day in document["days"]],
        "equity": pictures.equity(found["curve"]),
        "underwater": pictures.underwater(found["curve"], found["total"]["capital"]),
        "groups": [(key.capitalize(), rows) for key, rows in found["groups"].items()],
        "data": [_data(row) for row in document["data"]],
        "spreads": sorted({row["bid_ask"] for row in document["data"]}) or [SPREAD],
    }
    return render_to_string("headless/report.html", context)


def _data(row: Document) -> Document:
    gaps = [tuple(datetime.fromisoformat(end) for end in gap) for gap in row["gaps"]]
    return {**row, "day": date.fromisoformat(row["day"]), "gaps": gaps}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Decimal | date):
        return str(value)
    raise TypeError(f"{value!r} has no place in report.json")
