"""Read the environment into typed settings; remember all that is missing or malformed, to say it at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SHORTEST_KEY = 50


@dataclass
class Environment:
    """In production (`required`) a name without a value is a problem; elsewhere the default stands."""

    variables: Mapping[str, str]
    required: bool
    problems: list[str] = field(default_factory=list)

    def text(self, name: str, default: str = "") -> str:
        value = self.variables.get(name, "").strip()
        if not value and self.required:
            self.problems.append(f"{name} is missing")
        return value or default

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.variables.get(name, "").strip().lower()
        if value in ("1", "on", "true", "yes"):
            return True
        if value in ("0", "off", "false", "no"):
            return False
        if value:
            self.problems.append(f"{name} must be on or off")
        return default

    def choice(self, name: str, choices: Sequence[str], *, default: str) -> str:
        value = self.variables.get(name, "").strip().lower()
        if value in choices:
            return value
        if value:
            self.problems.append(f"{name} must be one of {', '.join(choices)}")
        return default

    def number(self, name: str, *, default: int) -> int:
        value = self.variables.get(name, "").strip()
        if value.isascii() and value.isdigit() and int(value) > 0:
            return int(value)
        if value:
            self.problems.append(f"{name} must be a whole number above 0")
        return default

    def key(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if value and (len(value) < SHORTEST_KEY or len(set(value)) < 5):
            self.problems.append(f"{name} must be at least {SHORTEST_KEY} characters of chance")
        return value

    def words(self, name: str) -> list[str]:
        return [word for word in re.split(r"[,\s]+", self.text(name)) if word]

    def networks(self, name: str, *, also: Sequence[str] = ()) -> list[str]:
        """Addresses, networks like 10.0.0.0/8, and the words in ``also``. May be missing."""
        found = [word for word in re.split(r"[,\s]+", self.variables.get(name, "")) if word]
        for word in found:
            try:
                _ = word in also or ip_network(word)
            except ValueError:
                self.problems.append(
                    f"{name} must hold {', or '.join(['networks such as 10.0.0.0/8', *also])}, not {word}"
                )
        return found

    def address(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if value and not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]):
            self.problems.append(f"{name} must be a mail address, such as Visits <visits@example.org>")
        return value

    def bounce_address(self, name: str) -> str:
        """May be missing. What names the mail is added before the @, where at most 64 letters may stand."""
        value = self.variables.get(name, "").strip()
        if value and not re.fullmatch(r"[\w.-]{1,20}@[\w.-]+", value, re.ASCII):
            self.problems.append(f"{name} must be a plain mail address, such as bounces@example.org")
        return value

    def optional_key(self, name: str) -> str:
        return self.key(name, "") if self.variables.get(name, "").strip() else ""

    def url(self, name: str, default: str, *, schemes: tuple[str, ...], form: str) -> SplitResult:
        """The URL in its parts, or the default where it cannot be read."""
        value = self.text(name, default)
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises where it is no number
        except ValueError:
            parts = urlsplit("")
        if parts.scheme in schemes and (parts.netloc or parts.path):
            return parts
        if value:
            self.problems.append(f"{name} must look like {form}")
        return urlsplit(default)


def site_url(environment: Environment, default: str) -> str:
    parts = environment.url("SITE_URL", default, schemes=("https", "http"), form="https://visits.example.org")
    if parts.path.strip("/") or parts.query or parts.fragment or not parts.hostname:
        environment.problems.append("SITE_URL must look like https://visits.example.org, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def database(
    environment: Environment, default: Path, *, pool: bool, timeouts: bool, pooler: bool = False
) -> dict[str, Any]:
    """``pool``: of each process; ``pooler``: a PgBouncer or the like stands between, in transaction mode."""
    parts = environment.url(
        "DATABASE_URL",
        f"sqlite:///{default}",
        schemes=("postgres", "postgresql", "sqlite"),
        form="postgresql://user:password@host:5432/name",
    )
    if parts.scheme == "sqlite":
        return sqlite(Path(unquote(parts.path)[1:] if parts.path.startswith("//") else unquote(parts.path)))
    return postgresql(environment, parts, pool=pool, timeouts=timeouts, pooler=pooler)


def sqlite(path: Path) -> dict[str, Any]:
    """IMMEDIATE locks at the start, so that no transaction fails half-way; FULL, since what was promised stays."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
        # A file, as in production: in memory there would be no second connection.
        "TEST": {"NAME": str(path.with_name(f"test-{path.name}"))},
    }


