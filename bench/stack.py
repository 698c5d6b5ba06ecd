"""What a run needs, started and stopped by it: PostgreSQL and Valkey once, then web, worker, beat and a mail server.

All of it runs as in production: settings by ``SITE_URL``, ``DEBUG`` off, a commit is on the disk before it is answered.
The web processes and the workers come to the database under names of their own, so that what each asks can be told
apart. Nothing outlives the command, however it ends (``portal.tether``).
"""

import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from redis import Redis

from portal.processes import PROJECT, Child, wait_until
from portal.services import Broker, PostgresServer, ServiceMissing, find_broker, short_temporary_folder, start_postgres

# As `manage.py up` starts it: portal/up.py.
WEB_SERVERS = {
    "gunicorn": "gunicorn {application} --bind 127.0.0.1:{port} --worker-class gthread --workers 2 --threads 8"
    " --graceful-timeout 8 --keep-alive 5 --log-level warning --no-control-socket",
    "granian": "granian {application} --interface wsgi --host 127.0.0.1 --port {port} --workers 2"
    " --blocking-threads 8 --no-ws --log-level warning --respawn-failed-workers",
}
WORKER = "portal.worker --concurrency 2"
BEAT = "portal.clock --schedule {folder}/beat-schedule"

PORTAL = "portal.wsgi:application"
FLOOR = "bench.floor.app:application"

# The machine's own PostgreSQL is left as it comes, but for the statistics; here a commit is really on the disk.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
STATISTICS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_utility": "on"}

SECONDS_TO_START = 60.0
# Keys that protect nothing.
KEYS = {"SECRET_KEY": "only-for-the-bench-" * 4, "PERSON_KEY": "another-key-for-the-bench-" * 3}


class Servers:
    """PostgreSQL and Valkey, once for all parts of a run."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.folder = Path(
            self._open.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=short_temporary_folder()))
        )
        try:
            self.postgres, self.has_statistics = self._postgres()
            self._open.callback(self.postgres.stop)
            self.broker: Broker = find_broker(self.folder / "broker")
            self._open.enter_context(self.broker)
        except BaseException:
            self.stop()
            raise

    def _postgres(self) -> tuple[PostgresServer, bool]:
        """With its statistics where this PostgreSQL has them (Debian: `postgresql-contrib`, now part of it)."""
        try:
            return start_postgres(**DURABLE, **STATISTICS), True
        except ServiceMissing:
            return start_postgres(**DURABLE), False

    def stop(self) -> None:
        self._open.close()

    def restart_postgres(self) -> None:
        """The same data, and nothing in memory: buffers that an earlier part filled are not the next one's."""
        child = self.postgres.child
        if child:
            child.interrupt()
            child.stop(patience=20)
        self.postgres.launch()

    def forget_shared(self) -> None:
        """Empty Valkey: nudges that a part without a worker left behind are not the next one's work."""
        with Redis.from_url(self.broker.url) as redis:
            redis.flushall()

    def database_url(self, *, role: str = "portal", name: str = "postgres") -> str:
        return self.postgres.url.replace("//portal@/postgres", f"//{role}@/{name}")

    def environment(self, *, port: int, email_url: str = "smtp://127.0.0.1:9", role: str = "portal") -> dict[str, str]:
        """Of a process in production. Visitors tell their addresses as behind a proxy, so that limits count each."""
        return {
            **KEYS,
            "SITE_URL": f"http://127.0.0.1:{port}",
            "ALLOWED_HOSTS": "127.0.0.1 localhost",
            "TRUSTED_PROXIES": "127.0.0.1",
            "DATABASE_URL": self.database_url(role=role),
            "REDIS_URL": self.broker.url,
            "EMAIL_URL": email_url,
            "MAIL_FROM": "Factory visits <visits@works.example>",
            "PORT": str(port),
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",
            "FLOOR_DATABASE_URL": self.database_url(role=role, name="floor"),
            "FLOOR_DATABASE_HOST": str(self.postgres.folder),
        }


