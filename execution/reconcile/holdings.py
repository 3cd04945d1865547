"""What the account holds of each contract: ours, external and the broker's net, written as rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from brokers.models import BrokerAccount
from brokers.types import BrokerTrade, Side
from execution.differences import Difference, Holding, after_foreign, judged, of_holding
from execution.engine.desk import Desk
from execution.models import AccountPosition, ForeignTrade
from execution.reconcile.books import Read
from execution.reconcile.ours import Key, Ours
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract as ContractSpec
from market.kernel.contracts import parse
from market.models import Contract
from market.services import ensure_contracts
from users.prepared import Param, Prepared

UNIQUE = ["broker_account", "timeline", "contract", "product"]
SIDES = ("ours", "external", "disputed", "theirs")  # of a Holding, and columns
ROWS = Prepared(
    lambda: AccountPosition.objects.filter(
        broker_account=Param("account"), timeline=Param("timeline")
    ).select_related("contract")
)
BOOKED = Prepared(
    lambda: ForeignTrade.objects.filter(
        broker_account=Param("account"), timeline=Param("timeline"), trade_id__among=Param("trades")
    ).values_list("trading_day", "trade_id", "contract__symbol")
)


@dataclass(slots=True)
class Sheet:
    """The rows after a look, what does not agree, and what orders on their way may still explain."""

    contracts: dict[str, Contract]
    differences: list[Difference] = field(default_factory=list)
    waiting: set[Key] = field(default_factory=set)


def updated(
    account: BrokerAccount, read: Read, mine: Ours, pending: set[str], desk: Desk
) -> Sheet:
    """Book foreign trades as external and compare every contract that either side has."""
    rows = {_key(row): row for row in _rows(account, desk)}
    foreign = _fresh(account, _foreign(read, mine, pending), desk)
    net = Counter({(p.symbol, p.product.value): p.quantity for p in read.positions if _spec(p.symbol)})
    keys = rows.keys() | net.keys() | mine.held.keys() | {_key_of(trade) for trade in foreign}
    sheet = Sheet(ensure_contracts([parse(symbol) for symbol, _ in keys]))
    for order in read.orders:
        if order.broker_order_id in pending:  # ours or foreign: its owner is asked
            mine.in_flight[order.symbol, order.product.value] += order.quantity
    holdings = {key: _holding(key, rows.get(key), net, mine) for key in keys}
    for trade in foreign:
        key = _key_of(trade)
        holdings[key] = after_foreign(holdings[key], _signed(trade))
    _keep(account, foreign, sheet, desk)
    written = [
        _judge(key, holding, rows.get(key), sheet, account, desk) for key, holding in sorted(holdings.items())
    ]
    AccountPosition.objects.bulk_create(
        [row for row in written if row is not None],
        update_conflicts=True, unique_fields=UNIQUE, update_fields=[*SIDES, "read_at"],
    )  # fmt: skip
    return sheet


def _judge(
    key: Key, holding: Holding, row: AccountPosition | None, sheet: Sheet,
    account: BrokerAccount, desk: Desk,
) -> AccountPosition | None:  # fmt: skip
    """Note what does not agree; the row that is to be written, if it is another one."""
    symbol, product = key
    contract = sheet.contracts[symbol]
    if _is_over(contract, desk):  # settled on either side in its own time
        holding = replace(holding, external=holding.theirs - holding.ours, disputed=0)
    holding = judged(holding)
    if holding.waits:
        sheet.waiting.add(key)
    found = of_holding(holding, symbol, product)
    if found is not None:
        sheet.differences.append(found)
    values = {name: getattr(holding, name) for name in SIDES}
    if row is not None and all(getattr(row, name) == value for name, value in values.items()):
        return None
    return AccountPosition(
        broker_account=account, timeline=desk.timeline, contract=contract, product=product,
        read_at=desk.wall, **values,
    )  # fmt: skip


def _holding(key: Key, row: AccountPosition | None, net: Counter[Key], mine: Ours) -> Holding:
    return Holding(
        ours=mine.held[key],
        external=row.external if row else 0,
        disputed=row.disputed if row else 0,
        theirs=net[key],
        in_flight=mine.in_flight[key],
    )


def _rows(account: BrokerAccount, desk: Desk) -> list[AccountPosition]:
    return ROWS.rows(account=account.pk, timeline=desk.timeline.pk)


def _foreign(read: Read, mine: Ours, pending: set[str]) -> list[BrokerTrade]:
    """Trades that no order of ours made; those of an order that may be ours are left for now."""
    numbers = {order.number for order in mine.orders if order.number}
    return [
        trade for trade in read.trades
        if _spec(trade.symbol)
        and trade.client_ref not in mine.rows
        and (trade.client_ref or trade.broker_order_id not in numbers)
        and trade.broker_order_id not in pending
    ]  # fmt: skip


def _fresh(account: BrokerAccount, trades: list[BrokerTrade], desk: Desk) -> list[BrokerTrade]:
    """Those not booked before, in exchange order."""
    if not trades:
        return []
    ids = list({trade.trade_id for trade in trades})
    known = set(BOOKED.rows(account=account.pk, timeline=desk.timeline.pk, trades=ids))
    fresh = [t for t in trades if (ist_day(t.at), t.trade_id, t.symbol) not in known]
    return sorted(fresh, key=lambda trade: (trade.at, trade.trade_id))


def _keep(account: BrokerAccount, trades: list[BrokerTrade], sheet: Sheet, desk: Desk) -> None:
    ForeignTrade.objects.bulk_create([
        ForeignTrade(
            broker_account=account,
            timeline=desk.timeline,
            contract=sheet.contracts[trade.symbol],
            product=trade.product.value,
            trading_day=ist_day(trade.at),
            trade_id=trade.trade_id,
            broker_order_id=trade.broker_order_id,
            side=trade.side.value,
            quantity=trade.quantity,
            price=trade.price,
            at=trade.at,
        )
        for trade in trades
    ])  # fmt: skip


def _is_over(contract: Contract, desk: Desk) -> bool:
    if contract.expiry == desk.day:
        return not desk.is_open(contract.underlying)
    return contract.expiry < desk.day


def _spec(symbol: str) -> ContractSpec | None:
    """The contract of a symbol; None for what no pair can hold (a share, say)."""
    try:
        return parse(symbol)
    except ValueError:
        return None


def _key(row: AccountPosition) -> Key:
    return row.contract.symbol, row.product


def _key_of(trade: BrokerTrade) -> Key:
    return trade.symbol, trade.product.value


def _signed(trade: BrokerTrade) -> int:
    return trade.quantity if trade.side is Side.BUY else -trade.quantity
