import pytest
from django.db import DatabaseError, connection, transaction

from tests.factories import NOW, UserFactory
from users import selectors, services
from users.models import AuditEntry


@pytest.fixture
def entry(user):
    return services.record(
        actor=user,
        owner=user,
        action="lots.set",
        obj=user,
        before={"lots": 1},
        after={"lots": 2},
        source="browser",
        address="10.0.0.7",
        now=NOW,
    )


def test_an_act_is_kept_with_who_what_before_after_and_from_where(user, entry):
    entry.refresh_from_db()

    assert (entry.actor, entry.owner, entry.at) == (user, user, NOW)
    assert (entry.object_type, entry.object_id) == ("users.user", str(user.pk))
    assert (entry.before, entry.after) == ({"lots": 1}, {"lots": 2})
    assert (entry.source, entry.address) == ("browser", "10.0.0.7")


def test_a_user_reads_only_their_own_audit(user, entry):
    assert list(selectors.audit_of(user)) == [entry]
    assert list(selectors.audit_of(UserFactory())) == []


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_refuses_to_change_an_entry(entry, change):
    rows = AuditEntry.objects.filter(pk=entry.pk)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows.update(action="nothing") if change == "update" else rows.delete()

    assert rows.get().action == "lots.set"


def test_the_database_refuses_to_empty_the_log(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users_auditentry ENABLE TRIGGER users_auditentry_no_truncate")
        try:
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute("TRUNCATE users_auditentry")
        finally:
            cursor.execute(
                "ALTER TABLE users_auditentry DISABLE TRIGGER users_auditentry_no_truncate"
            )
