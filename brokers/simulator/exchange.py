"""Orders into the book, trades out of it: each change is a ledger row and an event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from brokers.simulator import checks, matching, positions
from brokers.simulator.checks import Accepted, OrderForm
from brokers.simulator.funds import check_funds
from brokers.simulator.ledger import Ledger, Row
from brokers.simulator.margins import Pending
from brokers.simulator.market import Market
from brokers.simulator.matching import Match, Offer
from brokers.simulator.wire import Refusal
from market.kernel import contracts

PENDING = "TRIGGER_PENDING"
ALIVE = ("OPEN", "PARTIAL", PENDING)
MOST_MODIFICATIONS = 25


class Exchange:
    """The book of one timeline against one frame. Every call is made inside a ledger transaction."""

    def __init__(self, ledger: Ledger, market: Market) -> None:
        self._ledger = ledger
        self._market = market

    def place(self, account: Row, form: OrderForm, *, arrives_us: int, visible_us: int) -> Row:
        """Take the order into the ledger; it trades once it has arrived."""
        accepted = checks.accept(form, self._market)
        pending = Pending(form.symbol, form.side, form.quantity, accepted.limit)
        check_funds(self._ledger, account, self._market, new=pending)
        row = self._insert(account["account"], form, accepted, arrives_us, visible_us)
        return self._order(row)

    def arrive(self, wall_us: int) -> int:
        """Orders whose latency is over enter the book and meet the last frame; how many did."""
        due = self._ledger.rows(
            "SELECT * FROM orders WHERE timeline = ?"
            " AND status IN ('OPEN', 'PARTIAL', 'TRIGGER_PENDING') AND arrived = 0 AND arrives_us <= ? ORDER BY arrives_us, id",
            self._market.timeline, wall_us,
        )  # fmt: skip
        for order in due:
            self._ledger.write("UPDATE orders SET arrived = 1 WHERE id = ?", order["id"])
            self._tell(order["id"])
            self._reach(order)
        return len(due)

    def new_frame(self) -> None:
        """Expire day orders whose session is over, match what rests, then what this frame triggers."""
        resting = self._ledger.rows(
            "SELECT * FROM orders WHERE timeline = ?"
            " AND status IN ('OPEN', 'PARTIAL', 'TRIGGER_PENDING') ORDER BY id",
            self._market.timeline,
        )
        over = [order for order in resting if order["expires_at"] <= _utc(self._market)]
        for order in over:
            self._close(order, "EXPIRED", "The session is over.")
        alive = [order for order in resting if order["arrived"] and order not in over]
        for order in sorted(alive, key=_queue):
            self._reach(order)

    def cancel(self, account: str, order_id: str, wall_us: int) -> None:
        self._close(
            self._open_order(account, order_id, wall_us), "CANCELLED", "Cancelled by the user."
        )

    def modify(
        self, account: Row, order_id: str, price: Decimal | None, trigger: Decimal | None, wall_us: int
    ) -> None:
        """Move the limit, and a stop's trigger; the order then meets the last frame again."""
        order = self._open_order(account["account"], order_id, wall_us)
        if order["modifications"] >= MOST_MODIFICATIONS:
            raise Refusal("TOO_MANY_MODIFICATIONS", f"An order takes {MOST_MODIFICATIONS} changes.")
        contract = checks.listed_contract(order["symbol"], self._market)
        checks.session_close(contract, self._market)
        if order["status"] == PENDING:
            wanted = Decimal(order["trigger_price"]) if trigger is None else trigger
            limit, at = checks.checked_stop(order["side"], price, wanted, contract, self._market)
            self._move(order, limit, at)
            return
        if trigger is not None:
            raise Refusal("TRIGGER_PASSED", f"Order {order_id} waits for no trigger any more.")
        limit = checks.checked_price(price, contract, self._market)
        left = order["quantity"] - order["filled_quantity"]
        pending = Pending(order["symbol"], order["side"], left, limit)
        check_funds(self._ledger, account, self._market, new=pending, instead_of=order["id"])
        self._move(order, limit, None)
        self._meet(self._order(order["id"]))

    def _move(self, order: Row, limit: Decimal, trigger: Decimal | None) -> None:
        self._ledger.write(
            "UPDATE orders SET price = ?, trigger_price = coalesce(?, trigger_price),"
            " modifications = modifications + 1 WHERE id = ?",
            str(limit), None if trigger is None else str(trigger), order["id"],
        )  # fmt: skip
        self._tell(order["id"])

    def _open_order(self, account: str, order_id: str, wall_us: int) -> Row:
        order = self._ledger.row(
            "SELECT * FROM orders WHERE timeline = ? AND account = ? AND order_id = ?"
            " AND arrived = 1 AND visible_us <= ?",
            self._market.timeline, account, order_id, wall_us,
        )  # fmt: skip
        if order is None:
            raise Refusal("UNKNOWN_ORDER", f"There is no order {order_id}.", 404)
        if order["status"] not in ALIVE:
            raise Refusal("NOT_OPEN", f"Order {order_id} is {order['status']}.")
        return order

    def _insert(
        self, account: str, form: OrderForm, accepted: Accepted, arrives_us: int, visible_us: int
    ) -> int:
        market = self._market
        number = self._ledger.count("orders", market.timeline, account) + 1
        return self._ledger.insert(
            "orders",
            timeline=market.timeline,
            account=account,
            order_id=f"O{number:06d}",
            client_ref=form.client_ref,
            symbol=form.symbol,
            side=form.side,
            quantity=form.quantity,
            product=form.product,
            order_type=form.order_type,
            price=str(accepted.limit),
            trigger_price=None if accepted.trigger is None else str(accepted.trigger),
            status="OPEN" if accepted.trigger is None else PENDING,
            at=market.now.isoformat(),
            day=market.day.isoformat(),
            changed_day=market.day.isoformat(),
            expires_at=accepted.expires_at.isoformat(),
            arrives_us=arrives_us,
            visible_us=visible_us,
        )

    def _reach(self, order: Row) -> None:
        """A stop whose trigger has come becomes a limit, if the band of now takes it; then it trades."""
        if order["status"] != PENDING:
            self._meet(order)
        elif checks.is_triggered(
            order["side"], Decimal(order["trigger_price"]), order["symbol"], self._market
        ):
            self._trigger(order)

    def _trigger(self, order: Row) -> None:
        contract = contracts.parse(order["symbol"])
        try:
            checks.checked_price(Decimal(order["price"]), contract, self._market)
        except Refusal as refusal:
            self._close(order, "REJECTED", f"{refusal.code}: {refusal.message}")
            return
        self._ledger.write("UPDATE orders SET status = 'OPEN' WHERE id = ?", order["id"])
        self._tell(order["id"])
        self._meet(self._order(order["id"]))

    def _meet(self, order: Row) -> None:
        """One order against what the last frame still shows."""
        symbol, side = order["symbol"], order["side"]
        shown = self._market.offer(symbol, side)
        left = Offer(shown.price, shown.quantity - self._taken(symbol, side))
        remaining = order["quantity"] - order["filled_quantity"]
        lot = contracts.parse(symbol).lot_size
        found = matching.match(side, Decimal(order["price"]), remaining, left, lot)
        if found is not None:
            self._trade(order, found)

    def _taken(self, symbol: str, side: str) -> int:
        """What earlier orders took of this frame's displayed quantity."""
        row = self._ledger.row(
            "SELECT coalesce(sum(quantity), 0) AS units FROM trades"
            " WHERE timeline = ? AND frame = ? AND symbol = ? AND side = ?",
            self._market.timeline, self._market.n, symbol, side,
        )  # fmt: skip
        return int(row["units"]) if row else 0

    def _trade(self, order: Row, found: Match) -> None:
        market, account = self._market, order["account"]
        number = self._ledger.count("trades", market.timeline, account) + 1
        trade = {
            "trade_id": f"T{number:06d}",
            "order_id": order["order_id"],
            "client_ref": order["client_ref"],
            "symbol": order["symbol"],
            "side": order["side"],
            "quantity": found.quantity,
            "product": order["product"],
            "price": str(found.price),
            "at": market.now.isoformat(),
        }
        self._ledger.insert(
            "trades",
            timeline=market.timeline,
            account=account,
            order_row=order["id"],
            day=market.day.isoformat(),
            frame=market.n,
            visible_us=order["visible_us"],
            **trade,
        )
        self._fill(order, found)
        self._move_position(order, found)
        self._event(order, "trade", trade)
        self._tell(order["id"])

    def _fill(self, order: Row, found: Match) -> None:
        filled = order["filled_quantity"] + found.quantity
        value = Decimal(order["value"]) + found.price * found.quantity
        status = "FILLED" if filled == order["quantity"] else "PARTIAL"
        self._ledger.write(
            "UPDATE orders SET filled_quantity = ?, value = ?, status = ?, changed_day = ?"
            " WHERE id = ?",
            filled, str(value), status, self._market.day.isoformat(), order["id"],
        )  # fmt: skip

    def _move_position(self, order: Row, found: Match) -> None:
        ledger, timeline, account = self._ledger, order["timeline"], order["account"]
        symbol, product = order["symbol"], order["product"]
        signed = found.quantity if order["side"] == "BUY" else -found.quantity
        before = positions.held_of(ledger, timeline, account, symbol, product)
        after = positions.booked(before, signed, found.price)
        positions.store(
            ledger, after, timeline=timeline, account=account, symbol=symbol, product=product
        )
        contract = contracts.parse(symbol)
        flow = positions.cash_flow(contract, before, after, signed, found.price)
        ledger.add_cash(timeline, account, flow)

    def _close(self, order: Row, status: str, reason: str) -> None:
        self._ledger.write(
            "UPDATE orders SET status = ?, reason = ?, changed_day = ?, arrived = 1 WHERE id = ?",
            status, reason, self._market.day.isoformat(), order["id"],
        )  # fmt: skip
        self._tell(order["id"])

    def _order(self, row: int) -> Row:
        found = self._ledger.row("SELECT * FROM orders WHERE id = ?", row)
        if found is None:
            raise LookupError(f"order row {row} is gone")
        return found

    def _tell(self, row: int) -> None:
        order = self._order(row)
        self._event(order, "order", order_document(order))

    def _event(self, order: Row, kind: str, document: dict[str, Any]) -> None:
        account = order["account"]
        self._ledger.write(
            "UPDATE accounts SET last_event = last_event + 1 WHERE account = ?", account
        )
        self._ledger.write(
            "INSERT INTO events SELECT account, last_event, ?, ?, ?, ? FROM accounts"
            " WHERE account = ?",
            order["timeline"], kind, orjson.dumps(document), order["visible_us"], account,
        )  # fmt: skip


