"""HTTP by Django, WebSockets by Channels."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsplatform.settings")
http = get_asgi_application()  # sets Django up: what follows imports models

from execution.live.routing import websocket_urlpatterns  # noqa: E402
from optionsplatform.sockets import Guard  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": Guard(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
