"""A progress bar on a command's own output: one line, rewritten at every tenth."""

from __future__ import annotations

from django.core.management.base import OutputWrapper

WIDTH = 20


class Bar:
    """Called with (done, in all): `reading [##########----------]  50%`."""

    def __init__(self, out: OutputWrapper, label: str) -> None:
        self._out = out
        self._label = label
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        tenths = 10 if total == 0 else done * 10 // total
        if tenths == self._shown:
            return
        self._shown = tenths
        bar = "#" * (tenths * WIDTH // 10)
        ending = "\n" if done >= total else ""
        self._out.write(f"\r{self._label} [{bar:-<{WIDTH}}] {tenths * 10:3}%", ending=ending)
        self._out.flush()
