"""The operator's pages of the dated facts: rows, a file, and what is refused at its field."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from market.fact_selectors import revision
from market.fact_services import seed_facts
from market.facts import tables
from market.kernel import calendar, contracts
from market.models import FACT_MODELS, FactsRevision, Holiday, LotSize
from tests.factories import UserFactory
from tests.integration.market.test_facts import LOTS, NOW
from users.models import AuditEntry

pytestmark = pytest.mark.django_db
NEW_LOT = {
    "underlying": "NIFTY", "kind": "weekly", "first_expiry": "2027-01-01",
    "last_expiry": "2027-12-31", "lot": "60", "source": "NSE/FAOP/79999", "confidence": "A",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _packaged_facts():
    tables.install(None)
    yield
    tables.install(None)


@pytest.fixture
def operator():
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def desk(client, operator):
    client.force_login(operator)
    return client


@pytest.mark.parametrize("name", FACT_MODELS)
def test_every_table_is_listed_and_its_rows_open(desk, name):
    seed_facts(now=NOW)
    model = FACT_MODELS[name]._meta.model_name
    row = FACT_MODELS[name].objects.first()

    listed = desk.get(reverse(f"admin:market_{model}_changelist"))
    opened = desk.get(reverse(f"admin:market_{model}_change", args=[row.pk]))

    assert (listed.status_code, opened.status_code) == (200, 200)
    assert row.source in opened.content.decode().replace("&amp;", "&")
    assert "delete_selected" not in listed.content.decode()


def test_a_lot_is_added_with_audit_and_answers_at_the_next_request(desk, operator):
    made = desk.post(reverse("admin:market_lotsize_add"), NEW_LOT)
    desk.get(reverse("admin:index"))

    assert (made.status_code, revision()) == (302, 2)
    assert (
        contracts.lot_size("NIFTY", date(2027, 3, 2), facts=tables.in_force()) == 65
    )  # no weekly is known there yet
    entry = AuditEntry.objects.get(action="market.add_fact")
    assert (entry.actor, entry.source, entry.after["lot"]) == (operator, "admin", "60")
    assert LotSize.objects.get(lot=60, first_expiry="2027-01-01").source == "NSE/FAOP/79999"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lot": "0"}, "&#x27;0&#x27; is not possible. Give a whole number from 1"),
        ({"first_expiry": "2026-12-01"}, "overlaps the row 2026-01-01 to 2026-12-31"),
        ({"last_expiry": "2026-12-31"}, "2026-12-31 is before first_expiry"),
        ({"underlying": "DOW"}, "DOW is no row of underlyings"),
        ({"source": ""}, "This field is required"),
    ],
)
def test_a_wrong_row_is_refused_on_its_page(desk, change, words):
    page = desk.post(reverse("admin:market_lotsize_add"), NEW_LOT | change)

    assert page.status_code == 200
    assert words in page.content.decode()
    assert revision() == 0


def test_a_row_is_changed_and_removed(desk):
    seed_facts(now=NOW)
    row = Holiday.objects.get(exchange="NSE", day="2026-12-25")
    form = {"exchange": "NSE", "day": "2026-12-24", "source": "re-dated", "confidence": "B"}

    desk.post(reverse("admin:market_holiday_change", args=[row.pk]), form)
    desk.get(reverse("admin:index"))
    assert calendar.is_trading_day("NSE", date(2026, 12, 25))
    assert not calendar.is_trading_day("NSE", date(2026, 12, 24))
    desk.post(reverse("admin:market_holiday_delete", args=[row.pk]), {"post": "yes"})
    desk.get(reverse("admin:index"))

    assert calendar.is_trading_day("NSE", date(2026, 12, 24))
    actions = (
        AuditEntry.objects.filter(action__endswith="_fact")
        .order_by("pk")
        .values_list("action", flat=True)
    )
    assert list(actions) == ["market.change_fact", "market.remove_fact"]


def test_a_row_that_others_need_stays_and_the_page_says_why(desk):
    seed_facts(now=NOW)
    row = FACT_MODELS["underlyings"].objects.get(underlying="NIFTY")

    answer = desk.post(
        reverse("admin:market_underlyingfact_delete", args=[row.pk]), {"post": "yes"}, follow=True
    )

    assert "NIFTY is no row of underlyings" in answer.content.decode()
    assert FACT_MODELS["underlyings"].objects.filter(pk=row.pk).exists()


def upload(text: str | bytes) -> dict[str, SimpleUploadedFile]:
    data = text if isinstance(text, bytes) else text.encode()
    return {"file": SimpleUploadedFile("lots 2027.csv", data, content_type="text/csv")}


def test_a_file_is_imported_on_its_page(desk):
    page = reverse("admin:market_facts_import")
    shown = desk.get(page)

    done = desk.post(page, upload(LOTS + ",".join(NEW_LOT.values())), follow=True)

    assert "lots</dt>" in shown.content.decode().replace(" ", "")
    assert "lots: 1 added, 0 changed, 0 as they were." in done.content.decode()
    assert FactsRevision.objects.get().number == 2
    assert AuditEntry.objects.get(action="market.add_fact").source == "admin"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LOTS + "NIFTY,weekly,2027-01-01,2027-12-31,-5,x,A", "lots 2027.csv, line 2: lots, lot:"),
        ("a,b\n1,2", "No table has the columns a,b"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"x" * 1_000_001, "at most 1 MB"),
    ],
)
def test_a_wrong_file_is_refused_on_its_page(desk, text, words):
    page = desk.post(reverse("admin:market_facts_import"), upload(text))

    assert page.status_code == 200
    assert words in page.content.decode()
    assert revision() == 0


def test_staff_without_the_right_import_nothing(client):
    client.force_login(UserFactory(is_staff=True))

    assert client.post(reverse("admin:market_facts_import"), upload(LOTS)).status_code == 403
