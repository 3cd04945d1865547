"""Every change of a pair and of a trading state."""

from allocations.services.loosening import put_in_force
from allocations.services.pairs import (
    MatrixRow,
    archive_allocation,
    create_allocation,
    save_matrix,
    set_allocation,
)
from allocations.services.scope_limits import set_scope_limit
from allocations.services.trading_states import set_trading_state

__all__ = [
    "MatrixRow",
    "archive_allocation",
    "create_allocation",
    "put_in_force",
    "save_matrix",
    "set_allocation",
    "set_scope_limit",
    "set_trading_state",
]
