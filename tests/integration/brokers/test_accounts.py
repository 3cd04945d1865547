"""Adding, changing, renewing and archiving accounts; where they are routed; who may read them."""

import base64
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from django.contrib.admin.sites import site
from django.core.management import call_command
from django.db import IntegrityError, transaction

from brokers import registry, selectors, services
from brokers.models import BrokerAccount
from brokers.types import Ack, ReadFailed, Side
from tests.factories import NOW, UserFactory
from tests.unit.brokers.desk import CALL, LOT, Desk, frame
from users.errors import Conflict, Forbidden, Refused
from users.models import AuditEntry
from users.sealing import Unsealable

pytestmark = pytest.mark.django_db
LIVE = {"api_key": "CANARY-KEY", "api_secret": "CANARY-SECRET"}


@pytest.fixture
def desk(settings):
    settings.SIMULATOR_TOKEN = "operator-token"
    opened = Desk()
    opened.push(frame())
    return opened


def act(user):
    return services.Act(actor=user, source="test", now=NOW)


def add(user, desk=None, **changes):
    fields = {
        "broker": "zerodha",
        "mode": "paper",
        "client_id": "ZD1234",
        "label": "Main",
        "capital": Decimal("500000"),
    }
    transport = desk.transport if desk else None
    return services.add_account(
        user=user, act=act(user), transport=transport, **{**fields, **changes}
    )


def test_a_paper_account_trades_over_its_own_login_at_the_simulator(user, desk):
    account = add(user, desk)
    wire = registry.adapter_for(account, transport=desk.transport)

    assert wire.funds().available == Decimal("500000")
    assert wire.place(desk.order()) == Ack("O000001")
    assert desk.wire.orders() == []


def test_adding_an_account_is_audited_without_its_secrets(user, desk):
    account = add(user, desk)

    entry = AuditEntry.objects.get(action="broker_account.add")
    assert (entry.actor, entry.owner, entry.object_id) == (user, user, str(account.pk))
    assert entry.after == {
        "broker": "zerodha",
        "mode": "paper",
        "client_id": "ZD1234",
        "capital": "500000.00",
        "label": "Main",
    }


def test_nothing_is_saved_when_the_simulator_does_not_confirm_the_login(user):
    silent = httpx.MockTransport(lambda _: httpx.Response(500))

    with pytest.raises(Refused) as refused:
        services.add_account(
            user=user, act=act(user), transport=silent, broker="zerodha", mode="paper",
            client_id="ZD1", label="", capital=Decimal(1),
        )  # fmt: skip

    assert refused.value.code == "broker_unreachable"
    assert not BrokerAccount.objects.exists()


def test_the_same_login_is_refused_while_open_and_taken_after_archiving(user, desk):
    first = add(user, desk)
    with pytest.raises(Refused, match="already"):
        add(user, desk)

    services.archive_account(account=first, act=act(user), transport=desk.transport)
    second = add(user, desk)

    assert list(selectors.accounts_of(user)) == [second, first]
    assert list(selectors.open_accounts_of(user)) == [second]
    assert list(selectors.connected_accounts()) == [second]


def test_the_database_itself_refuses_the_same_open_login_twice(user, desk):
    account = add(user, desk)

    with pytest.raises(IntegrityError), transaction.atomic():
        BrokerAccount.objects.create(
            user=user, broker=account.broker, mode="paper", client_id="ZD1234", label="x", capital=1
        )


@pytest.mark.parametrize(
    ("field", "value"), [("mode", "demo"), ("broker", "other"), ("capital", -1)]
)
def test_the_database_itself_refuses_an_unknown_mode_broker_or_a_negative_capital(
    user, field, value
):
    fields = {"broker": "zerodha", "mode": "paper", "client_id": "Z", "label": "Z", "capital": 1}

    with pytest.raises(IntegrityError), transaction.atomic():
        BrokerAccount.objects.create(user=user, **{**fields, field: value})


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"broker": "robinhood"}, "unknown_broker", "broker"),
        ({"mode": "demo"}, "unknown_mode", "mode"),
        ({"client_id": "ZD 1"}, "bad_client_id", "client_id"),
        ({"capital": Decimal("-0.01")}, "bad_capital", "capital"),
        ({"live_secrets": {"api_key": "x"}}, "secrets_not_needed", "secrets"),
        ({"mode": "live"}, "secrets_missing", "secrets"),
        ({"mode": "live", "live_secrets": {"api_key": "x"}}, "secrets_missing", "secrets"),
    ],
)
def test_a_wrong_account_is_refused_by_field_and_fix(user, desk, changes, code, field):
    with pytest.raises(Refused) as refused:
        add(user, desk, **changes)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.fix
    assert not BrokerAccount.objects.exists()


