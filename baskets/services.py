"""Every change of a basket, its published versions and its grants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from baskets import selectors
from baskets.models import Basket, BasketGrant, BasketVersion
from users.errors import Refused
from users.models import User
from users.services import record


@transaction.atomic
def create_basket(  # noqa: PLR0913 - keyword only
    *,
    owner: User,
    name: str,
    description: str = "",
    kind: str = Basket.Kind.USER,
    source: str,
    address: str | None = None,
    now: datetime,
) -> Basket:
    """A new basket; a marketplace basket starts as a draft and is made by a curator only."""
    marketplace = kind == Basket.Kind.ADMIN
    if marketplace and not selectors.is_curator(owner):
        raise Refused(
            "not_a_curator",
            "Only a curator makes marketplace baskets.",
            fix="Make it a basket of your own, or ask an operator for the curator role.",
            field="kind",
        )
    status = Basket.Status.DRAFT if marketplace else Basket.Status.ACTIVE
    basket = Basket(
        owner=owner, name=_name(name), description=description, kind=Basket.Kind(kind), status=status
    )
    _save(basket)
    record(
        actor=owner, owner=owner, action="basket.create", obj=basket, after=_state(basket),
        source=source, address=address, now=now,
    )  # fmt: skip
    return basket


@transaction.atomic
def edit_basket(  # noqa: PLR0913 - keyword only
    *,
    by: User,
    basket: Basket,
    name: str | None = None,
    description: str | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> Basket:
    """Rename or describe a basket; None leaves a field as it is."""
    held = _locked(basket, by)
    before = _state(held)
    held.name = held.name if name is None else _name(name)
    held.description = held.description if description is None else description
    _save(held)
    record(
        actor=by, owner=held.owner, action="basket.edit", obj=held, before=before,
        after=_state(held), source=source, address=address, now=now,
    )  # fmt: skip
    return held


@transaction.atomic
def archive_basket(
    *, by: User, basket: Basket, source: str, address: str | None = None, now: datetime
) -> Basket:
    """Hide the basket and end its entries; rows stay, and exits of open positions go on."""
    held = _locked(basket, by)
    if held.status == Basket.Status.ARCHIVED:
        return held
    before = _state(held)
    held.status = Basket.Status.ARCHIVED
    _save(held)
    record(
        actor=by, owner=held.owner, action="basket.archive", obj=held, before=before,
        after=_state(held), source=source, address=address, now=now,
    )  # fmt: skip
    return held


@transaction.atomic
def publish_version(
    *,
    by: User,
    basket: Basket,
    contents: list[dict[str, Any]],
    source: str,
    address: str | None = None,
    now: datetime,
) -> BasketVersion:
    """Freeze these contents as the next version and show the basket in the marketplace."""
    held = _locked(basket, by)
    if held.kind != Basket.Kind.ADMIN:
        raise Refused("not_a_marketplace_basket", "Only marketplace baskets are published.",
                      fix="Make it in the admin with kind Marketplace.", field="kind")  # fmt: skip
    if not contents:
        raise Refused("empty_basket", "The basket has no strategy.",
                      fix="Add at least one strategy, then publish.", field="strategies")  # fmt: skip
    newest = held.versions.aggregate(number=Max("number"))["number"] or 0
    version = BasketVersion.objects.create(
        basket=held, number=newest + 1, contents=contents, published_at=now, published_by=by
    )
    held.status = Basket.Status.PUBLISHED
    _save(held)
    record(
        actor=by, owner=held.owner, action="basket.publish", obj=version,
        after={"number": version.number, "contents": contents},
        source=source, address=address, now=now,
    )  # fmt: skip
    return version


@transaction.atomic
def grant(
    *,
    user: User,
    version: BasketVersion,
    entries_until: datetime | None = None,
    by: User | None,
    source: str,
    now: datetime,
) -> BasketGrant:
    """Let the user run this version; on a basket that is granted already it moves the version."""
    held = BasketGrant.objects.select_for_update().filter(user=user, basket=version.basket).first()
    before = None if held is None else _grant_state(held)
    given, _ = BasketGrant.objects.update_or_create(
        user=user,
        basket=version.basket,
        defaults={"version": version, "entries_until": entries_until},
        create_defaults={"version": version, "entries_until": entries_until, "granted_at": now},
    )
    record(
        actor=by, owner=user, action="basket.grant", obj=given, before=before,
        after=_grant_state(given), source=source, now=now,
    )  # fmt: skip
    return given


@transaction.atomic
def end_entries(
    *, user: User, basket: Basket, by: User | None, source: str, now: datetime
) -> BasketGrant:
    """No entry after now through the user's grant; what is open is exited as ever."""
    held = BasketGrant.objects.select_for_update().get(user=user, basket=basket)
    before = _grant_state(held)
    if held.entries_until is None or held.entries_until > now:
        held.entries_until = now
        held.save(update_fields=["entries_until"])
    record(
        actor=by, owner=user, action="basket.end_entries", obj=held, before=before,
        after=_grant_state(held), source=source, now=now,
    )  # fmt: skip
    return held


def _locked(basket: Basket, by: User) -> Basket:
    held = Basket.objects.select_for_update().get(pk=basket.pk)
    selectors.require_writer(by, held)
    return held


def _name(name: str) -> str:
    if not name.strip():
        raise Refused("name_missing", "The basket has no name.", fix="Name it.", field="name")
    return name.strip()


def _save(basket: Basket) -> None:
    try:
        with transaction.atomic():
            basket.save()
    except IntegrityError as error:
        if "basket_name_once_per_owner" not in str(error):
            raise
        raise Refused(
            "name_taken",
            f"You have a basket called {basket.name} already.",
            fix="Choose another name.",
            field="name",
        ) from error


def _state(basket: Basket) -> dict[str, Any]:
    return {
        "name": basket.name,
        "description": basket.description,
        "kind": basket.kind,
        "status": basket.status,
    }


def _grant_state(held: BasketGrant) -> dict[str, Any]:
    until = held.entries_until
    return {"version": held.version_id, "entries_until": until.isoformat() if until else None}
