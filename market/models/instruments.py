"""What brokers list: their names and tokens for our contracts, and where they contradict our facts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from market.models.worlds import Contract


class MasterImport(models.Model):
    """One file that was read, with what became of its rows; the same file again is the same row."""

    source = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    kept = models.PositiveIntegerField()
    left_out = models.JSONField(default=dict, blank=True)
    bad_rows = models.JSONField(default=list, blank=True)
    bad_count = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "sha256"], name="one_import_per_file")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.file_name}"


class Instrument(models.Model):
    """A broker's name and token for a contract; `lot_size` is what the broker says.

    Tokens are the exchange's for most brokers, so unique within it only.
    """

    source = models.CharField(max_length=20)
    exchange = models.CharField(max_length=4)
    token = models.CharField(max_length=40)
    trading_symbol = models.CharField(max_length=40)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="instruments")
    lot_size = models.PositiveIntegerField()
    tick_size = models.DecimalField(max_digits=6, decimal_places=2)
    freeze = models.PositiveIntegerField(null=True, blank=True)
    imported_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "exchange", "token"], name="one_instrument_per_token"
            ),
            models.CheckConstraint(
                condition=Q(lot_size__gt=0), name="instrument_lot_size_above_zero"
            ),
            models.CheckConstraint(condition=Q(tick_size__gt=0), name="instrument_tick_above_zero"),
        ]
        indexes = [models.Index(fields=["source", "trading_symbol"])]

    def __str__(self) -> str:
        return f"{self.source} {self.trading_symbol}"


class LotFlag(models.Model):
    """A series that a file lists with a lot or expiry the dated facts do not confirm.

    It stays open until a later file of that source and the facts agree.
    """

    class Why(models.TextChoices):
        UNKNOWN_LOT = "unknown_lot", "Lot unknown to the facts"
        OTHER_LOT = "other_lot", "Lot contradicts the facts"
        NO_EXPIRY = "no_expiry", "No expiry on that day by the facts"

    source = models.CharField(max_length=20)
    underlying = models.CharField(max_length=40)
    expiry = models.DateField()
    lot = models.PositiveIntegerField()
    known_lot = models.PositiveIntegerField(null=True, blank=True)
    why = models.CharField(max_length=12, choices=Why)
    said = models.CharField(max_length=300)
    rows = models.PositiveIntegerField()
    example = models.CharField(max_length=40)
    found_in = models.ForeignKey(MasterImport, on_delete=models.PROTECT, related_name="lot_flags")
    found_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "underlying", "expiry", "lot"], name="one_flag_per_series_and_lot"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.underlying} {self.expiry}: lot {self.lot}"
