import json
import sqlite3
import stat
import tarfile
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection

from optionsplatform import backup
from optionsplatform.runtime import CannotStart
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 8, 4, 10, 0, tzinfo=UTC)


def url_of(database):
    values = connection.settings_dict
    login = f"{values['USER']}:{values['PASSWORD']}" if values["PASSWORD"] else values["USER"]
    return f"postgres://{login}@{values['HOST']}:{values['PORT']}/{database}"


@pytest.fixture
def here():
    return url_of(connection.settings_dict["NAME"])


@pytest.fixture
def empty():
    """Another, empty database on the same server."""
    name = f"{connection.settings_dict['NAME']}_restored"
    with psycopg.connect(url_of("postgres"), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}"')
        server.execute(f'CREATE DATABASE "{name}"')
        yield url_of(name)
        server.execute(f'DROP DATABASE "{name}"')


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "simulator.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE orders (order_id TEXT, client_ref TEXT)")
        db.execute("INSERT INTO orders VALUES ('S1', 'ref0000000000000001')")
    db.close()
    return path


@pytest.fixture
def saved(here, ledger, tmp_path, user):
    target = tmp_path / "desk.tar"
    backup.save(url=here, ledger=ledger, target=target, now=NOW)
    return target


def restore(source, *, url, ledger, force=False):
    return backup.restore(url=url, ledger=ledger, source=source, force=force)


def repacked(source, target, **changes):
    """The same backup with some of its manifest changed."""
    folder = target.parent / "unpacked"
    with tarfile.open(source) as archive:
        archive.extractall(folder, **backup.DATA_ONLY)  # noqa: S202 - our own backup
    manifest = json.loads((folder / backup.MANIFEST).read_text())
    (folder / backup.MANIFEST).write_text(json.dumps(manifest | changes))
    with tarfile.open(target, "w") as archive:
        for path in folder.iterdir():
            archive.add(path, arcname=path.name)
    return target


def test_both_ledgers_come_back_and_new_rows_get_new_numbers(saved, empty, tmp_path, user):
    ledger = tmp_path / "new" / "simulator.sqlite3"
    ledger.parent.mkdir()

    manifest = restore(saved, url=empty, ledger=ledger)

    assert manifest["at"] == NOW.isoformat()
    with psycopg.connect(empty) as restored:
        people = restored.execute("SELECT id, email FROM users_user").fetchall()
        assert people == [(user.pk, user.email)]
        (sequence,) = restored.execute(
            "SELECT nextval(pg_get_serial_sequence('users_user', 'id'))"
        ).fetchone()
        assert sequence > user.pk
        applied = restored.execute("SELECT count(*) FROM django_migrations").fetchone()
        assert applied == (len(manifest["migrations"]),)
        triggers = restored.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone()
        assert triggers[0] > 0
    with sqlite3.connect(ledger) as db:
        assert db.execute("SELECT * FROM orders").fetchall() == [("S1", "ref0000000000000001")]


def test_the_simulator_writes_nothing_while_the_moment_is_fixed(here, ledger, tmp_path, user):
    with (
        backup._quiet(ledger),
        sqlite3.connect(ledger, timeout=0) as simulator,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        simulator.execute("INSERT INTO orders VALUES ('S2', 'x')")

    with sqlite3.connect(ledger, timeout=0) as simulator:
        simulator.execute("INSERT INTO orders VALUES ('S2', 'x')")


def test_rows_written_while_the_backup_runs_are_not_half_in_it(here, ledger, tmp_path, empty, user):
    with psycopg.connect(here) as busy:
        busy.execute("UPDATE users_user SET email = 'changed@example.com'")  # not committed yet
        backup.save(url=here, ledger=ledger, target=tmp_path / "b.tar", now=NOW)
        busy.rollback()

    restore(tmp_path / "b.tar", url=empty, ledger=tmp_path / "l.sqlite3")

    with psycopg.connect(empty) as restored:
        assert restored.execute("SELECT email FROM users_user").fetchall() == [(user.email,)]


def test_a_desk_that_is_not_empty_is_left_alone(saved, here, ledger):
    with pytest.raises(CannotStart, match="the desk is not empty"):
        restore(saved, url=here, ledger=ledger)

    assert User.objects.count() == 1


def test_force_replaces_what_is_there(saved, empty, tmp_path, user):
    ledger = tmp_path / "other.sqlite3"
    restore(saved, url=empty, ledger=ledger)
    with psycopg.connect(empty) as other:
        other.execute("UPDATE users_user SET email = 'later@example.com'")

    restore(saved, url=empty, ledger=ledger, force=True)

    with psycopg.connect(empty) as restored:
        assert restored.execute("SELECT email FROM users_user").fetchall() == [(user.email,)]


def test_a_backup_of_a_newer_release_is_refused(saved, empty, tmp_path):
    newer = repacked(saved, tmp_path / "newer.tar", migrations=[["users", "9999_later"]])

    with pytest.raises(CannotStart, match="newer release .users.9999_later is unknown here."):
        restore(newer, url=empty, ledger=tmp_path / "l.sqlite3")


def test_a_damaged_backup_is_refused(saved, empty, tmp_path):
    damaged = repacked(saved, tmp_path / "damaged.tar", sha256={backup.DUMP: "0" * 64})

    with pytest.raises(CannotStart, match="is damaged: database.dump is not what was saved"):
        restore(damaged, url=empty, ledger=tmp_path / "l.sqlite3")


def test_a_file_that_is_no_backup_is_refused(empty, tmp_path):
    (tmp_path / "x.tar").write_text("hello")

    with pytest.raises(CannotStart, match="is not a backup of this platform"):
        restore(tmp_path / "x.tar", url=empty, ledger=tmp_path / "l.sqlite3")


@pytest.mark.parametrize("member", ["../outside", "/tmp/outside", "link"])
def test_a_file_that_would_leave_its_place_is_refused(empty, tmp_path, member):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        entry = tarfile.TarInfo(member)
        entry.type, entry.linkname = (tarfile.SYMTYPE, "/etc/passwd") if member == "link" else (tarfile.REGTYPE, "")
        archive.addfile(entry)

    with pytest.raises(CannotStart, match="it holds other things than files of its own"):
        restore(tmp_path / "x.tar", url=empty, ledger=tmp_path / "l.sqlite3")


def test_secrets_sealed_with_a_key_that_is_not_here_are_refused(saved, empty, tmp_path, monkeypatch):
    monkeypatch.setenv("VAULT_KEYS", "new:eA==")

    with pytest.raises(CannotStart, match="sealed with key dev, which VAULT_KEYS lacks"):
        restore(saved, url=empty, ledger=tmp_path / "l.sqlite3")


def test_a_backup_is_readable_by_its_owner_only(saved):
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