def test_paper_accounts_follow_the_environment_key(user, desk, settings):
    settings.PLATFORM = replace(settings.PLATFORM, enable_paper_trading=False)
    with pytest.raises(Refused) as refused:
        add(user, desk)
    settings.PLATFORM = replace(settings.PLATFORM, enable_paper_trading=True)

    assert refused.value.code == "paper_trading_off"
    assert add(user, desk).pk


def test_live_accounts_are_refused_under_the_brief_profile(user, settings):
    settings.PLATFORM = replace(settings.PLATFORM, market_profile="brief")
    with pytest.raises(Refused) as refused:
        add(user, mode="live", live_secrets=LIVE)
    settings.PLATFORM = replace(settings.PLATFORM, market_profile=None)

    assert refused.value.code == "profile_brief"
    assert add(user, mode="live", live_secrets=LIVE).pk


def test_a_paper_key_cannot_add_a_live_account(user):
    with pytest.raises(Forbidden):
        add(user, mode="live", live_secrets=LIVE, may_go_live=False)


def test_a_live_account_has_no_wire_and_nothing_pretends_to_be_one(user, desk):
    account = add(user, mode="live", live_secrets=LIVE)

    with pytest.raises(registry.NoLiveWire):
        registry.adapter_for(account, transport=desk.transport)
    with pytest.raises(registry.NoLiveWire):
        registry.listening_adapter_for(account)
    with pytest.raises(registry.NoLiveWire):
        services.renew_login(account=account, act=act(user), transport=desk.transport)


@pytest.mark.parametrize(
    "url",
    ["https://api.kite.trade", "https://API.Shoonya.com./x", "https://apiconnect.angelone.in"],
)
def test_a_paper_account_is_never_routed_to_a_live_host(user, desk, settings, url):
    account = add(user, desk)
    settings.SIMULATOR_URL = url

    with pytest.raises(registry.WrongEndpoint):
        registry.adapter_for(account)
    with pytest.raises(registry.WrongEndpoint):
        registry.listening_adapter_for(account)
    with pytest.raises(registry.WrongEndpoint):
        add(user, desk, client_id="ZD2")


def test_opening_the_paper_accounts_twice_gives_the_same_three(user, desk):
    first = services.open_paper_accounts(user=user, act=act(user), transport=desk.transport)
    second = services.open_paper_accounts(user=user, act=act(user), transport=desk.transport)

    assert first == second
    assert [a.broker for a in first] == ["zerodha", "angelone", "finvasia"]


def test_an_account_works_again_at_a_simulator_that_lost_its_ledger(user, desk):
    services.open_paper_accounts(user=user, act=act(user), transport=desk.transport)
    fresh = Desk()
    fresh.push(frame())

    [account, *_] = services.open_paper_accounts(
        user=user, act=act(user), transport=fresh.transport
    )

    wire = registry.adapter_for(account, transport=fresh.transport)
    assert wire.funds().balance == services.DEMO_CAPITAL


def test_a_renewed_login_replaces_the_token(user, desk):
    account = add(user, desk)
    old = registry.adapter_for(account, transport=desk.transport)

    services.renew_login(account=account, act=act(user), transport=desk.transport)

    with pytest.raises(ReadFailed):
        old.funds()
    account.refresh_from_db()
    assert registry.adapter_for(account, transport=desk.transport).funds().used == 0


def test_a_new_capital_reaches_the_broker_and_the_audit_log(user, desk):
    account = add(user, desk)

    services.change_account(
        account=account, act=act(user), capital=Decimal("750000.00"), transport=desk.transport
    )

    account.refresh_from_db()
    assert account.capital == Decimal("750000.00")
    assert registry.adapter_for(account, transport=desk.transport).funds().balance == 750000
    entry = AuditEntry.objects.get(action="broker_account.change")
    assert (entry.before, entry.after) == ({"capital": "500000.00"}, {"capital": "750000.00"})


