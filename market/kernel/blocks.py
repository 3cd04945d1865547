"""Scalars apart from arrays, and long arrays in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BLOCK = 4096
NUMBERS = (float, int)
BOOLS = frozenset({bool, np.bool_})


def in_blocks(
    function: Callable[..., tuple[np.ndarray, ...]], columns: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """The function of equally long 1-d columns, block by block, its results joined again."""
    size = columns[0].size
    if size <= BLOCK:
        return function(*columns)
    joined: list[np.ndarray] = []
    for start in range(0, size, BLOCK):
        part = slice(start, start + BLOCK)
        found = function(*(column[part] for column in columns))
        joined = joined or [np.empty(size, dtype=each.dtype) for each in found]
        for whole, each in zip(joined, found, strict=True):
            whole[part] = each
    return tuple(joined)


def are_scalars(a: Any, b: Any, c: Any, d: Any, e: Any, is_call: Any) -> bool:
    """Five Python numbers (np.float64 is one) and a truth value."""
    return (
        is_call.__class__ in BOOLS
        and isinstance(a, NUMBERS)
        and isinstance(b, NUMBERS)
        and isinstance(c, NUMBERS)
        and isinstance(d, NUMBERS)
        and isinstance(e, NUMBERS)
    )


def broadcast(
    a: Any, b: Any, c: Any, d: Any, e: Any, is_call: Any
) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """The common shape, and five float columns and one of bool, all 1-d and equally long."""
    arrays = [np.asarray(value, dtype=float) for value in (a, b, c, d, e)]
    arrays.append(np.asarray(is_call, dtype=bool))
    shape = arrays[0].shape
    if len(shape) == 1 and all(array.shape == shape for array in arrays):
        return shape, arrays
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return shape, [np.broadcast_to(array, shape).ravel() for array in arrays]
