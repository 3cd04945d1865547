"""Included under /options/."""

from django.urls import path

from users.api.keys import Key, Keys
from users.api.notices import NoticeRead, Notices

urlpatterns = [
    path("notices", Notices.as_view(), name="notices"),
    path("notices/<int:notice_id>/read", NoticeRead.as_view(), name="notice-read"),
    path("api-keys", Keys.as_view(), name="api-keys"),
    path("api-keys/<int:key_id>", Key.as_view(), name="api-key"),
]
