"""The live feed's address."""

from django.urls import re_path

from execution.live.consumers import LiveFeed

websocket_urlpatterns = [re_path(r"^ws/live/?$", LiveFeed.as_asgi())]
