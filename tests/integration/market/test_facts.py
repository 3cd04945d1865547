"""A new year or a changed lot is an import, and every process answers by it from its next unit of work."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from market import fact_selectors, facts_in_force, services
from market.fact_services import By, import_facts, remove_fact, save_fact, seed_facts
from market.facts import tables
from market.kernel import calendar, contracts
from market.kernel.calendar import OutsideCoverage
from market.models import FACT_MODELS, Contract, FactsRevision, LotSize
from users.errors import Refused
from users.models import AuditEntry

NOW = datetime(2026, 12, 14, 6, 0, tzinfo=UTC)
BY = By(actor=None, source="command", now=NOW)
TUESDAY = date(2026, 8, 4)
LOTS = "underlying,kind,first_expiry,last_expiry,lot,source,confidence\n"
HOLIDAYS_2027 = """exchange,day,source,confidence
*,2027-01-26,NSE/FAOP/79999,A
*,2027-03-22,NSE/FAOP/79999,A
"""
HOURS_2027 = """exchange,first,last,open,close,settlement,spot_until,source,confidence
*,2026-08-03,2027-12-31,09:15,15:40,15:35,15:15,NSE/FAOP/79999,A
"""
WEEKDAYS_2027 = """underlying,kind,first,last,weekday,source,confidence
NIFTY,weekly,2025-09-01,2027-12-31,Tue,NSE/FAOP/79999,A
NIFTY,monthly,2025-09-01,2027-12-31,Tue,NSE/FAOP/79999,A
"""
LOTS_2027 = LOTS + "NIFTY,weekly,2027-01-01,2027-12-31,60,NSE/FAOP/79999,A\n"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _packaged_facts():
    tables.install(None)
    yield
    tables.install(None)


def change_lot(lot: int, *, to: str = "2026-12-31") -> None:
    """Another lot of the NIFTY weeklies of 2026."""
    text = f"{LOTS}NIFTY,weekly,2026-01-01,{to},{lot},NSE/FAOP/79999,A\n"
    import_facts(files=[("lots.csv", text)], by=BY)


def test_the_tables_say_what_is_packaged_after_they_were_filled_and_only_once():
    assert fact_selectors.snapshot() is tables.packaged()

    assert seed_facts(now=NOW)
    assert not seed_facts(now=NOW)

    said, packaged = fact_selectors.snapshot(), tables.packaged()
    assert (said.revision, said.name) == (1, "tables")
    for name in ("hours", "charge_rates", "brokerage_rates"):
        assert sorted(map(repr, getattr(said, name))) == sorted(map(repr, getattr(packaged, name)))
    for name in ("holidays", "specials", "underlyings", "reach"):
        assert getattr(said, name) == getattr(packaged, name)
    for name in ("lots", "expiry_rules", "freezes"):
        mine, theirs = getattr(said, name), getattr(packaged, name)
        assert {u: set(rows) for u, rows in mine.items()} == {
            u: set(rows) for u, rows in theirs.items()
        }
    assert (
        AuditEntry.objects.get().after["lots"]
        == LotSize.objects.count()
        == len(tables.packaged_rows()["lots"])
    )


def test_a_new_year_is_an_import_of_its_files():
    files = {
        "holidays": HOLIDAYS_2027,
        "hours": HOURS_2027,
        "weekdays": WEEKDAYS_2027,
        "lots": LOTS_2027,
    }
    with pytest.raises(OutsideCoverage):
        calendar.session("NSE", date(2027, 1, 25))

    done = import_facts(files=list(files.items()), by=BY)
    facts_in_force.refresh()

    assert [(each.table, each.added, each.changed, each.same) for each in done] == [
        ("holidays", 2, 0, 0), ("session_hours", 0, 1, 0), ("expiry_weekdays", 0, 2, 0), ("lots", 1, 0, 0),
    ]  # fmt: skip
    assert calendar.next_trading_day("NSE", date(2027, 1, 25)) == date(2027, 1, 27)
    listed = contracts.expiries("NIFTY", date(2027, 1, 20))
    assert [expiry.day for expiry in listed][:2] == [date(2027, 1, 25), date(2027, 2, 2)]
    assert contracts.lot_size("NIFTY", date(2027, 2, 2)) == 60
    assert contracts.lot_size("NIFTY", TUESDAY) == 65


def test_the_order_of_the_files_does_not_matter_and_all_are_taken_or_none():
    import_facts(files=[("hours", HOURS_2027), ("holidays", HOLIDAYS_2027)], by=BY)
    assert fact_selectors.snapshot().last == date(2027, 12, 31)
    number = fact_selectors.revision()

    with pytest.raises(Refused) as refused:
        import_facts(
            files=[
                ("lots", LOTS_2027),
                ("bad", LOTS + "NIFTY,weekly,2028-01-01,2028-12-31,0,x,A\n"),
            ],
            by=BY,
        )

    assert (refused.value.field, refused.value.message) == (
        "lot",
        "bad, line 2: lots, lot: '0' is not possible.",
    )
    assert fact_selectors.revision() == number
    assert not LotSize.objects.filter(lot=60, underlying="NIFTY").exists()


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (HOURS_2027, "last", "No holiday of NSE in 2027 is known"),
        (LOTS + "NIFTY,weekly,2026-06-01,2026-12-31,60,x,A\n", "first_expiry", "overlaps the row 2026-01-01"),
        (LOTS + "NIFTY,weekly,2027-06-01,2027-01-01,60,x,A\n", "last_expiry", "is before first_expiry"),
        (LOTS + "NIFTY,weekly,2027-01-01,2027-12-31,60,x,A\n" * 2, "first_expiry", "line 3: lots, first_expiry: This row is in the file twice"),
        (LOTS + "NIFTY,weekly,2027-01-01,2027-12-31,60,said A, B,A\n", "first_expiry", "too many cells"),
        (LOTS + "NIFTY,weekly,2027-01-01\n", "last_expiry", "'' is not possible|None is not possible"),
        ("symbol,lot\nNIFTY,60\n", "header", "No table has the columns"),
        ("", "header", "No table has the columns"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_refused_with_line_and_field(text, field, words):
    with pytest.raises(Refused, match=words) as refused:
        import_facts(files=[("file.csv", text)], by=BY)

    assert refused.value.field == field
    assert fact_selectors.revision() == 0


def test_the_same_file_again_changes_nothing_and_needs_no_revision():
    seed_facts(now=NOW)
    text = (tables.FOLDER / "lots.csv").read_text()

    (done,) = import_facts(files=[("lots.csv", text)], by=BY)

    assert (done.added, done.changed, done.same) == (0, 0, LotSize.objects.count())
    assert fact_selectors.revision() == 1


def test_every_change_is_in_the_audit_log_with_what_was_before():
    change_lot(60)
    row = LotSize.objects.get(underlying="NIFTY", kind="weekly", first_expiry="2026-01-01")
    remove_fact(
        table="holidays",
        pk=FACT_MODELS["holidays"].objects.get(day="2026-11-24", exchange="NSE").pk,
        by=BY,
    )

    changed, removed = AuditEntry.objects.filter(action__endswith="_fact").order_by("pk")
    assert (changed.action, changed.object_id, changed.source) == (
        "market.change_fact",
        str(row.pk),
        "command",
    )
    assert (changed.before["lot"], changed.after["lot"]) == ("65", "60")
    assert changed.after["source"] == "NSE/FAOP/79999"
    assert (removed.action, removed.before["day"], removed.after) == (
        "market.remove_fact",
        "2026-11-24",
        None,
    )
    assert fact_selectors.revision() == 3


def test_a_row_that_others_need_is_not_removed():
    seed_facts(now=NOW)
    nifty = FACT_MODELS["underlyings"].objects.get(underlying="NIFTY")

    with pytest.raises(Refused, match="NIFTY is no row of underlyings"):
        remove_fact(table="underlyings", pk=nifty.pk, by=BY)

    assert FACT_MODELS["underlyings"].objects.filter(pk=nifty.pk).exists()


def test_the_database_itself_refuses_a_lot_of_nothing_and_a_second_revision():
    row = {"underlying": "NIFTY", "kind": "weekly", "first_expiry": TUESDAY, "last_expiry": TUESDAY}
    for wrong in (
        lambda: LotSize.objects.create(**row, lot=0, source="x", confidence="A"),
        lambda: LotSize.objects.create(
            **row | {"last_expiry": date(2026, 1, 1)}, lot=5, source="x", confidence="A"
        ),
        lambda: FactsRevision.objects.create(pk=2, changed_at=NOW),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            wrong()


def test_a_contract_held_has_the_lot_that_the_exchange_gave_it_in_place():
    services.ensure_contracts(
        [contracts.parse("NIFTY-20260804-24500-CE"), contracts.parse("NIFTY-20260825-FUT")]
    )

    change_lot(130)

    assert dict(Contract.objects.values_list("symbol", "lot_size")) == {
        "NIFTY-20260804-24500-CE": 130, "NIFTY-20260825-FUT": 65,
    }  # fmt: skip
    entry = AuditEntry.objects.get(action="market.change_lot")
    assert (entry.before["lot"], entry.after["lot"], entry.after["contracts"]) == (65, 130, 1)


# the command


def test_the_command_fills_the_tables_and_then_takes_files(capsys, tmp_path):
    call_command("import_facts")
    file = tmp_path / "lots.csv"
    file.write_text(LOTS_2027)
    call_command("import_facts", str(file))

    assert capsys.readouterr().out.splitlines() == [
        "the packaged facts are in the tables",
        "facts are at revision 1",
        "lots.csv: lots, 1 added, 0 changed, 0 as they were",
        "facts are at revision 2",
    ]


def test_the_command_says_which_line_is_wrong(tmp_path):
    file = tmp_path / "lots.csv"
    file.write_text(LOTS + "NIFTY,weekly,2027-01-01,2027-12-31,sixty,x,A\n")

    with pytest.raises(
        CommandError, match="line 2: lots, lot: 'sixty' is not possible. Give a whole number"
    ):
        call_command("import_facts", str(file))
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_facts", str(tmp_path / "absent.csv"))


def test_a_row_is_added_in_its_place_by_the_admins_service():
    saved = save_fact(
        table="holidays", pk=None, by=BY,
        values={"exchange": "NSE", "day": "2026-12-24", "source": "late", "confidence": "A"},
    )  # fmt: skip
    facts_in_force.refresh()

    assert saved.pk is not None
    assert not calendar.is_trading_day("NSE", date(2026, 12, 24))
    assert calendar.is_trading_day("BSE", date(2026, 12, 24))
