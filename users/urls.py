"""Included under /options/."""

from django.urls import path

from users.api.alarms import Channel, Channels, ChannelTest
from users.api.keys import Key, Keys
from users.api.notices import NoticeRead, Notices

urlpatterns = [
    path("notices", Notices.as_view(), name="notices"),
    path("notices/<int:notice_id>/read", NoticeRead.as_view(), name="notice-read"),
    path("alarm-channels", Channels.as_view(), name="alarm-channels"),
    path("alarm-channels/<int:channel_id>", Channel.as_view(), name="alarm-channel"),
    path("alarm-channels/<int:channel_id>/test", ChannelTest.as_view(), name="alarm-channel-test"),
    path("api-keys", Keys.as_view(), name="api-keys"),
    path("api-keys/<int:key_id>", Key.as_view(), name="api-key"),
]
