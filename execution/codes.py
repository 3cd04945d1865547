"""Every code by which an order or run was denied, rejected, missed or ended, in plain words and with a
fix. Pure: pages, the API and the docs read this one table.
"""

from __future__ import annotations

from typing import NamedTuple

from allocations.risk import Denial


class Reason(NamedTuple):
    """What happened, and what the user can do; `fix` says so where there is nothing to do."""

    text: str
    fix: str


NOTHING_TO_DO = "Nothing: it was not placed, and the schedule goes on."

_DENIED_BY_LIMIT_OR_STATE = {str(each): Reason(each.text, each.fix) for each in Denial}

_DENIED_BY_US = {
    "ALREADY_IN": Reason("The pair is in a trade.", "Exit it first, or wait for its exit."),
    "BASKET_NOT_ACTIVE": Reason("The basket is not active.", "Activate the basket."),
    "BOOKS_UNREAD": Reason(
        "The broker's books could not be read, so nothing new was opened.",
        "Renew the account's login if it has ended; entries go on when the books are read again.",
    ),
    "FUNDS_UNREAD": Reason(
        "The broker did not say how much money is free, so nothing was sent.",
        "Check the broker's status and the account's login; the entry tries again within its tolerance.",
    ),
    "HOURS_UNKNOWN": Reason(
        "The exchange trades on this day, and its hours are not in the tables, so nothing was sent.",
        "An operator imports the hours (special_sessions, import_facts); then enter by hand, exits go by themselves.",
    ),
    "INSUFFICIENT_FUNDS": Reason(
        "The account does not have enough free money.", "Add funds, or enter fewer lots."
    ),
    "LEGS_MEET": Reason(
        "Two legs mean the same contract now.", "Set their strikes further apart."
    ),
    "LIVE_ACCOUNT_IN_REPLAY": Reason(
        "A live account does not trade a replay.", "Use a paper account, or the live market."
    ),
    "MISMATCH": Reason(
        "The broker's book and ours do not agree.", "Settle it on the Reconciliation page."
    ),
    "NOT_HELD": Reason(
        "The pair does not hold that contract any more.", "Look at what it holds, then preview again."
    ),
    "NO_DELTA": Reason(
        "No volatility could be read from the prices, so no delta strike was found.",
        "Choose another strike rule, or an expiry that is quoted.",
    ),
    "NO_FACTS": Reason(
        "The exchange's rules for that day are not in the tables.",
        "An operator imports the missing facts; the detail names them.",
    ),
    "NO_FORWARD": Reason(
        "The forward price is not known now.", "Wait for both a call and a put to be quoted."
    ),
    "NO_GRANT": Reason("You may no longer enter this basket.", "Subscribe again to enter it."),
    "NO_LISTED_STRIKE": Reason(
        "The rule means a strike that is not listed.", "Choose a strike nearer to the money."
    ),
    "NO_LOGIN": Reason(
        "The account has no usable login, so nothing was sent.", "Renew the account's login."
    ),
    "NO_QUOTE": Reason("A contract has no price now.", "Choose a strike that trades."),
    "NO_SPOT": Reason(
        "The index has no live price now.",
        "Set the strikes by the synthetic forward; from 15:15 the index stands still.",
    ),
    "NO_SUCH_EXPIRY": Reason(
        "The expiry that the rule means is not listed.", "Choose a listed expiry."
    ),
    "NO_WEEKLY_EXPIRY": Reason(
        "The index has no weekly expiry.", "Choose this month or next month."
    ),
    "PAPER_DISABLED": Reason(
        "Paper trading is switched off.", "An operator sets enable_paper_trading."
    ),
    "STALE_QUOTE": Reason(
        "The last price of a contract was too old to trade on.",
        "Wait for the feed; the entry tries again within its tolerance.",
    ),
    "UNDECLARED_NAKED": Reason(
        "More short options would have been uncovered than the strategy declares.",
        "Buy a hedge, or declare the naked units in the strategy.",
    ),
}

_CONDITIONS = {
    "CREDIT_TOO_SMALL": Reason(
        "It would take in less than the least credit that the strategy asks.",
        "Wait for another day, or lower the least credit.",
    ),
    "DEBIT_TOO_LARGE": Reason(
        "It would cost more than the most debit that the strategy allows.",
        "Wait for another day, or raise the most debit.",
    ),
    "EVENT_DAY": Reason(
        "The strategy skips this day.", "Remove the day from those to skip if you want to enter."
    ),
    "GAP_OUT_OF_BOUNDS": Reason(
        "The market opened further from its last close than the strategy allows.",
        "Wait for the next day, or widen the bounds of the gap.",
    ),
    "GAP_UNKNOWN": Reason(
        "The strategy asks for the opening gap, and this market does not know it.",
        "Remove the bounds of the gap, or trade a market that knows its last close.",
    ),
    "ONE_SIDED_QUOTE": Reason(
        "A contract has no bid or no ask now.", "Choose a strike that trades."
    ),
    "SLIPPAGE_TOO_HIGH": Reason(
        "The touch is further from the mid than the slippage that the strategy allows.",
        "Choose a strike that trades more, or allow more slippage.",
    ),
    "SPREAD_TOO_WIDE": Reason(
        "Bid and ask of a leg are further apart than the strategy allows.",
        "Choose a strike that trades more, or allow a wider quote.",
    ),
    "VIX_OUT_OF_BOUNDS": Reason(
        "The volatility index is outside the bounds of the strategy.",
        "Wait for another day, or widen the bounds.",
    ),
    "VIX_UNKNOWN": Reason(
        "The strategy asks for the volatility index, and this market does not have it.",
        "Remove the bounds of the index, or trade a market that has it.",
    ),
    "WAITING": Reason("It waits for its price.", "Nothing: it goes when the price is there."),
    "WAIT_OVER": Reason(
        "The price that it waited for did not come before the cut-off.",
        "Nothing: the schedule goes on.",
    ),
}

