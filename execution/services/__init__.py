"""What may be asked of running trades, each in one transaction."""

from execution.services.acts import Act
from execution.services.entering import adjust, enter_now
from execution.services.exits import DueExit, open_due, open_exit
from execution.services.locks import lock_account, lock_user
from execution.services.scopes import (
    exit_now,
    kill,
    pairs_in,
    pause,
    progress_of,
    resume,
    square_off,
)

__all__ = [
    "Act",
    "DueExit",
    "adjust",
    "enter_now",
    "exit_now",
    "kill",
    "lock_account",
    "lock_user",
    "open_due",
    "open_exit",
    "pairs_in",
    "pause",
    "progress_of",
    "resume",
    "square_off",
]