TIMEOUTS = {"statement_timeout": 10_000, "lock_timeout": 3_000, "idle_in_transaction_session_timeout": 15_000}
# Somewhat fewer than a web process has threads: most of what holds one is Python's work, of which one thread does some
# at a time, and each takes 7 MiB of PostgreSQL's memory. Who gets none in half a second is told so
# (portal/overload.py): a page that waits for longer is one that nobody reads. A database that comes back is found
# within a second, not after a pause that doubles.
POOL = {"min_size": 4, "max_size": 6, "timeout": 0.5, "max_waiting": 16, "reconnect_timeout": 1.0}


def postgresql(
    environment: Environment, parts: SplitResult, *, pool: bool, timeouts: bool, pooler: bool
) -> dict[str, Any]:
    """`?host=/folder` names a Unix socket; whatever else stands behind the `?` goes to the driver (sslmode, ...)."""
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    socket_folder = options.pop("host", "")
    port = options.pop("port", parts.port)
    name = unquote(parts.path.lstrip("/"))
    if not name:
        environment.problems.append("DATABASE_URL must end with the name of a database")
    if timeouts:
        # Nobody waits longer for a page, and nothing may hold a session's lock while it waits for something else.
        if not pooler:  # It hands its connections from one client to the next: there the role brings them.
            options["options"] = " ".join(f"-c {limit}={milliseconds}" for limit, milliseconds in TIMEOUTS.items())
        # A machine that fell silent is given up, where the kernel would wait for a quarter of an hour.
        options |= {"connect_timeout": 2, "tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5}
    if pool:
        options["pool"] = POOL
    if not pooler:
        # What is asked for the third time is planned once for the connection: half of PostgreSQL's work in a sign-up.
        options |= {"server_side_binding": True, "prepare_threshold": 2}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": socket_folder or parts.hostname or "",
        "PORT": str(port or ""),
        "CONN_MAX_AGE": 0 if pool else 600,
        "CONN_HEALTH_CHECKS": True,
        # A cursor of the server lives in one connection, which behind a pooler is ours for one transaction only.
        "DISABLE_SERVER_SIDE_CURSORS": pooler,
        "OPTIONS": options,
    }


def broker(environment: Environment) -> SplitResult:
    return environment.url(
        "REDIS_URL",
        "",
        schemes=("redis", "rediss", "unix"),
        form="redis://:password@host:6379/0 or unix:///folder/socket",
    )


def celery_broker_url(parts: SplitResult) -> str:
    """Celery has its own spelling for a Unix socket."""
    if parts.scheme == "unix":
        number = dict(parse_qsl(parts.query)).get("db", "0")
        return f"redis+socket://{parts.path}?virtual_host={number}"
    return parts.geturl()


def cache_url(parts: SplitResult) -> str:
    """The next database of the same server: emptying the cache empties a whole database, and never the queue."""
    if parts.scheme == "unix":
        number = int(dict(parse_qsl(parts.query)).get("db", "0"))
        return f"unix://{parts.path}?db={number + 1}"
    number = int(parts.path.strip("/") or "0")
    return parts._replace(path=f"/{number + 1}").geturl()


@dataclass(frozen=True)
class MailTransport:
    """Where mail goes: to a server, or as `.eml` files into a folder."""

    backend: str
    folder: str = ""
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


def mail(environment: Environment, default: Path) -> MailTransport:
    parts = environment.url(
        "EMAIL_URL", f"eml://{default}", schemes=("smtp", "eml"), form="smtp://user:password@host:587?tls=starttls"
    )
    if parts.scheme == "eml":
        return MailTransport("portal.mail.EmlBackend", folder=unquote(parts.path))
    tls = dict(parse_qsl(parts.query)).get("tls", "")
    if tls not in ("", "starttls", "ssl"):
        environment.problems.append("EMAIL_URL takes tls=starttls or tls=ssl")
    if not parts.hostname:
        environment.problems.append("EMAIL_URL must name a host")
    return MailTransport(
        "django.core.mail.backends.smtp.EmailBackend",
        host=parts.hostname or "",
        port=parts.port or {"starttls": 587, "ssl": 465}.get(tls, 25),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=tls == "starttls",
        tls=tls == "ssl",
    )