_ENDED = {
    "BROKER_UNREACHABLE": Reason(
        "The connection to the broker was refused again and again. Nothing was sent.",
        "Check the broker's status page; an exit keeps trying by itself.",
    ),
    "NOT_FILLED": Reason(
        "Nothing filled in time.", "Enter again by hand, or widen the strategy's time."
    ),
    "NOT_TRIED": Reason(
        "An order before it had no answer, or took the broker too long, so this one was not tried.",
        "Nothing: it goes again as a new attempt.",
    ),
    "OUTSIDE_SESSION": Reason("The exchange was closed.", NOTHING_TO_DO),
    "REPRICED": Reason(
        "Its price was moved as often as the broker allows, so it was cancelled.",
        "Nothing: the rest is ordered anew.",
    ),
    "SESSION_OVER": Reason("The trading day ended first.", NOTHING_TO_DO),
    "SIBLING_FAILED": Reason(
        "Another pair of the strategy did not complete its entry, and all were wanted or none.",
        "Look at the pair that failed; then enter all of them by hand, or wait for the next time.",
    ),
    "STOP_REPLACED": Reason(
        "The stop at the broker no longer fitted what is held, so it was cancelled.",
        "Nothing: a new one is placed where one is needed.",
    ),
    "TIMED_OUT": Reason(
        "It was not complete in time; the strategy's policy decided what stays.",
        "Look at what is held; exit it, or enter the rest by hand.",
    ),
    "TOO_LATE": Reason(
        "Its moment had passed by more than the tolerance.",
        "Enter by hand if you still want it, or raise the entry tolerance.",
    ),
    "TRADE_OVER": Reason(
        "The trade that the leg belonged to has left, rolled or been entered anew since.",
        "Nothing: a leg comes back into its own trade only.",
    ),
    "TRADE_SPENT": Reason(
        "What the trade had realised when it held nothing had reached its own stop, target or locked profit.",
        "Nothing: the trade is over, and no leg comes back into it.",
    ),
    "WITHDRAWN": Reason("Withdrawn: an exit of the pair began.", NOTHING_TO_DO),
}

_REJECTED_BY_BROKER = {
    "ABOVE_FREEZE": Reason(
        "The order was larger than the exchange takes in one order.",
        "An operator checks the freeze quantity in the dated facts.",
    ),
    "BAD_PRICE": Reason("The broker did not take the price.", NOTHING_TO_DO),
    "BAD_REQUEST": Reason(
        "The broker could not read the order.", "Tell the operator: the wire needs a look."
    ),
    "EXPIRED_CONTRACT": Reason("The contract has expired.", "Choose a later expiry."),
    "INSUFFICIENT_MARGIN": Reason(
        "The account does not have enough free margin.", "Add funds, or enter fewer lots."
    ),
    "MARKET_WITHOUT_PROTECTION": Reason(
        "A market order needs its price protection.", "Tell the operator: the wire needs a look."
    ),
    "NOT_A_LOT_MULTIPLE": Reason(
        "The quantity was not a whole number of lots.",
        "An operator checks the lot size in the dated facts against the broker's list.",
    ),
    "NOT_OPEN": Reason("The order was no longer open at the broker.", NOTHING_TO_DO),
    "NO_LIQUIDITY": Reason("Nobody offered the other side.", "Choose a strike that trades."),
    "OFF_TICK": Reason(
        "The price was not a whole number of ticks.",
        "An operator checks the tick size in the dated facts.",
    ),
    "OUTSIDE_PRICE_BAND": Reason(
        "The price was outside the exchange's band.", "Nothing: the next order is priced anew."
    ),
    "REJECTED_BY_BROKER": Reason(
        "The broker's book says that it was rejected.", "Read the broker's own words beside it."
    ),
    "SL_M_DENIED": Reason(
        "The exchange takes no stop without a limit on options.",
        "Tell the operator: the wire needs a look.",
    ),
    "TOKEN_REFUSED": Reason("The broker did not accept the login.", "Renew the account's login."),
    "TOO_MANY_MODIFICATIONS": Reason(
        "The broker allows no more changes of this order.",
        "Nothing: a close is cancelled and ordered anew.",
    ),
    "TRIGGER_PASSED": Reason(
        "The market was at the stop's trigger already.",
        "Nothing: the stop is judged here at each frame too.",
    ),
    "UNKNOWN_ORDER": Reason(
        "The broker does not know the order.", "Nothing: its book is read again."
    ),
    "UNKNOWN_SYMBOL": Reason(
        "The broker does not know the contract.", "Import the broker's instrument master."
    ),
}

GROUPS: dict[str, dict[str, Reason]] = {
    "Denied by us: a limit or a trading state": _DENIED_BY_LIMIT_OR_STATE,
    "Denied by us": _DENIED_BY_US,
    "Conditions of the strategy": _CONDITIONS,
    "Ended": _ENDED,
    "Rejected by the broker": _REJECTED_BY_BROKER,
}
CODES: dict[str, Reason] = {code: reason for group in GROUPS.values() for code, reason in group.items()}


def reason_of(code: str) -> Reason:
    """The words of a code; KeyError for one that nothing here writes."""
    return CODES[code]
