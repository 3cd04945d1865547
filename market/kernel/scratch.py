"""Rows to work in, kept by each thread: a block of options then asks for no fresh memory.

Fresh arrays cost a page fault for every four kilobytes whenever the allocator has given its memory
back, which is as much as the arithmetic. What is in the rows means nothing once the function that
asked for them has returned: nothing but their memory lives on, and no thread sees another's.
"""

from __future__ import annotations

import threading

import numpy as np

BLOCK = 2048
"""Options that are worked at once: their rows stay in the processor's second cache."""
APART = 40
"""Numbers between rows, or rows a power of two apart would wait for one another in the cache."""
ROWS = 20


class _Memory(threading.local):
    def __init__(self) -> None:
        self.rows = np.empty((ROWS, BLOCK + APART))


class Scratch(threading.local):
    """The rows from `first` on, `count` of them, each of BLOCK numbers at most.

    Two that overlap must not be in use at once; below is who has which.
    """

    def __init__(self, first: int, count: int) -> None:
        self.memory = _MEMORY.rows[first : first + count]
        self.size = -1
        self.block = self.memory
        self.rows = tuple(self.memory)

    def of(self, size: int) -> tuple[np.ndarray, ...]:
        """The rows, of that size; `block` has them as one array."""
        if size != self.size:
            self.size = size
            self.block = self.memory[:, :size]
            self.rows = tuple(self.block)
        return self.rows


_MEMORY = _Memory()
PLACE, VALUE = (
    Scratch(0, 7),
    Scratch(7, 2),
)  # where the options stand, what they are worth: throughout
GUESS = Scratch(9, 7)  # the search for a vol: first the guess,
STEP, SERIES = Scratch(9, 5), Scratch(14, 6)  # then its steps
LIVING, GREEKS = Scratch(9, 5), Scratch(14, 5)  # at a vol: the value by SERIES, then the Greeks
