"""The only settings. What differs from place to place comes from the environment; SITE_URL in it means production.

In production all that is required must be there and well-formed, or nothing starts and one message names all of it.
Without SITE_URL this is one machine of one person: SQLite and keys in `var/`, mail as files.
"""

import os
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal import environment, local_secrets

BASE_DIR = Path(__file__).resolve().parent.parent
VARIABLE_FILES = BASE_DIR / "var"

IN_PRODUCTION = bool(os.environ.get("SITE_URL"))
# Set by `manage.py test` alone, to the vendor that the tests must then find.
IN_TESTS = bool(os.environ.get("PORTAL_TEST_DATABASE"))

env = environment.Environment(os.environ, required=IN_PRODUCTION)

# Who we are

HOST = os.environ.get("HOST") or "127.0.0.1"
PORT = os.environ.get("PORT") or "8000"
SITE_URL = environment.site_url(env, default=f"http://{'127.0.0.1' if HOST in ('0.0.0.0', '::') else HOST}:{PORT}")  # noqa: S104
IS_HTTPS = SITE_URL.startswith("https://")

_local = {} if IN_PRODUCTION or IN_TESTS else local_secrets.read_or_make(VARIABLE_FILES / "secrets")
SECRET_KEY = env.key("SECRET_KEY", _local.get("SECRET_KEY", ""))
# Keys the hash that recognises a person by the address; apart from SECRET_KEY, so that each can be changed alone.
PERSON_KEY = env.key("PERSON_KEY", _local.get("PERSON_KEY", ""))
if IN_PRODUCTION and SECRET_KEY and SECRET_KEY == PERSON_KEY:
    env.problems.append("PERSON_KEY must differ from SECRET_KEY")

DEBUG = False
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS")
if not IN_PRODUCTION:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "[::1]", f"[{HOST}]" if ":" in HOST else HOST]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

# What we are made of

INSTALLED_APPS = [
    "portal",
    "bookings",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "portal.proxies.OnlyNamedProxies",
    "portal.overload.NoWorkInVain",
    "portal.page_cache.PageCache",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.ContentPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.waiting_room.middleware.WaitingRoom",
    "portal.middleware.StaffSession",
    "django.middleware.locale.LocaleMiddleware",
    "portal.body_limit.BodyLimit",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.middleware.StaffAuthentication",
    "portal.middleware.StaffMessages",
    "portal.middleware.StaffInVenueTime",
    "portal.middleware.VisitsStayPrivate",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if IN_TESTS:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.house",
            ],
        },
    },
]
CRISPY_ALLOWED_TEMPLATE_PACKS = ["bootstrap5"]
CRISPY_TEMPLATE_PACK = "bootstrap5"

# Languages and time: stored in UTC, shown in the zone of the venue

LANGUAGE_CODE = "en"
# In their own words, as whoever looks for a language looks for its name.
LANGUAGES = [("en", "English"), ("zh-hans", "中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Files

STATIC_URL = "/static/"
STATIC_ROOT = VARIABLE_FILES / "static"
_static_storage = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if IN_TESTS
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static_storage},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = IN_TESTS

# The database is the truth

DATABASES: dict[str, dict[str, Any]] = {
    "default": environment.database(
        env,
        default=VARIABLE_FILES / "portal.sqlite3",
        # Only for the threads of one web process: a pool must not be carried over a fork.
        pool=env.flag("DATABASE_POOL", default=False),
        # Off for migrations, which may take long, and for tests.
        timeouts=env.flag("DATABASE_TIMEOUTS", default=True),
        pooler=env.flag("DATABASE_POOLER", default=False),
    )
}

# The broker makes it quick

_broker = environment.broker(env)
BROKER_AVAILABLE = bool(_broker.scheme)
# What web processes share and may forget (portal/shared.py); empty where there is no Redis.
SHARED_REDIS_URL = environment.cache_url(_broker) if BROKER_AVAILABLE else ""
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": SHARED_REDIS_URL}
    if BROKER_AVAILABLE
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
# Public pages are made once a second for everybody (portal/page_cache.py). Tests change a row and look at once.
KEEP_PAGES = not IN_TESTS

# So long a process gives again what it has read of seasons and sessions (portal/kept.py).
KEPT_SECONDS = 0.0 if IN_TESTS else 1.0

CELERY_BROKER_URL = environment.celery_broker_url(_broker) if BROKER_AVAILABLE else ""
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 5,
    # Without it a nudge tries for six seconds to reach a broker that is down, whatever CELERY_TASK_PUBLISH_RETRY says.
    "max_retries": 0,
}
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 0.5
CELERY_REDIS_SOCKET_TIMEOUT = 5.0
# A row says what is owed and whether it is done; a message is only a nudge, and may be lost.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 90
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True

