from django.db import migrations

TABLES = ("execution_orderevent", "execution_fill", "execution_settlement")
FORWARD = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change();"
    for table in TABLES
)
BACKWARD = "".join(f"DROP TRIGGER {table}_append_only ON {table};" for table in TABLES)


class Migration(migrations.Migration):
    """What the broker said, what was traded and what was settled is never rewritten."""

    dependencies = [("execution", "0001_initial"), ("users", "0002_append_only_audit")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
