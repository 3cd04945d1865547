"""Published baskets for others: listing, fee terms, subscriptions and the fee ledger."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from baskets.models import Basket, BasketVersion
from market.models import Timeline
from strategies.models import Strategy


class Listing(models.Model):
    """A marketplace basket as subscribers see it."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        WITHDRAWN = "withdrawn", "Withdrawn"

    basket = models.OneToOneField(Basket, on_delete=models.PROTECT, related_name="listing")
    summary = models.CharField(max_length=240)
    risks = models.TextField()
    minimum_capital = models.DecimalField(max_digits=16, decimal_places=2)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    public_track_record = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.basket)


class RecommendedLimit(models.Model):
    """The curator's limits for each pair of a strategy; a subscriber's may only be tighter."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="limits")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="+")
    max_lots = models.PositiveIntegerField()
    max_day_loss = models.DecimalField(max_digits=14, decimal_places=2)
    max_margin = models.DecimalField(max_digits=16, decimal_places=2)
    max_open_positions = models.PositiveSmallIntegerField()
    max_delta = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees an index point, either sign"
    )
    max_vega = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees a vol point, either sign"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "strategy"], name="one_recommended_limit_per_strategy"
            ),
            models.CheckConstraint(
                condition=Q(max_lots__gt=0, max_day_loss__gt=0, max_margin__gt=0)
                & Q(max_open_positions__gt=0),
                name="recommended_limits_above_zero",
            ),
            models.CheckConstraint(
                condition=(Q(max_delta=None) | Q(max_delta__gte=0)) & (Q(max_vega=None) | Q(max_vega__gte=0)),
                name="recommended_greeks_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy}: {self.max_lots} lots"


class FeeTerms(models.Model):
    """What a subscriber agrees to pay; never changed, new terms are a new row."""

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="terms")
    monthly_fee = models.DecimalField(max_digits=12, decimal_places=2)
    performance_rate = models.DecimalField(max_digits=5, decimal_places=4, help_text="0.15 is 15%")
    gst_registered = models.BooleanField(default=False)
    valid_from = models.DateTimeField()

    class Meta:
        verbose_name_plural = "fee terms"
        constraints = [
            models.CheckConstraint(condition=Q(monthly_fee__gte=0), name="monthly_fee_not_negative"),
            models.CheckConstraint(
                condition=Q(performance_rate__gte=0, performance_rate__lte=1),
                name="performance_rate_from_0_to_1",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.monthly_fee} a month + {self.performance_rate}"


class Subscription(models.Model):
    """A user runs a published basket with accounts, lots and limits of their own."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        LEAVING = "leaving", "Left, positions open"
        CLOSED = "closed", "Closed"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions"
    )
    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, related_name="subscriptions")
    version = models.ForeignKey(BasketVersion, on_delete=models.PROTECT)
    terms = models.ForeignKey(FeeTerms, on_delete=models.PROTECT)
    status = models.CharField(max_length=7, choices=Status, default=Status.ACTIVE)
    kept_against = models.ForeignKey(
        BasketVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="the newer version that the subscriber chose not to take",
    )
    high_water_mark = models.DecimalField(
        max_digits=16,
        decimal_places=2,
        default=0,
        help_text="the mark in the world that runs: of live money where there is any, else of paper",
    )
    started_at = models.DateTimeField(help_text="market time")
    left_at = models.DateTimeField(null=True, blank=True, help_text="market time")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="market time")

    class Meta:
        db_table = "basket_subscriptions"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "basket"],
                condition=~Q(status="closed"),
                name="one_open_subscription",
            ),
            models.CheckConstraint(
                condition=Q(status="active", left_at__isnull=True)
                | (~Q(status="active") & Q(left_at__isnull=False)),
                name="who_has_left_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.basket}"


class FeeMeter(models.Model):
    """How far one subscription's fees are counted in one world; a trigger keeps the mark from falling."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="meters")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT, related_name="+")
    notional = models.BooleanField(help_text="of the paper pairs")
    started_on = models.DateField(help_text="the first trading day that counts")
    counted_to = models.DateField(null=True, help_text="the last trading day that is counted")
    cumulative = models.DecimalField(
        max_digits=16, decimal_places=2, default=0, help_text="net of closed cycles"
    )
    high_water_mark = models.DecimalField(max_digits=16, decimal_places=2, default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "timeline", "notional"], name="one_fee_meter_per_world"
            ),
            models.CheckConstraint(condition=Q(high_water_mark__gte=0), name="mark_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription}: mark {self.high_water_mark}"


class Invoice(models.Model):
    """The fees of one subscription for one month."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        PAID = "paid", "Paid"
        VOID = "void", "Void"

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="invoices")
    period = models.DateField(help_text="first day of the month")
    total = models.DecimalField(max_digits=14, decimal_places=2)
    status = models.CharField(max_length=4, choices=Status, default=Status.OPEN)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "period"], name="one_invoice_a_month"),
            models.CheckConstraint(condition=Q(total__gt=0), name="invoice_total_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription} {self.period:%Y-%m}"


class FeeEntry(models.Model):
    """One line of the fee ledger; append-only. Paper profits accrue notional fees only."""

    class Kind(models.TextChoices):
        MONTHLY = "monthly", "Monthly fee"
        PERFORMANCE = "performance", "Performance fee"
        GST = "gst", "GST on fees"

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="fees")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    kind = models.CharField(max_length=11, choices=Kind)
    period = models.DateField(help_text="the trading day or first day of the month")
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    taxed = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="tax", help_text="the fee that this GST is on"
    )
    basis = models.JSONField(help_text="the figures the amount was computed from")
    notional = models.BooleanField(help_text="paper: shown, never invoiced")
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "fee entries"
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "timeline", "kind", "period", "notional"],
                condition=Q(taxed__isnull=True),
                name="one_fee_of_a_kind_per_period",
            ),
            models.CheckConstraint(
                condition=Q(kind="gst", taxed__isnull=False)
                | (~Q(kind="gst") & Q(taxed__isnull=True)),
                name="gst_names_its_fee",
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="fee_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.period} {self.amount}"
