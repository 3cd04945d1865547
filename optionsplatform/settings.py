"""One settings file; what differs by environment is in environments.json or an environment variable."""

from __future__ import annotations

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from optionsplatform import environments, kept, logs
from optionsplatform.enum_names import ENUM_NAMES

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data")))
EMBEDDED = kept.urls(DATA_DIR)  # of the desk that bin/start made here

ENVIRONMENT = env.str("PLATFORM_ENV", default="dev")
PLATFORM = environments.load(ENVIRONMENT)
DEV = ENVIRONMENT == "dev"

DEV_SECRET = "dev-only-secret-key-that-prod-refuses-0123456789abcdef"  # noqa: S105 - refused below
DEV_VAULT_KEY = "dev:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DEV_SIMULATOR_TOKEN = "dev-simulator-token"  # noqa: S105 - refused below

SECRET_KEY = env.str("SECRET_KEY", default=DEV_SECRET)
VAULT_KEYS = env.list("VAULT_KEYS", default=[DEV_VAULT_KEY])  # newest first, "id:base64 of 32 bytes"
SIMULATOR_URL = env.str(
    "SIMULATOR_URL", default=EMBEDDED.get("SIMULATOR_URL", "http://127.0.0.1:8900")
)
SIMULATOR_TOKEN = env.str("SIMULATOR_TOKEN", default=DEV_SIMULATOR_TOKEN)

if ENVIRONMENT == "prod":
    for name, value, default in (
        ("SECRET_KEY", SECRET_KEY, DEV_SECRET),
        ("VAULT_KEYS", VAULT_KEYS, [DEV_VAULT_KEY]),
        ("SIMULATOR_TOKEN", SIMULATOR_TOKEN, DEV_SIMULATOR_TOKEN),
    ):
        if value == default:
            raise ImproperlyConfigured(f"prod refuses the default {name}; set {name} to your own")

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS = [SITE_URL]
LOG_DIR = Path(env.str("LOG_DIR", default=str(DATA_DIR / "logs")))
LOGGING = logs.configuration(
    directory=LOG_DIR,
    process=env.str("PROCESS_NAME", default=""),
    retention_days=PLATFORM.log_retention_days,
)
logs.use_structlog()

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py finds the admin pages: only web needs them
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "corsheaders",
    "csp",
    "django_htmx",
    "django_structlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "users",
    "market",
    "brokers",
    "baskets",
    "strategies",
    "allocations",
    "execution",
    "marketplace",
]

MIDDLEWARE = [
    "optionsplatform.slashes.StripOptionsSlash",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "market.facts_in_force.FactsMiddleware",
]

ROOT_URLCONF = "optionsplatform.urls"
ASGI_APPLICATION = "optionsplatform.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_URL = env.str(
    "DATABASE_URL",
    default=EMBEDDED.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/optionsplatform"),
)
DATABASES = {"default": {**env.db_url_config(DATABASE_URL), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
REDIS_URL = env.str("REDIS_URL", default=EMBEDDED.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT = "optionsplatform.transport:Transport"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ACKS_LATE = True  # else as many messages again wait inside a worker, in no order of priority
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_DB_REUSE_MAX = 10**9  # Celery would connect anew for each task; celery.py looks after them
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False  # the console e-mail of dev stays readable
CELERY_TASK_ROUTES = {"execution.*": {"queue": "orders"}}  # the worker takes from orders and celery
CELERY_TIMEZONE = "UTC"
CELERY_IMPORTS = ["optionsplatform.deadman"]  # the tasks of the apps are found
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "execution.tick", "schedule": 1.0, "options": {"expires": 5}},
    "fees": {"task": "marketplace.accrue", "schedule": 60.0, "options": {"expires": 60}},
    "notices": {"task": "users.email_notices", "schedule": 5.0, "options": {"expires": 5}},
    "alarms": {"task": "users.deliver_alarms", "schedule": 2.0, "options": {"expires": 2}},
    "deadman": {"task": "optionsplatform.deadman", "schedule": 60.0, "options": {"expires": 30}},
}

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional" if DEV else "mandatory"
ACCOUNT_ADAPTER = "users.adapters.AccountAdapter"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Options platform] "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = SITE_URL.partition(":")[0]
SIGN_UP_OPEN = env.bool("SIGN_UP_OPEN", default=True)
ADMIN_REQUIRES_MFA = env.bool("ADMIN_REQUIRES_MFA", default=not DEV)
MFA_ADAPTER = "users.adapters.MfaAdapter"
SOCIALACCOUNT_ADAPTER = "users.adapters.SocialAccountAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # codes of the half minute before and after: phones drift
MFA_TOTP_ISSUER = "Options platform"
SOCIALACCOUNT_PROVIDERS: dict[str, object] = {}
OIDC_ORIGINS: list[str] = []  # a sign-in form may lead there: browsers check form-action on redirects
if OIDC_SERVER_URL := env.str("OIDC_SERVER_URL", default=""):
    if ENVIRONMENT == "prod" and not OIDC_SERVER_URL.startswith("https://"):
        raise ImproperlyConfigured("OIDC_SERVER_URL must be https in prod")
    OIDC_ORIGINS = env.list("OIDC_ORIGINS", default=["/".join(OIDC_SERVER_URL.split("/")[:3])])
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": env.str("OIDC_PROVIDER_ID", default="pool"),
                "name": env.str("OIDC_NAME", default="Company sign-in"),
                "client_id": env.str("OIDC_CLIENT_ID"),
                "secret": env.str("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_SERVER_URL},
            }
        ],
    }

EMAIL_URL = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = EMAIL_URL["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL_URL.get("EMAIL_HOST") or ""
EMAIL_PORT = EMAIL_URL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = EMAIL_URL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = EMAIL_URL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = EMAIL_URL.get("EMAIL_USE_TLS", False)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="desk@localhost")

TELEGRAM_URL = env.str("TELEGRAM_URL", default="https://api.telegram.org")
ALARMS_TO_LOOPBACK = DEBUG or DEV  # webhooks to this machine, also by http
DEADMAN_URL = env.str("DEADMAN_URL", default="")  # an outside monitor, told each minute that all is well
if DEADMAN_URL and not DEADMAN_URL.startswith("https://") and not DEV:
    raise ImproperlyConfigured("DEADMAN_URL must be https")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "users.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "users.api.authentication.KeyScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["drf_orjson_renderer.renderers.ORJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["users.api.parsers.JsonBody"],
    "DEFAULT_SCHEMA_CLASS": "users.api.schema.ProblemSchema",
    "EXCEPTION_HANDLER": "market.api.problems.handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "DEFAULT_THROTTLE_CLASSES": ["users.api.throttling.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"key": "600/min"},
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Options strategy platform",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/options",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": ENUM_NAMES,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
CORS_ALLOWED_ORIGINS = PLATFORM.cors_allowed_origins
CORS_URLS_REGEX = r"^/options/.*$"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF, *OIDC_ORIGINS],
    }
}
SECURE = env.bool("SECURE_COOKIES", default=not DEV)
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=SECURE)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_HSTS_SECONDS = 31536000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # nothing has to be collected before a start
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-in"
TIME_ZONE = "Asia/Kolkata"
USE_TZ = True
UNFOLD = {"SITE_TITLE": "Options platform", "SITE_HEADER": "Curators and operators"}
