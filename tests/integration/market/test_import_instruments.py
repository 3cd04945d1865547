"""Brokers' masters into the tables: the command, what it keeps, and what an operator sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, TimeoutError
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse

from market.facts import tables
from market.importers.rows import UnknownFormat
from market.instrument_services import import_master
from market.models import Contract, Instrument, LotFlag, MasterImport
from tests.unit.market.importers import masters
from users.models import AuditEntry, User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 8, 17, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _packaged_again():
    yield
    tables.install(None)


def imported(text=masters.ZERODHA, *, now=NOW, name="instruments.csv"):
    return import_master(file_name=name, data=text.encode(), now=now)


def rows_of_all():
    models = (Instrument, MasterImport, LotFlag, Contract)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_a_master_becomes_instruments_of_our_contracts():
    done = imported()

    assert (done.added, done.changed, done.flags) == (3, 0, [])
    row = Instrument.objects.get(source="zerodha", token="101")
    assert (row.exchange, row.trading_symbol, row.contract.symbol, row.lot_size) == (
        "NSE", "NIFTY2681824350CE", "NIFTY-20260818-24350-CE", 65,
    )  # fmt: skip
    assert (done.master.rows, done.master.kept, done.master.bad_count) == (4, 3, 0)
    assert done.master.left_out == {"not an index option or future": 1}


def test_the_same_file_twice_changes_nothing():
    first = imported(flawed())
    before = rows_of_all(), AuditEntry.objects.count()

    again = imported(flawed(), now=NOW + timedelta(days=1), name="again.csv")

    assert (rows_of_all(), AuditEntry.objects.count()) == before
    assert (again.master, again.added, again.changed) == (first.master, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_an_import_waits_for_another_one_that_is_under_way():
    def beside():
        try:
            return imported(masters.ZERODHA + "\n", name="a day later.csv")
        finally:
            connection.close()

    imported(now=NOW - timedelta(days=1))  # the contracts are known already
    Instrument.objects.all().delete()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first = imported()
            other = pool.submit(beside)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        second = other.result(timeout=30)

    assert (first.added, second.added, second.changed) == (3, 0, 0)
    assert MasterImport.objects.count() == 2


def test_a_token_that_the_exchange_gave_to_another_contract_moves_to_it():
    imported()

    done = imported(
        masters.ZERODHA.replace("NIFTY2681824350CE", "NIFTY2681824400CE").replace(
            "24350.0", "24400.0"
        )
    )

    assert (done.added, done.changed) == (0, 1)
    assert (
        Instrument.objects.get(source="zerodha", token="101").contract.symbol
        == "NIFTY-20260818-24400-CE"
    )


def test_the_same_token_on_the_other_exchange_is_another_instrument():
    imported(masters.FINVASIA_NSE)

    done = imported(masters.FINVASIA_BSE.replace("845729", "40921"))

    assert done.added == 2
    assert Instrument.objects.filter(source="finvasia", token="40921").count() == 2


def flawed():
    """A lot that contradicts the facts, one they do not know, and a bad row."""
    return masters.ZERODHA.replace("0.05,65,CE", "0.05,75,CE") + (
        "104,4,BANKEX39AUG71100CE,BANKEX,0,2039-08-25,71100,0.05,30,CE,BFO-OPT,BFO\n"
        "105,5,NIFTY26AUG24350CE,NIFTY,0,soon,24350,0.05,65,CE,NFO-OPT,NFO\n"
    )


def test_lots_that_the_facts_do_not_confirm_are_flagged_and_bad_rows_kept_with_their_line():
    done = imported(flawed())

    flags = LotFlag.objects.order_by("underlying")
    assert [(f.underlying, f.expiry, f.lot, f.known_lot, f.why, f.closed_at) for f in flags] == [
        ("BANKEX", date(2039, 8, 25), 30, None, "unknown_lot", None),
        ("NIFTY", date(2026, 8, 18), 75, 65, "other_lot", None),
    ]
    assert done.master.bad_rows == [[7, "expiry 'soon' is not a date such as 2026-08-04"]]
    assert done.master.left_out["flagged: lot or expiry unknown"] == 1
    assert Instrument.objects.get(token="101").lot_size == 75
    assert not Instrument.objects.filter(token="104").exists()


def test_a_flag_is_closed_by_a_later_file_that_agrees_and_opened_again_by_one_that_does_not():
    imported(flawed())
    later = NOW + timedelta(days=1)
    imported(now=later)

    flag = LotFlag.objects.get(underlying="NIFTY")
    assert flag.closed_at == later
    assert LotFlag.objects.get(underlying="BANKEX").closed_at is None  # the file does not list it

    imported(flawed(), now=later)
    flag.refresh_from_db()
    assert (flag.closed_at, flag.found_at) == (None, later)


def test_a_file_that_is_no_master_leaves_nothing_behind():
    with pytest.raises(UnknownFormat):
        imported("one,two\n1,2\n")

    assert rows_of_all() == [[], [], [], []]


def test_the_command_prints_counts_reasons_and_flags(tmp_path):
    path = tmp_path / "instruments.csv"
    path.write_text(flawed())
    said = StringIO()

    call_command("import_instruments", path, stdout=said, no_color=True)

    assert said.getvalue().replace("\r", "\n").splitlines() == [
        "",
        "reading instruments.csv [####################] 100%",
        "zerodha: 6 rows, 3 contracts kept (3 new, 0 changed), 1 bad",
        "  left out 1: flagged: lot or expiry unknown",
        "  left out 1: not an index option or future",
        "  bad line 7: expiry 'soon' is not a date such as 2026-08-04",
        "  FLAG BANKEX 2039-08-25, lot 30 (1 rows, such as BANKEX39AUG71100CE): "
        "No lot size of 'BANKEX' contracts that expire on 2039-08-25.",
        "  FLAG NIFTY 2026-08-18, lot 75 (1 rows, such as NIFTY2681824350CE): "
        "The file has a lot of 75, the facts 65.",
    ]


def test_the_same_file_after_the_operator_imported_the_lot_closes_the_flag(tmp_path):
    path, lots = tmp_path / "instruments.csv", tmp_path / "lots.csv"
    path.write_text(flawed())
    lots.write_text(
        "underlying,kind,first_expiry,last_expiry,lot,source,confidence\n"
        "NIFTY,weekly,2026-01-01,2026-12-31,75,a circular,A\n"
    )
    call_command("import_instruments", path, stdout=StringIO())
    assert LotFlag.objects.get(underlying="NIFTY").closed_at is None

    call_command("import_facts", lots, stdout=StringIO())
    call_command("import_instruments", path, stdout=StringIO())

    assert LotFlag.objects.get(underlying="NIFTY").closed_at is not None
    assert LotFlag.objects.get(underlying="BANKEX").closed_at is None


def test_the_command_names_the_file_it_cannot_read(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("one,two\n")

    with pytest.raises(CommandError, match="other.csv"):
        call_command("import_instruments", path, stdout=StringIO())
    with pytest.raises(CommandError, match="absent.csv"):
        call_command("import_instruments", tmp_path / "absent.csv", stdout=StringIO())


def test_an_operator_sees_instruments_files_and_flags_but_changes_none(client):
    done = imported(flawed())
    client.force_login(User.objects.create_superuser(email="root@example.com", password="x"))

    for model in ("instrument", "masterimport", "lotflag"):
        page = client.get(reverse(f"admin:market_{model}_changelist"))
        assert page.status_code == 200
        assert client.get(reverse(f"admin:market_{model}_add")).status_code == 403
    open_flags = client.get(reverse("admin:market_lotflag_changelist"), {"closed_at__isempty": "1"})
    assert b"BANKEX39AUG71100CE" in open_flags.content
    page = client.get(reverse("admin:market_masterimport_change", args=[done.master.pk]))
    assert b"line 7: expiry &#x27;soon&#x27; is not a date" in page.content
