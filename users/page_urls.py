from django.urls import path

from users import views

urlpatterns = [
    path("notices", views.notices, name="page-notices"),
    path("notices/<int:notice_id>/read", views.read_notice, name="page-read-notice"),
    path("settings", views.settings_page, name="page-settings"),
    path("settings/alarms", views.add_channel, name="page-add-channel"),
    path("settings/alarms/<int:channel_id>/end", views.end_channel, name="page-end-channel"),
    path("settings/alarms/<int:channel_id>/test", views.test_channel, name="page-test-channel"),
    path("settings/keys/<int:key_id>/revoke", views.revoke_key, name="page-revoke-key"),
]