_every = {
    "bookings.deliver_due": 0.5,
    "bookings.lapse_offers": 15.0,
    "bookings.serve_lines": 30.0,
    "bookings.exchange_met_wishes": 60.0,
    "bookings.heartbeat": 30.0,
    "bookings.plan_reminders": 30.0,
    "bookings.ask_who_is_coming": 60.0,
    "bookings.owe_announcements": 10.0,
    "bookings.close_lines": 60.0,
    "bookings.drop_unproven": 60.0,
    "bookings.end_first_calls": 60.0,
    "bookings.erase_due": 60.0,
}
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # One that waited longer than its interval is worth nothing: the next one does its work. Never less than a few
    # seconds: the clocks of two machines differ.
    task: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 10.0)}}
    for task, seconds in _every.items()
}

# Mail

_mail = environment.mail(env, default=VARIABLE_FILES / "mail")
EMAIL_BACKEND = _mail.backend
EMAIL_FILE_PATH = _mail.folder
EMAIL_HOST = _mail.host
EMAIL_PORT = _mail.port
EMAIL_HOST_USER = _mail.user
EMAIL_HOST_PASSWORD = _mail.password
EMAIL_USE_TLS = _mail.starttls
EMAIL_USE_SSL = _mail.tls
EMAIL_TIMEOUT = 20
# How many workers hand mail over at a time. Fewer than there are worker processes, or a slow server holds up the clock.
MAIL_SENDERS = env.number("MAIL_SENDERS", default=2)
# Mails an hour to addresses that nobody has proven yet; what is more waits. An opening that 100,000 rush is above it.
MAIL_UNPROVEN_AN_HOUR = env.number("MAIL_UNPROVEN_AN_HOUR", default=20_000)
MAIL_FROM = env.address("MAIL_FROM", "visits@localhost")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = MAIL_FROM
# Where reports of mails that did not arrive go, and the key with which a mail server hands them to us over HTTP.
BOUNCE_ADDRESS = env.bounce_address("BOUNCE_ADDRESS")
REPORT_KEY = env.optional_key("REPORT_KEY")

# How often somebody may ask: see portal/limits.py and docs/running.md

# Askings a minute, as many at once: of an address (a household, a school behind one address) and of its network.
ASKINGS_AN_ADDRESS = env.number("ASKINGS_AN_ADDRESS", default=20)
ASKINGS_A_NETWORK = env.number("ASKINGS_A_NETWORK", default=60)
# Networks of schools and companies, of which ten times as many may ask.
LARGE_NETWORKS = env.networks("LARGE_NETWORKS")
# So many parties of one network may hold places in a session before their mailboxes are proven, or this share of the
# session's parties, in percent, whichever is more.
UNPROVEN_PARTIES_A_NETWORK = env.number("UNPROVEN_PARTIES_A_NETWORK", default=2)
UNPROVEN_SHARE_A_NETWORK = env.number("UNPROVEN_SHARE_A_NETWORK", default=10)
# Whether a sign-up that shall hold places at once has to show work that costs a browser a second or two.
PROOF_OF_WORK = env.flag("PROOF_OF_WORK", default=False)

# Safety

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = IS_HTTPS
# Whoever watches over us from inside asks without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz(/clock)?$"]
CSRF_FAILURE_VIEW = "portal.views.errors.csrf_failure"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
# The servers in front of us, whose word on who asks and how counts; nobody's by default.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", also=["unix"])
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536
# The admin's pages with their rows of inlines need this many; public forms are small by their own rules.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

# The waiting room in front of the sign-up form: `auto` opens it when more arrive than are let in, `on` always.
# Tests turn it on themselves: on their clock, which stands still, all that ever ask arrive at once.
WAITING_ROOM = env.choice("WAITING_ROOM", ("auto", "on", "off"), default="off" if IN_TESTS else "auto")
# Sign-up requests under way in one web process; above it the room slows down. Fewer than it has threads.
SIGN_UPS_AT_ONCE = env.number("SIGN_UPS_AT_ONCE", default=6)

# Logs carry no personal data: our own sentences name rows by number

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "portal.logs.JsonFormatter"},
        "short": {"format": "%(levelname)s %(name)s: %(message)s"},
    },
    "filters": {
        "keys": {"()": "portal.logs.KeysLeftOut"},
        "busy": {"()": "portal.logs.BusyIsToldElsewhere"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json" if IN_PRODUCTION else "short",
            "filters": ["keys"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.variables.get("LOG_LEVEL") or "INFO"},
    "loggers": {
        # Django's own would mail the request, with whatever stood in its form, to ADMINS.
        "django": {"handlers": [], "propagate": True},
        # A wrong host or a page not found is the visitor's, not ours.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # What is answered with 403, 404, 410 or 422 is the visitor's as well; what is ours, 500, is an error.
        "django.request": {"level": "ERROR", "filters": ["busy"]},
        # The clock calls twice a second; what fails is told at higher levels.
        **{name: {"level": "WARNING"} for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace")},
        # Its own handler, which lets keys through, goes: it names the address of a request that it cannot finish.
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        # It warns of every HEAD, whose body Django leaves to the server to drop.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}

if env.problems:
    raise ImproperlyConfigured(f"The portal does not start: {'; '.join(env.problems)}.")
