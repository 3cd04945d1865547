"""Who the user is, and the records that every app writes about a user's acts."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person who signs in by e-mail. Curators and operators are groups of the same names."""

    username = None  # type: ignore[assignment]  # people sign in by e-mail: Django drops the field
    email = models.EmailField(unique=True)

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # its manager creates by e-mail

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="user_email_is_lower_case"
            )
        ]

    def __str__(self) -> str:
        return self.email


class ApiKey(models.Model):
    """A program's key; only its SHA-256 is kept, `prefix` finds the row."""

    class Scope(models.TextChoices):
        READ = "read", "Read"
        PAPER = "paper", "Trade on paper accounts"
        TRADE = "trade", "Trade"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    scope = models.CharField(max_length=8, choices=Scope)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """One act that can move money; append-only (a database trigger refuses changes)."""

    at = models.DateTimeField()
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="acts")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="audit")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    source = models.CharField(max_length=20)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [models.Index(fields=["owner", "-at"])]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.object_type} {self.object_id}"


class IdempotencyKey(models.Model):
    """The first answer to a money-moving POST; the same key and body replay it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    key = models.CharField(max_length=120)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="one_row_per_user_and_key")
        ]

    def __str__(self) -> str:
        return self.key


class Notice(models.Model):
    """Something the user must be told; `dedupe_key` keeps one cause at one notice."""

    class Severity(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=Severity)
    title = models.CharField(max_length=160)
    body = models.TextField()
    link = models.CharField(max_length=200, blank=True)
    dedupe_key = models.CharField(max_length=160)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    emailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "dedupe_key"], name="one_notice_per_cause")
        ]
        indexes = [models.Index(fields=["user", "-created_at"])]

    def __str__(self) -> str:
        return self.title


class AlarmChannel(models.Model):
    """Where a user is alarmed besides the desk and e-mail. `sealed` is a bot's token or a webhook's secret."""

    class Kind(models.TextChoices):
        TELEGRAM = "telegram", "Telegram"
        WEBHOOK = "webhook", "Signed webhook"

    class Lowest(models.TextChoices):
        WARNING = "warning", "Warnings and worse"
        CRITICAL = "critical", "Only critical"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="alarm_channels")
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=80)
    address = models.CharField(max_length=400, help_text="the webhook's URL, or the Telegram chat")
    sealed = models.TextField()
    lowest = models.CharField(max_length=8, choices=Lowest)
    topics = models.JSONField(default=list, help_text="empty: all")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["telegram", "webhook"]), name="alarm_kind_is_known"),
            models.CheckConstraint(condition=Q(lowest__in=["warning", "critical"]), name="alarm_floor_is_known"),
        ]

    def __str__(self) -> str:
        return self.name


class AlarmDelivery(models.Model):
    """One notice through one channel: the row is the queue."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        GIVEN_UP = "given_up", "Given up"

    channel = models.ForeignKey(AlarmChannel, on_delete=models.CASCADE, related_name="deliveries")
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "notice"], name="one_delivery_per_channel_and_notice"),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "sent", "given_up"]), name="delivery_status_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(status="waiting"), name="delivery_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.channel_id} {self.notice_id} {self.status}"


class AlarmAttempt(models.Model):
    """One try of a delivery, and what came of it."""

    delivery = models.ForeignKey(AlarmDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    ok = models.BooleanField()
    said = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.said}"
