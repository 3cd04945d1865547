"""Every URL: an app keeps its API paths in its urls.py and its pages in its page_urls.py."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from optionsplatform import health
from users.api.problems import UnknownPath

APPS = (
    "users",
    "market",
    "brokers",
    "baskets",
    "strategies",
    "allocations",
    "execution",
    "marketplace",
)

admin.autodiscover()  # here, not in every process
urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("options/schema", SpectacularAPIView.as_view(), name="schema"),
    path("options/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    *(path("options/", include(f"{app}.urls")) for app in APPS if find_spec(f"{app}.urls")),
    path("options/<path:rest>", UnknownPath.as_view()),
    *(path("", include(f"{app}.page_urls")) for app in APPS if find_spec(f"{app}.page_urls")),
]
