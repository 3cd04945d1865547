"""A day's loss that has reached its limit, at every scope: told once a day, closed where that is asked."""

from __future__ import annotations

from execution.engine import limits, marks, tell
from execution.engine.desk import Desk
from execution.engine.losses import LossWatch
from execution.engine.snapshot import Snapshot


def leaving(desk: Desk, seen: Snapshot) -> set[int]:
    """Pairs that hold something and must leave now, because a limit over them asks for it."""
    found: set[int] = set()
    for watch in seen.loss_watches:
        loss = -marks.day_pnl(watch.positions, desk.frame)
        if loss < watch.most:
            continue
        _tell(watch, limits.loss_words(loss, watch.most), desk)
        if watch.closes:
            found |= watch.pairs
    return found


def _tell(watch: LossWatch, words: str, desk: Desk) -> None:
    then = "What is open is being closed." if watch.closes else "What is open stays; stops and exits go on."
    tell.tell(
        desk, watch.example, kind="limit", severity=tell.Severity.CRITICAL,
        title=f"Day loss reached: {watch.name}"[:160],
        body=f"{watch.name}: {words}. No entry goes any more today. {then}",
        dedupe_key=f"limit:{watch.key}:{desk.day}",
    )  # fmt: skip
