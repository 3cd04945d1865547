"""Scalars apart from arrays, and long arrays in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from market.kernel.scratch import BLOCK

NUMBERS = (float, int)
BOOLS = frozenset({bool, np.bool_})


def in_blocks(function: Callable[..., object], columns: Sequence[np.ndarray]) -> None:
    """The function of columns equally long in their last dimension, block by block. It writes its
    results into the first of them; numpy's warnings are silenced."""
    size = columns[-1].size
    with np.errstate(all="ignore"):
        if 0 < size <= BLOCK:
            function(*columns)
            return
        for start in range(0, size, BLOCK):
            function(*(column[..., start : start + BLOCK] for column in columns))


def are_scalars(a: Any, b: Any, c: Any, d: Any, e: Any, is_call: Any) -> bool:
    """Five Python numbers (np.float64 is one) and a truth value."""
    if is_call.__class__ not in BOOLS:
        return False
    if a.__class__ is b.__class__ is c.__class__ is d.__class__ is e.__class__ is float:
        return True  # as nearly always; asked first because it is quick
    return all(isinstance(value, NUMBERS) for value in (a, b, c, d, e))


def broadcast(
    a: Any, b: Any, c: Any, d: Any, e: Any, *sides: Any
) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """The common shape, and float columns, all 1-d and equally long; the sides are 1.0 and 0.0."""
    arrays = [np.asarray(value, dtype=float) for value in (a, b, c, d, e)]
    arrays += [np.asarray(side, dtype=bool).astype(float) for side in sides]
    shape = arrays[0].shape
    for array in arrays:
        if array.shape != shape or len(shape) != 1:
            break
    else:
        return shape, arrays
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return shape, [np.broadcast_to(array, shape).ravel() for array in arrays]
