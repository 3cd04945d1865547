from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from rest_framework.test import APIClient

from tests.factories import NOW
from users import services, tasks
from users.models import Notice

NOTICES = "/options/notices"


def tell(user, *, cause="c", severity="warning", now=NOW, **changes):
    words = {"kind": "limit_hit", "title": "Day loss reached", "body": "Entries stop.", **changes}
    return services.notify(user=user, severity=severity, dedupe_key=cause, now=now, **words)


def test_one_cause_is_told_once(user, stranger):
    assert tell(user) is not None
    assert tell(user, title="again") is None
    assert tell(stranger) is not None
    assert [notice.title for notice in Notice.objects.filter(user=user)] == ["Day loss reached"]


def test_an_unknown_severity_is_refused(user):
    with pytest.raises(ValueError, match="loud"):
        tell(user, severity="loud")


def test_a_user_lists_only_their_own_newest_first(api, user, stranger):
    first, second = tell(user, cause="1"), tell(user, cause="2")
    tell(stranger)

    body = api.get(NOTICES).json()

    assert [row["id"] for row in body["data"]] == [second.pk, first.pk]
    assert body["next_cursor"] is None
    assert body["data"][0]["created_at"] == "2026-08-04T09:20:00+05:30"


def test_pages_follow_the_cursor_without_doubling_or_skipping(api, user):
    rows = [tell(user, cause=str(n)).pk for n in range(5)]

    seen, cursor = [], None
    for _ in range(3):
        page = api.get(NOTICES, {"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
        tell(user, cause=f"late {cursor}")

    assert seen == rows[::-1]
    assert cursor is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": 0}, "/limit"),
        ({"limit": 101}, "/limit"),
        ({"limit": "x"}, "/limit"),
        ({"cursor": "-"}, "/cursor"),
    ],
)
def test_a_wrong_page_is_refused_by_name(api, query, pointer):
    answer = api.get(NOTICES, query)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_the_number_of_queries_does_not_grow_with_the_list(api, user, django_assert_num_queries):
    for n in range(5):
        tell(user, cause=str(n))

    with django_assert_num_queries(4):  # session, user, revision of the facts, notices
        api.get(NOTICES)


def test_reading_is_noted_the_first_time(api, user):
    notice = tell(user)

    first = api.post(f"{NOTICES}/{notice.pk}/read", {}, format="json").json()["read_at"]

    assert first is not None
    assert api.post(f"{NOTICES}/{notice.pk}/read").json()["read_at"] == first


@pytest.mark.parametrize("notice_id", [0, 2**63, 10**40])
def test_a_notice_that_is_not_there_is_404(api, notice_id):
    assert api.post(f"{NOTICES}/{notice_id}/read").status_code == 404


def test_a_strangers_notice_is_not_there(api, stranger):
    notice = tell(stranger)

    assert api.post(f"{NOTICES}/{notice.pk}/read").status_code == 404
    notice.refresh_from_db()
    assert notice.read_at is None


def test_nobody_reads_notices_without_signing_in(db):
    answer = APIClient().get(NOTICES)

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"


def test_a_session_without_the_csrf_token_changes_nothing(user):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    notice = tell(user)

    answer = client.post(f"{NOTICES}/{notice.pk}/read")

    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_warnings_and_worse_are_emailed_once(user, settings):
    settings.SITE_URL = "https://desk.example"
    tell(user, cause="1", link="/baskets/3")
    tell(user, cause="2", severity="critical", title="Order unknown")
    tell(user, cause="3", severity="info")

    assert tasks.send_waiting(now=NOW) == 2
    assert tasks.send_waiting(now=NOW) == 0
    assert [(m.to, m.subject) for m in mail.outbox] == [
        ([user.email], "[Warning] Day loss reached"),
        ([user.email], "[Critical] Order unknown"),
    ]
    assert mail.outbox[0].body == "Entries stop.\n\nhttps://desk.example/baskets/3"


def test_the_task_sends_what_was_told_just_now(user):
    tell(user, now=datetime.now(UTC))

    assert tasks.email_notices() == 1


def test_an_old_notice_is_not_emailed_any_more(user):
    tell(user)

    assert tasks.send_waiting(now=NOW + timedelta(days=2)) == 0


def test_a_refusing_mail_server_is_tried_again(user, settings):
    tell(user)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert tasks.send_waiting(now=NOW) == 0

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert tasks.send_waiting(now=NOW) == 1


def test_a_title_with_a_line_break_cannot_add_mail_headers(user):
    tell(user, title="Loss\nBcc: a@b.c")

    assert tasks.send_waiting(now=NOW) == 1
    assert mail.outbox[0].subject == "[Warning] Loss Bcc: a@b.c"
