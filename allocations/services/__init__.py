"""Every change of a pair and of a trading state."""

from allocations.services.pairs import (
    MatrixRow,
    adopt_newest_version,
    archive_allocation,
    create_allocation,
    save_matrix,
    set_allocation,
)
from allocations.services.trading_states import set_trading_state

__all__ = [
    "MatrixRow",
    "adopt_newest_version",
    "archive_allocation",
    "create_allocation",
    "save_matrix",
    "set_allocation",
    "set_trading_state",
]
