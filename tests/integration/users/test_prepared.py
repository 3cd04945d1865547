"""A query that is written as SQL once finds what Django's own would find, whatever it is asked with."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError, IntegrityError, connection
from django.db.transaction import TransactionManagementError, atomic, set_rollback
from django.test.utils import CaptureQueriesContext

from baskets.models import Basket
from strategies.models import Strategy, StrategyVersion
from tests.factories import NOW, UserFactory, make_basket, make_strategy
from users.models import Notice, User
from users.prepared import Kept, Param, Prepared, Stamp, insert

pytestmark = pytest.mark.django_db

OF_NAMES = Prepared(
    lambda: Basket.objects.filter(name__among=Param("names"), owner=Param("owner"), kind="user")
    .select_related("owner")
    .order_by("pk")
)
OF_OWNERS = Prepared(
    lambda: Strategy.objects.filter(basket__owner__among=Param("owners")).order_by("pk").values_list("pk", "name")
)
WITH_LEGS = Prepared(
    lambda: StrategyVersion.objects.filter(strategy__among=Param("ids")).prefetch_related("legs").order_by("pk")
)
LOCKED = Prepared(lambda: Basket.objects.select_for_update().filter(pk__among=Param("ids")).order_by("pk"))


@pytest.fixture
def owners():
    return UserFactory(), UserFactory()


def test_it_finds_the_rows_of_each_asking_and_no_others(owners):
    mine, theirs = owners
    one, two = make_basket(mine, name="One"), make_basket(mine, name="Two")
    other = make_basket(theirs, name="One")
    assert OF_NAMES.rows(names=["One", "Two"], owner=mine.pk) == [one, two]
    assert OF_NAMES.rows(names=["Two"], owner=mine.pk) == [two]
    assert OF_NAMES.rows(names=["One", "it's \"none\", {}"], owner=theirs.pk) == [other]
    assert OF_NAMES.rows(names=[], owner=mine.pk) == []
    assert OF_NAMES.first(names=["Two", "One"], owner=mine.pk) == one
    assert OF_NAMES.first(names=["Three"], owner=mine.pk) is None


def test_a_row_is_as_django_makes_it_with_what_it_is_joined_to(owners):
    basket = make_basket(owners[0], name="One")
    with CaptureQueriesContext(connection) as asked:
        (found,) = OF_NAMES.rows(names=["One"], owner=owners[0].pk)
        assert found.owner.email == owners[0].email
    assert len(asked) == 1
    from_django = Basket.objects.get(pk=basket.pk)
    columns = [field.attname for field in Basket._meta.concrete_fields]
    assert [getattr(found, name) for name in columns] == [getattr(from_django, name) for name in columns]
    found.name = "Renamed"
    found.save()
    assert Basket.objects.get(pk=basket.pk).name == "Renamed"


def test_columns_come_as_tuples_and_a_foreign_key_may_be_among_a_list(owners):
    first, second = (make_strategy(make_basket(owner), name=f"of {owner.pk}") for owner in owners)
    ids = [owner.pk for owner in owners]
    assert OF_OWNERS.rows(owners=ids) == [(first.pk, first.name), (second.pk, second.name)]
    assert OF_OWNERS.rows(owners=ids[1:]) == [(second.pk, second.name)]


def test_what_is_prefetched_costs_one_more_query_for_any_number_and_none_for_no_row(owners):
    strategies = [make_strategy(make_basket(owner)) for owner in owners]
    with CaptureQueriesContext(connection) as asked:
        versions = WITH_LEGS.rows(ids=[strategy.pk for strategy in strategies])
        assert [leg.number for version in versions for leg in version.legs.all()] == [1, 2, 3, 4] * 2
    assert len(asked) == 2
    with CaptureQueriesContext(connection) as asked:
        assert WITH_LEGS.rows(ids=[]) == []
    assert len(asked) == 1


def test_a_value_that_is_not_given_is_named(owners):
    with pytest.raises(KeyError, match="owner"):
        OF_NAMES.rows(names=["One"])


@pytest.mark.django_db(transaction=True)
def test_it_locks_in_a_transaction_alone_each_time_it_is_asked():
    basket = make_basket(UserFactory())
    with atomic():
        assert LOCKED.rows(ids=[basket.pk]) == [basket]
    with pytest.raises(TransactionManagementError):
        LOCKED.rows(ids=[basket.pk])


@pytest.mark.django_db(transaction=True)
def test_threads_ask_it_at_once_over_their_own_connections():
    people = [UserFactory() for _ in range(8)]
    of_id = Prepared(lambda: User.objects.filter(pk=Param("id")))

    def ask(user: User) -> tuple[list[User], int]:
        try:
            found = of_id.rows(id=user.pk)
            return found, connection.connection.info.backend_pid
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, people))
    assert [found for found, _ in answers] == [[user] for user in people]
    assert connection.connection.info.backend_pid not in {backend for _, backend in answers}


KEPT = Kept(
    Prepared(
        lambda: Strategy.objects.filter(basket__owner=Param("owner"))
        .order_by("-pk")
        .values_list("pk", Stamp("pk", "basket__name"))
    ),
    Prepared(lambda: Strategy.objects.filter(pk__among=Param("ids")).select_related("basket")),
)


def names(owner: User) -> list[tuple[str, str]]:
    return [(row.name, row.basket.name) for row in KEPT.rows(owner=owner.pk)]


def test_rows_that_are_kept_are_read_again_only_where_they_or_what_they_are_joined_to_has_changed(owners):
    basket = make_basket(owners[0], name="Basket")
    one, two = make_strategy(basket, name="One"), make_strategy(basket, name="Two")
    assert names(owners[0]) == [("Two", "Basket"), ("One", "Basket")]
    with CaptureQueriesContext(connection) as asked:
        assert names(owners[0]) == [("Two", "Basket"), ("One", "Basket")]
    assert len(asked) == 1
    Strategy.objects.filter(pk=one.pk).update(name="First")
    with CaptureQueriesContext(connection) as asked:
        assert names(owners[0]) == [("Two", "Basket"), ("First", "Basket")]
    assert [f"'{{{one.pk}}}'" in query["sql"] for query in asked] == [False, True]
    Basket.objects.filter(pk=basket.pk).update(name="Renamed")
    assert names(owners[0]) == [("Two", "Renamed"), ("First", "Renamed")]
    three = make_strategy(basket, name="Three")
    Strategy.objects.filter(pk=two.pk).update(basket=make_basket(owners[1], name="Theirs"))
    assert KEPT.rows(owner=owners[0].pk) == [three, one]
    assert names(owners[1]) == [("Two", "Theirs")]
    assert names(owners[0]) == [("Three", "Renamed"), ("First", "Renamed")]


def test_a_row_that_was_changed_many_times_in_one_transaction_and_rolled_back_is_never_an_old_one(owners):
    strategy = make_strategy(make_basket(owners[0]), name="0")
    for number in range(1, 40):
        with atomic():
            Strategy.objects.filter(pk=strategy.pk).update(name=str(number))
            assert names(owners[0])[0][0] == str(number)
            if number % 3 == 0:
                set_rollback(True)
        assert names(owners[0])[0][0] == str(number - 1 if number % 3 == 0 else number)


def test_what_is_done_to_a_kept_row_does_not_reach_the_next_asking(owners):
    make_strategy(make_basket(owners[0]), name="One")
    (row,) = KEPT.rows(owner=owners[0].pk)
    row.name, row.basket = "Mine", make_basket(owners[0], name="Another")
    assert names(owners[0]) == [("One", "Conservative Income Strategies")]
    assert not KEPT.rows(owner=owners[0].pk)[0]._state.adding


def notes(user, *titles):
    return [
        Notice(user=user, kind="k", severity="info", title=title, body="it's", dedupe_key=title, created_at=NOW)
        for title in titles
    ]


def test_rows_are_inserted_as_django_would_with_their_ids(owners):
    made = insert(notes(owners[0], "one", "two", "100% 'sure'"))
    by_django = Notice.objects.bulk_create(notes(owners[1], "one", "two", "100% 'sure'"))
    skipped = {"id", "user_id"}
    names = [f.attname for f in Notice._meta.concrete_fields if f.attname not in skipped]
    mine, theirs = (
        [[getattr(row, name) for name in names] for row in Notice.objects.filter(user=owner).order_by("pk")]
        for owner in owners
    )
    assert mine == theirs
    assert [row.title for row in made] == ["one", "two", "100% 'sure'"]
    assert [Notice.objects.get(pk=row.pk).title for row in made] == [row.title for row in made]
    assert len(by_django) == len(made) == 3
    made[0].title = "changed"
    made[0].save()
    assert Notice.objects.get(pk=made[0].pk).title == "changed"
    assert insert([]) == []


def test_what_is_there_already_is_ignored_only_where_that_is_asked_for(owners):
    insert(notes(owners[0], "one"))
    insert(notes(owners[0], "one", "two"), ignore_conflicts=True)
    assert list(Notice.objects.order_by("pk").values_list("title", flat=True)) == ["one", "two"]
    with pytest.raises(IntegrityError), atomic():
        insert(notes(owners[0], "two"))


def test_a_text_that_is_too_long_is_refused_and_never_cut(owners):
    title = "a" * 160
    (made,) = insert(notes(owners[0], title))
    long = Notice(user=owners[0], kind="k" * 100, severity="info", title="t", body="", dedupe_key="d", created_at=NOW)
    with pytest.raises(DataError), atomic():
        insert([long])
    basket = make_basket(owners[0], name="n" * Basket._meta.get_field("name").max_length)
    assert OF_NAMES.rows(names=[basket.name + "n"], owner=owners[0].pk) == []
    assert OF_NAMES.rows(names=[basket.name], owner=owners[0].pk) == [basket]
    assert made.title == title
