"""The rules of a strategy: pure values in, contracts and quantities out. No Django here."""

from strategies.rules.chain import Chain, atm_strike
from strategies.rules.dates import (
    Schedule,
    expiry_of,
    is_due_day,
    nearest_rule,
    next_expiry,
)
from strategies.rules.exit_checks import check_pair_exits
from strategies.rules.exits import PAIR_EXITS, StrategyExits
from strategies.rules.hedges import covers, goes_first, naked_units, released_lots, waves
from strategies.rules.resolving import resolve, resolve_leg_at, roll_target, unit
from strategies.rules.strikes import STRIKE_RULES, strike_of
from strategies.rules.terms import House, Terms, check
from strategies.rules.values import AtmBase, Code, LegRule, ResolvedLeg, Unresolvable
from strategies.rules.written import naked_as_written, surely_not_earlier

__all__ = [
    "PAIR_EXITS",
    "STRIKE_RULES",
    "AtmBase",
    "Chain",
    "Code",
    "House",
    "LegRule",
    "ResolvedLeg",
    "Schedule",
    "StrategyExits",
    "Terms",
    "Unresolvable",
    "atm_strike",
    "check",
    "check_pair_exits",
    "covers",
    "expiry_of",
    "goes_first",
    "is_due_day",
    "naked_as_written",
    "naked_units",
    "nearest_rule",
    "next_expiry",
    "released_lots",
    "resolve",
    "resolve_leg_at",
    "roll_target",
    "strike_of",
    "surely_not_earlier",
    "unit",
    "waves",
]