def order_document(order: Row) -> dict[str, Any]:
    """An order as the wire shows it."""
    filled = order["filled_quantity"]
    average = Decimal(order["value"]) / filled if filled else None
    return {
        "order_id": order["order_id"],
        "client_ref": order["client_ref"],
        "symbol": order["symbol"],
        "side": order["side"],
        "quantity": order["quantity"],
        "product": order["product"],
        "order_type": order["order_type"],
        "price": order["price"],
        "trigger_price": order["trigger_price"],
        "filled_quantity": filled,
        "average_price": None if average is None else str(average),
        "status": order["status"],
        "reason": order["reason"],
        "at": order["at"],
    }


def trade_document(trade: Row) -> dict[str, Any]:
    """A trade as the wire shows it."""
    names = (
        "trade_id", "order_id", "client_ref", "symbol", "side", "quantity", "product", "price", "at",
    )  # fmt: skip
    return {name: trade[name] for name in names}


def _queue(order: Row) -> tuple[bool, str, str, tuple[Decimal, int]]:
    """What rests goes before what is triggered now."""
    price, side = Decimal(order["price"]), order["side"]
    return order["status"] == PENDING, order["symbol"], side, matching.priority(side, price, order["id"])


def _utc(market: Market) -> str:
    return market.now.isoformat()
