import pytest
from django.test import Client

from baskets.models import Basket, BasketVersion
from strategies.models import Strategy
from tests.factories import UserFactory, make_basket, make_curator, make_strategy

pytestmark = pytest.mark.django_db

NO_INLINES = {
    "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0",
    "versions-MIN_NUM_FORMS": "0", "versions-MAX_NUM_FORMS": "0",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_second_factor(settings):
    settings.ADMIN_REQUIRES_MFA = False


@pytest.fixture
def curator():
    return make_curator()


@pytest.fixture
def desk(curator):
    client = Client()
    client.force_login(curator)
    return client


def test_a_curator_makes_fills_and_publishes_a_basket(desk, curator):
    made = desk.post("/admin/baskets/basket/add/", {"name": "Income", "description": "x", **NO_INLINES})
    basket = Basket.objects.get()
    sent = {"basket": basket.pk, "name": "Condor", "preset": "iron_condor", "underlying": "NIFTY", "width": "2"}
    added = desk.post("/admin/strategies/strategy/add/", {**sent, **NO_INLINES})
    published = desk.post("/admin/baskets/basket/", {"action": "publish", "_selected_action": [basket.pk]})

    assert [made.status_code, added.status_code, published.status_code] == [302, 302, 302]
    basket.refresh_from_db()
    assert (basket.owner, basket.kind, basket.status) == (curator, "admin", "published")
    strategy = Strategy.objects.get()
    assert [str(leg.strike_value) for leg in strategy.versions.get().legs.all()] == [
        "6.0000", "-6.0000", "4.0000", "-4.0000",
    ]  # fmt: skip
    assert BasketVersion.objects.get().contents == [
        {"strategy": strategy.pk, "strategy_version": strategy.versions.get().pk, "name": "Condor"}
    ]


def test_saving_a_strategy_again_is_its_next_version(desk, curator):
    strategy = make_strategy(make_basket(curator, kind="admin"))
    sent = {"name": "Condor", "entry_time": "09:30", "exit_time": "15:10", "roll_days_before": "0"}

    answer = desk.post(f"/admin/strategies/strategy/{strategy.pk}/change/", {**sent, **NO_INLINES})

    assert answer.status_code == 302
    strategy.refresh_from_db()
    assert strategy.name == "Condor"
    assert [(v.number, str(v.entry_time)) for v in strategy.versions.order_by("number")] == [
        (1, "09:20:00"), (2, "09:30:00"),
    ]  # fmt: skip


def test_what_the_service_refuses_is_a_form_error_and_nothing_is_saved(desk, curator):
    basket = make_basket(curator, kind="admin")
    sent = {"basket": basket.pk, "name": "Late", "preset": "iron_condor", "underlying": "NIFTY", "entry_time": "18:00"}

    answer = desk.post("/admin/strategies/strategy/add/", {**sent, **NO_INLINES})

    assert answer.status_code == 200
    assert "outside the session" in answer.content.decode()
    assert Strategy.objects.count() == 0


def test_an_empty_basket_is_not_published(desk, curator):
    basket = make_basket(curator, kind="admin")

    answer = desk.post(
        "/admin/baskets/basket/", {"action": "publish", "_selected_action": [basket.pk]}, follow=True
    )

    assert "The basket has no strategy" in answer.content.decode()
    assert BasketVersion.objects.count() == 0


@pytest.mark.parametrize(
    "page", ["baskets/basket", "strategies/strategy", "strategies/strategyversion", "baskets/basketgrant"]
)
def test_the_lists_open_for_curators_only(desk, curator, page):
    make_strategy(make_basket(curator, kind="admin"))
    staff = Client()
    staff.force_login(UserFactory(is_staff=True))

    assert desk.get(f"/admin/{page}/").status_code == 200
    assert staff.get(f"/admin/{page}/").status_code == 403


def test_a_users_own_basket_is_not_shown_to_curators(desk):
    strategy = make_strategy(make_basket(UserFactory()))

    assert desk.get(f"/admin/strategies/strategy/{strategy.pk}/change/").status_code == 302
    assert desk.get(f"/admin/baskets/basket/{strategy.basket_id}/change/").status_code == 302


def test_a_curator_lets_the_stops_of_naked_shorts_rest_at_the_broker_where_a_leg_has_one(desk, curator):
    basket = make_basket(curator, kind="admin")
    put = {"basket": basket.pk, "name": "Put", "preset": "cash_secured_put", "underlying": "NIFTY"}
    desk.post("/admin/strategies/strategy/add/", {**put, **NO_INLINES})
    strategy, page = Strategy.objects.get(), "/admin/strategies/strategy/{}/change/"
    newest = strategy.versions.get()
    sent = {"name": "Put", "entry_time": newest.entry_time, "roll_days_before": "0", "stop_at_broker": "on"}

    refused = desk.post(page.format(strategy.pk), {**sent, **NO_INLINES})
    newest.legs.update(stop=30, stop_unit="points")
    saved = desk.post(page.format(strategy.pk), {**sent, **NO_INLINES})

    assert (refused.status_code, saved.status_code) == (200, 302)
    assert "stop_at_broker" in refused.context["adminform"].form.errors
    assert [v.stop_at_broker for v in strategy.versions.order_by("number")] == [False, True]
    form = desk.get(page.format(strategy.pk)).context["adminform"].form
    assert form["stop_at_broker"].initial is True
