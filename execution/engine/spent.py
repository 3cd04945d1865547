"""A trade that holds nothing while a leg waits to come back: its stop, target and lock are judged by what it
has realised, once more before the leg is opened. Nothing is held whose price could move that.
"""

from __future__ import annotations

from datetime import timedelta

from execution.engine.desk import Desk
from execution.engine.sights import TradeSight, stored
from execution.engine.trades import has_bounds, is_share_of_premium, open_trades
from execution.models import Position, StopWatch, StrategyExecution
from market.kernel.money import ZERO
from strategies.rules import exits
from strategies.selectors import exits_of

AFTER_ANY_FRAME = timedelta(microseconds=1)


def words(execution: StrategyExecution, desk: Desk) -> str:
    """Which level of the whole trade was reached by what it has realised; "" when the leg may come back."""
    pair = execution.allocation
    mine = {"allocation": pair, "timeline": desk.timeline}
    if not has_bounds(pair) or Position.objects.filter(**mine).exclude(quantity=0).exists():
        return ""
    sight, row = _sight(execution, desk), StopWatch.objects.filter(**mine, symbol="").first()
    if row is not None:  # a level that one frame had crossed was of prices, not of what is realised
        row.crossed, row.crossed_frames = "", 0
    known = sight.after(row)
    return sight.words(known.watch, known.rules) if sight.has_fired(known) else ""


def _sight(execution: StrategyExecution, desk: Desk) -> TradeSight:
    pair, version = execution.allocation, execution.allocation.strategy_version
    shares = {pair.pk} if is_share_of_premium(version) else set()
    trade = open_trades(desk.timeline, {pair.pk}, shares)[pair.pk]
    lots = max(1, min(trade.lots, (execution.plan or {})["lots"]))  # fewer if the entry was partly filled
    at = desk.now + AFTER_ANY_FRAME
    return TradeSight(
        pair=pair.pk,
        symbol="",
        since=trade.since or desk.now,
        frames=1,  # what is realised is no freak print
        spot=None,  # a distance of the underlying is judged again once something is held
        exits=exits_of(version),
        pair_exits=stored({name: getattr(pair, name) for name in exits.PAIR_EXITS}),
        premium=None if trade.premium is None else trade.premium / lots,
        a_lot=(ZERO - trade.realised_before) / lots,  # what was realised since is taken off it
        first=at,
        last=at,
    )
