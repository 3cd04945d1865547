"""The rules of a strategy: pure values in, contracts and quantities out. No Django here."""

from strategies.rules.chain import Chain, atm_strike
from strategies.rules.conditions import CONDITION_FIELDS, Conditions
from strategies.rules.dates import (
    Schedule,
    expiry_of,
    is_due_day,
    nearest_rule,
    next_expiry,
)
from strategies.rules.exit_checks import check_pair_exits
from strategies.rules.exits import PAIR_EXITS, StrategyExits
from strategies.rules.guards import (
    CLEARING,
    Blocked,
    Guard,
    at_touch,
    blocked,
    jitter,
    price_reasons,
    worst_price,
)
from strategies.rules.hedges import (
    Held,
    coverable_lots,
    covers,
    goes_first,
    naked_units,
    released_lots,
    uncovered_lots,
    waves,
)
from strategies.rules.resolving import resolve, resolve_leg_at, roll_target, unit
from strategies.rules.shifting import shifted
from strategies.rules.strikes import STRIKE_RULES, strike_of
from strategies.rules.terms import LONGEST_PATIENCE, House, Terms, check
from strategies.rules.values import AtmBase, Code, LegRule, ResolvedLeg, Unresolvable
from strategies.rules.watching import (
    Watch,
    mid_of,
    premium_of,
    restored,
    stored,
    value_of,
    watch_of,
)
from strategies.rules.written import naked_as_written, surely_not_earlier

__all__ = [
    "CLEARING",
    "CONDITION_FIELDS",
    "LONGEST_PATIENCE",
    "PAIR_EXITS",
    "STRIKE_RULES",
    "AtmBase",
    "Blocked",
    "Chain",
    "Code",
    "Conditions",
    "Guard",
    "Held",
    "House",
    "LegRule",
    "ResolvedLeg",
    "Schedule",
    "StrategyExits",
    "Terms",
    "Unresolvable",
    "Watch",
    "at_touch",
    "atm_strike",
    "blocked",
    "check",
    "check_pair_exits",
    "coverable_lots",
    "covers",
    "expiry_of",
    "goes_first",
    "is_due_day",
    "jitter",
    "mid_of",
    "naked_as_written",
    "naked_units",
    "nearest_rule",
    "next_expiry",
    "premium_of",
    "price_reasons",
    "released_lots",
    "resolve",
    "resolve_leg_at",
    "restored",
    "roll_target",
    "shifted",
    "stored",
    "strike_of",
    "surely_not_earlier",
    "uncovered_lots",
    "unit",
    "value_of",
    "watch_of",
    "waves",
    "worst_price",
]