@dataclass
class Stack:
    """What runs for one part: children by the name under which their CPU is counted."""

    servers: Servers
    folder: Path
    port: int
    shell: dict[str, str]
    children: dict[str, Child]
    email_url: str = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def arrivals(self) -> Path:
        """Where the mail server writes a line for each mail."""
        return self.folder / "mail" / "arrivals"

    def roots(self) -> dict[str, int]:
        """The process at the top of each group."""
        here = {name: child.pid for name, child in self.children.items()}
        if self.servers.postgres.child:
            here["postgres"] = self.servers.postgres.child.pid
        if self.servers.broker.child:
            here["redis"] = self.servers.broker.child.pid
        return here

    def start(self, name: str, command: str, **more: str) -> Child:
        words = shlex.split(command.format(port=self.port, folder=self.folder, application=more.pop("application", "")))
        with (self.folder / f"{name}.log").open("ab") as log:
            child = Child([sys.executable, "-m", *words], environment={**self.shell, **more}, output=log)
        self.children[name] = child
        return child

    def start_web(self, web: str, application: str = PORTAL) -> Child:
        """``web`` is a name or a command of its own. In each process a pool, as its threads share connections."""
        settings = self.servers.environment(port=self.port, email_url=self.email_url, role="web")
        command = WEB_SERVERS.get(web, web)
        return self.start("web", command, application=application, DATABASE_POOL="on", **settings)

    def start_clock(self, *parts: str) -> None:
        """Of "worker" and "beat"."""
        settings = self.servers.environment(port=self.port, email_url=self.email_url, role="worker")
        for name, command in (("worker", WORKER), ("beat", BEAT)):
            if name in parts:
                self.start(name, command, **settings)

    def start_sink(self) -> str:
        """The URL of a mail server that keeps each mail on the disk."""
        (self.folder / "mail").mkdir()
        child = self.start("sink", "bench.mail_sink {folder}/mail")
        port = self.folder / "mail" / "port"
        if not wait_until(lambda: port.exists() or not child.is_running(), at_most=20) or not port.exists():
            raise ServiceMissing(self.told())
        return f"smtp://127.0.0.1:{port.read_text()}"

    def wait_for(self, path: str, *, name: str = "web") -> float:
        """Seconds until the first 200, looked for every few milliseconds."""
        began = time.monotonic()
        child = self.children[name]
        if not wait_until(lambda: self.answers(path) or not child.is_running(), at_most=SECONDS_TO_START):
            raise ServiceMissing(f"{name} does not answer.\n{self.told()}")
        if not child.is_running():
            raise ServiceMissing(f"{name} has ended.\n{self.told()}")
        return time.monotonic() - began

    def answers(self, path: str) -> bool:
        with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as line:
            line.request("GET", path)
            return line.getresponse().status == 200
        return False

    def wait_for_workers(self) -> None:
        """Until both processes of the worker are there and beat has written its first schedule."""
        log = self.folder / "beat-schedule"
        found = wait_until(lambda: any(self.folder.glob(f"{log.name}*")), at_most=SECONDS_TO_START)
        if not found:
            raise ServiceMissing(self.told())

    def told(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-4000:]}" for log in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        for name in ("beat", "web", "floor", "worker", "sink"):
            if name in self.children:
                self.children.pop(name).stop(patience=10)


@contextmanager
def running(
    servers: Servers,
    shell: dict[str, str],
    *parts: str,
    web: str = "gunicorn",
    application: str = PORTAL,
) -> Iterator[Stack]:
    """The named parts of "web", "worker" and "beat", ready to serve. ``web`` is a name or a command of its own."""
    with tempfile.TemporaryDirectory(prefix="stack-", dir=servers.folder) as folder:
        port = free_port()
        stack = Stack(servers, Path(folder), port, dict(shell), {})
        servers.forget_shared()
        try:
            stack.email_url = stack.start_sink()
            stack.start_clock(*parts)
            if "web" in parts:
                stack.start_web(web, application)
                stack.wait_for("/en/")
            if "beat" in parts:
                stack.wait_for_workers()
            yield stack
        except BaseException as failure:
            failure.add_note(stack.told())
            raise
        finally:
            stack.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def run_manage(arguments: Sequence[str], environment: dict[str, str]) -> None:
    """A management command in a process of its own. Raises CalledProcessError."""
    subprocess.run([sys.executable, PROJECT / "manage.py", *arguments], env=environment, check=True, cwd=PROJECT)
