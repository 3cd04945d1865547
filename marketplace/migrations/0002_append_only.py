from django.db import migrations

LEDGER = ("marketplace_feeentry", "marketplace_feeterms")
APPEND_ONLY = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change();"
    f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();"
    for table in LEDGER
)
MARK = """
CREATE FUNCTION refuse_falling_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.high_water_mark < OLD.high_water_mark THEN
        RAISE EXCEPTION 'the high-water mark never falls: % to %', OLD.high_water_mark, NEW.high_water_mark
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER marketplace_feemeter_mark BEFORE UPDATE ON marketplace_feemeter
    FOR EACH ROW EXECUTE FUNCTION refuse_falling_mark();
"""
BACKWARD = (
    "DROP TRIGGER marketplace_feemeter_mark ON marketplace_feemeter; DROP FUNCTION refuse_falling_mark();"
) + "".join(
    f"DROP TRIGGER {table}_append_only ON {table}; DROP TRIGGER {table}_no_truncate ON {table};"
    for table in LEDGER
)


class Migration(migrations.Migration):
    """The fee ledger and agreed terms are never rewritten; a high-water mark never falls."""

    dependencies = [("marketplace", "0001_initial"), ("users", "0002_append_only_audit")]
    operations = [migrations.RunSQL(APPEND_ONLY + MARK, BACKWARD)]
