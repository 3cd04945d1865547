import pytest

from allocations.models import TradingState
from allocations.risk import Effective
from allocations.selectors import allocations_of, effective_states
from allocations.services import create_allocation, set_trading_state
from tests.factories import (
    NOW,
    UserFactory,
    make_account,
    make_allocation,
    make_basket,
    make_curator,
    make_grant,
    make_operator,
    make_pair_terms,
    make_published_basket,
    make_strategy,
)
from users.errors import Forbidden, Refused
from users.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(user):
    return make_allocation(make_strategy(make_basket(user)), make_account(user))


def state_of(pair):
    return effective_states([pair])[pair.pk]


def stop(user, scope, target=None, state="reducing", **more):
    return set_trading_state(
        user=user, scope=scope, target=target, state=state, reason=scope, **{"by": user, "now": NOW} | more
    )


def test_without_any_row_a_pair_is_active(pair):
    assert state_of(pair) == Effective(state="active", scope="", reason="")


def test_every_scope_reaches_the_pair(user, pair):
    for scope, target in (
        ("user", None),
        ("account", pair.broker_account),
        ("basket", pair.strategy.basket),
        ("strategy", pair.strategy),
        ("pair", pair),
    ):
        stop(user, scope, target)
        assert state_of(pair) == Effective(state="reducing", scope=scope, reason=scope)
        stop(user, scope, target, state="active")
        assert state_of(pair).state == "active"


def test_the_installation_reaches_everyone(pair):
    stop(None, "installation", state="halted", by=make_operator())

    assert state_of(pair) == Effective(state="halted", scope="installation", reason="installation")


def test_only_an_operator_stops_the_installation(user):
    with pytest.raises(Forbidden):
        stop(None, "installation", state="halted", by=user)


def test_the_tightest_scope_wins(user, pair):
    stop(user, "user")
    stop(user, "pair", pair, state="halted")
    stop(user, "account", pair.broker_account, state="frozen")

    assert state_of(pair).scope == "pair"


def test_a_freeze_never_loosens_a_halt(user, pair):
    stop(user, "pair", pair, state="halted")
    stop(user, "pair", pair, state="frozen", by=None)

    assert state_of(pair).state == "halted"


def test_one_row_a_scope_whatever_the_number_of_changes(user, pair):
    for state in ("reducing", "halted", "active"):
        stop(user, "pair", pair, state=state)

    assert TradingState.objects.count() == 1
    changes = AuditEntry.objects.filter(action="trading_state.pair").order_by("pk")
    assert [entry.after["state"] for entry in changes] == ["reducing", "halted", "active"]
    assert changes[2].before["state"] == "halted"


def test_a_subscribers_stop_does_not_stop_the_neighbour(user):
    basket, version = make_published_basket(make_curator())
    neighbour = UserFactory()
    pairs = []
    for subscriber in (user, neighbour):
        make_grant(subscriber, version)
        pairs.append(make_allocation(basket.strategies.get(), make_account(subscriber)))

    stop(user, "basket", basket, state="halted")

    states = effective_states(pairs)
    assert [states[pair.pk].state for pair in pairs] == ["halted", "active"]


@pytest.mark.parametrize("scope", ["account", "basket", "strategy", "pair"])
def test_nobody_stops_what_is_anothers(pair, scope):
    target = {
        "account": pair.broker_account, "basket": pair.strategy.basket,
        "strategy": pair.strategy, "pair": pair,
    }[scope]  # fmt: skip

    with pytest.raises(Refused):
        stop(UserFactory(), scope, target)
    assert TradingState.objects.count() == 0


def test_states_take_one_query_for_any_number_of_pairs(user, django_assert_num_queries):
    basket = make_basket(user)
    strategies = [make_strategy(basket, name=f"S{n}") for n in range(2)]
    pairs = [make_allocation(s, make_account(user)) for s in strategies for _ in range(5)]

    with django_assert_num_queries(1):
        assert len(effective_states(pairs)) == 10


def test_a_strategy_that_is_not_granted_cannot_be_allocated(user):
    basket, _ = make_published_basket(make_curator())

    with pytest.raises(Refused, match="not a strategy you may run"):
        create_allocation(
            user=user, strategy=basket.strategies.get(), broker_account=make_account(user),
            terms=make_pair_terms(), source="test", now=NOW,
        )  # fmt: skip


def test_paper_accounts_are_refused_where_paper_trading_is_off(user, settings):
    from dataclasses import replace

    settings.PLATFORM = replace(settings.PLATFORM, enable_paper_trading=False)
    strategy = make_strategy(make_basket(user))

    with pytest.raises(Refused, match="Paper trading is off"):
        make_allocation(strategy, make_account(user))
    assert make_allocation(strategy, make_account(user, mode="live")).lots == 2


def test_a_user_reads_only_their_own_pairs(user, pair):
    assert list(allocations_of(user)) == [pair]
    assert list(allocations_of(UserFactory())) == []
