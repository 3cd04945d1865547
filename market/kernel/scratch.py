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


class Scratch(threading.local):
    """So many rows of one function, each of BLOCK numbers at most."""

    def __init__(self, count: int) -> None:
        self.memory = np.empty((count, BLOCK + APART))
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
