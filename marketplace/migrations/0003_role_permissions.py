from django.contrib.auth.management import create_permissions
from django.db import migrations

APPS = (
    "users", "market", "brokers", "baskets", "strategies", "allocations", "execution", "marketplace",
)  # fmt: skip
ALL = ("view", "add", "change")
CURATOR = {
    "baskets": {"basket": ALL, "basketversion": ("view",), "basketgrant": ("view",)},
    "strategies": {"strategy": ALL, "strategyversion": ("view", "add"), "leg": ("view", "add")},
    "marketplace": {
        "listing": ALL,
        "recommendedlimit": ALL,
        "feeterms": ("view", "add"),
        "subscription": ("view",),
        "invoice": ("view",),
        "feeentry": ("view",),
    },
}
OPERATOR = {
    "market": {"timeline": ALL, "settlementprice": ALL},
    "allocations": {"tradingstate": ("view", "change")},
}


def give(apps, schema_editor):
    """Permissions are rows that Django makes after the last migration; here they are needed before."""
    for label in APPS:
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects
    groups = apps.get_model("auth", "Group").objects
    curator, _ = groups.get_or_create(name="curator")
    curator.permissions.add(*_named(permissions, CURATOR))
    operator, _ = groups.get_or_create(name="operator")
    reading = permissions.filter(content_type__app_label__in=APPS, codename__startswith="view_")
    operator.permissions.add(*reading, *_named(permissions, OPERATOR))


def _named(permissions, wanted):
    return [
        permissions.get(content_type__app_label=app, codename=f"{act}_{model}")
        for app, models in wanted.items()
        for model, acts in models.items()
        for act in acts
    ]


class Migration(migrations.Migration):
    """What curators and operators may do in the admin; never a broker account for a curator."""

    dependencies = [
        ("marketplace", "0002_append_only"),
        ("execution", "0001_initial"),
        ("allocations", "0001_initial"),
        ("strategies", "0001_initial"),
        ("baskets", "0001_initial"),
        ("brokers", "0001_initial"),
        ("market", "0001_initial"),
        ("users", "0003_roles"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