def test_an_account_that_is_not_flat_cannot_be_archived(user, desk):
    account = add(user, desk)
    wire = registry.adapter_for(account, transport=desk.transport)
    wire.place(desk.order(price=Decimal("99")))
    with pytest.raises(Conflict, match="0 open positions and 1 open orders"):
        services.archive_account(account=account, act=act(user), transport=desk.transport)

    wire.modify("O000001", price=Decimal("100.50"))
    with pytest.raises(Conflict, match="1 open positions and 0 open orders"):
        services.archive_account(account=account, act=act(user), transport=desk.transport)

    wire.place(desk.order(symbol=CALL, side=Side.SELL, quantity=LOT, price=Decimal("100")))
    services.archive_account(account=account, act=act(user), transport=desk.transport)
    services.archive_account(account=account, act=act(user), transport=desk.transport)
    assert account.archived_at == NOW
    assert AuditEntry.objects.filter(action="broker_account.archive").count() == 1


def test_an_account_whose_book_cannot_be_read_is_not_archived(user, desk):
    account = add(user, desk)
    desk.fault("answer_500_not_placed", route="positions")

    with pytest.raises(Refused) as refused:
        services.archive_account(account=account, act=act(user), transport=desk.transport)

    assert refused.value.code == "broker_unreachable"


def test_a_sealed_secret_copied_to_another_account_does_not_open(user, desk):
    mine = add(user, desk)
    theirs = add(UserFactory(), desk)
    theirs.sealed_secrets = mine.sealed_secrets

    with pytest.raises(Unsealable):
        selectors.secret_of(theirs, "token")


def test_rotating_the_keys_seals_every_secret_again_and_loses_none(user, desk, settings, capsys):
    account = add(user, mode="live", live_secrets=LIVE)
    old = settings.VAULT_KEYS
    new = "next:" + base64.b64encode(b"n" * 32).decode()
    settings.VAULT_KEYS = [new, *old]

    call_command("rotate_keys")
    call_command("rotate_keys")
    settings.VAULT_KEYS = [new]

    account.refresh_from_db()
    assert {k: selectors.secret_of(account, k) for k in LIVE} == LIVE
    assert capsys.readouterr().out.splitlines() == [
        "Sealed again: 1 broker accounts, 0 second factors, 0 alarm channels.",
        "Sealed again: 0 broker accounts, 0 second factors, 0 alarm channels.",
    ]


def test_rotating_the_keys_keeps_second_factors_usable(user, settings):
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.models import Authenticator

    factor = Authenticator.objects.create(
        user=user, type="totp", data={"secret": get_adapter().encrypt("TOTPSECRET")}
    )
    new = "next:" + base64.b64encode(b"n" * 32).decode()
    settings.VAULT_KEYS = [new, *settings.VAULT_KEYS]

    call_command("rotate_keys", verbosity=0)
    settings.VAULT_KEYS = [new]

    factor.refresh_from_db()
    assert get_adapter().decrypt(factor.data["secret"]) == "TOTPSECRET"


def test_a_secret_is_in_no_text_form_row_or_admin_page(user, admin_client, caplog):
    account = add(user, mode="live", live_secrets=LIVE)
    page = admin_client.get(f"/admin/brokers/brokeraccount/{account.pk}/change/")
    listed = admin_client.get("/admin/brokers/brokeraccount/")
    row = BrokerAccount.objects.filter(pk=account.pk).values_list().get()

    assert (page.status_code, listed.status_code) == (200, 200)
    for text in (repr(account), str(account), str(row), caplog.text, page.text, listed.text):
        assert "CANARY" not in text
    sealed = account.sealed_secrets["api_secret"]
    assert sealed not in page.text + listed.text


def test_the_admin_cannot_add_change_or_delete_an_account(rf, admin_user):
    admin = site.get_model_admin(BrokerAccount)
    request = rf.get("/")
    request.user = admin_user

    assert not admin.has_add_permission(request)
    assert not admin.has_change_permission(request)
    assert not admin.has_delete_permission(request)
