from django.db import migrations

FORWARD = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER users_auditentry_append_only BEFORE UPDATE OR DELETE ON users_auditentry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER users_auditentry_no_truncate BEFORE TRUNCATE ON users_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
BACKWARD = """
DROP TRIGGER users_auditentry_no_truncate ON users_auditentry;
DROP TRIGGER users_auditentry_append_only ON users_auditentry;
DROP FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    """Other apps' append-only tables use the same function `refuse_change()`."""

    dependencies = [("users", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
