"""The desk's numbers in Prometheus text, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from execution import running
from execution.models import Order
from execution.states import OPEN_STATES
from market import quotes, selectors
from market.models import Timeline
from optionsplatform.processes import BEATING, HEARTBEAT_SECONDS

OPEN_SOCKETS = Gauge("options_live_sockets", "Open live sockets of this web process")


def exposition() -> bytes:
    """The desk's numbers, and those of this process (memory, processor, open sockets)."""
    registry = CollectorRegistry()
    registry.register(Desk())
    return generate_latest(registry) + generate_latest(REGISTRY)


class Desk(Collector):
    """Heartbeats, orders and the age of the market."""

    def collect(self) -> Iterator[Metric]:
        yield _heartbeats()
        yield _workers()
        yield from _orders()
        yield _frame_age()

    def describe(self) -> Iterator[Metric]:
        """Nothing is read at registration."""
        return iter(())


def _heartbeats() -> Metric:
    family = GaugeMetricFamily(
        "options_heartbeat_age_seconds", "Since the last heartbeat; absent: none in 10 s", labels=["process"]
    )
    for name in BEATING:
        left = int(quotes.connection().pttl(f"heartbeat:{name}"))
        if left >= 0:
            family.add_metric([name], max(0.0, HEARTBEAT_SECONDS - left / 1000))
    return family


def _workers() -> Metric:
    """The living on all machines; the process `worker` above beats while there is one."""
    alive = sum(running.workers().values())
    return GaugeMetricFamily("options_workers_alive", "Worker processes with a heartbeat in the last 10 s", alive)


def _orders() -> Iterator[Metric]:
    by_state = GaugeMetricFamily("options_open_orders", "Orders not in a final state", labels=["status"])
    rows = Order.objects.filter(status__in=[state.value for state in OPEN_STATES])
    counts = dict(rows.values_list("status").annotate(Count("pk")).order_by())
    for state in sorted(OPEN_STATES, key=lambda state: state.value):
        by_state.add_metric([state.value], counts.get(state.value, 0))
    yield by_state
    unknown = Order.objects.filter(status="UNKNOWN").count()
    yield GaugeMetricFamily("options_unknown_orders", "Orders whose fate the broker has not told", unknown)


def _frame_age() -> Metric:
    family = GaugeMetricFamily(
        "options_frame_age_seconds", "Since the last market frame was published", labels=["timeline"]
    )
    try:
        timeline = selectors.active_timeline()
    except Timeline.DoesNotExist:
        return family
    left = int(quotes.connection().pttl(quotes.frame_key(timeline.key)))
    if left >= 0:
        lifetime = settings.PLATFORM.market_data_ttl_seconds
        family.add_metric([timeline.key], max(0.0, lifetime - left / 1000))
    return family
