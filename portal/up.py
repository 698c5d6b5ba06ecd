"""`python3 manage.py up`: the whole portal on one machine. Standard library only; Django runs in the children.

Broker, web, worker and clock on SQLite in `var/`, or on what DATABASE_URL and REDIS_URL say.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from portal.processes import PROJECT, Child
from portal.services import Broker, ServiceMissing, find_broker
from portal.supervisor import Job, Supervisor

VARIABLE_FILES = PROJECT / "var"
STOP_ORDER = ("beat", "sweep", "web", "worker", "broker")


class CannotStart(Exception):
    """Why this start is refused, in a sentence for whoever typed the command."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py up", description="Run the portal on this machine.")
    parser.add_argument("--empty", action="store_true", help="on the first start, make no demo season")
    asked = parser.parse_args(arguments)
    VARIABLE_FILES.mkdir(mode=0o700, exist_ok=True)
    try:
        host, port = os.environ.get("HOST") or "127.0.0.1", port_number(os.environ.get("PORT") or "8000")
        with only_one_start(VARIABLE_FILES / "up.lock"):
            require_free(host, port)
            return Portal(host, port, empty=asked.empty).run()
    except CannotStart as refusal:
        print(refusal, file=sys.stderr)
        return 1


class Portal:
    """One start: what is needed before the first page, then everything kept running until Ctrl-C."""

    def __init__(self, host: str, port: int, *, empty: bool) -> None:
        self.host = host
        self.port = port
        self.empty = empty
        self.began = time.monotonic()
        self.supervisor = Supervisor()
        self.environment: dict[str, str] = {
            "LOG_LEVEL": "WARNING",
            # Threads of a web process share two heaps: one for each would keep what it needed at its busiest.
            "MALLOC_ARENA_MAX": "2",
            **os.environ,
            "HOST": host,
            "PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        self.broker: Broker | None = None
        self.announced = False

    def run(self) -> int:
        self.supervisor.listen_for_signals()
        try:
            self.start_broker()
            if not self.prepare():
                return 0 if self.supervisor.is_asked_to_stop else 1
            self.start_jobs()
            self.supervisor.run(each_round=self.announce_first_page)
        finally:
            if self.supervisor.is_asked_to_stop:
                self.supervisor.say("Stopping ...")
            self.supervisor.stop(STOP_ORDER)
            if self.broker:
                self.broker.forget_socket()
        self.supervisor.say("Stopped.")
        return 0

    def start_broker(self) -> None:
        if self.environment.get("REDIS_URL"):
            return
        try:
            self.broker = find_broker(VARIABLE_FILES / "broker")
            self.supervisor.start(Job("broker", self.broker.command, self.environment, patience=10.0))
            self.environment["REDIS_URL"] = self.broker.url
            ends = time.monotonic() + 20
            while not self.broker.answers() and not self.supervisor.is_asked_to_stop:
                self.supervisor.pass_on_output(at_most=0.05)
                if time.monotonic() > ends:
                    raise ServiceMissing(f"{self.broker.binary} does not answer; see {self.broker.log}.")
        except ServiceMissing as missing:
            self.environment.pop("REDIS_URL", None)
            self.supervisor.stop(["broker"])
            self.supervisor.say(f"{missing}\nGoing on without it: one process sweeps up what is due, a little later.")

    def prepare(self) -> bool:
        """Migrate, collect static files, and on the first start make the demo season and a staff login."""
        command = manage("prepare", *(["--empty"] if self.empty else []))
        child = Child(command, environment={**self.environment, "DATABASE_TIMEOUTS": "off"}, output=None)
        while child.is_running() and not self.supervisor.is_asked_to_stop:
            self.supervisor.pass_on_output(at_most=0.05)
        finished = child.process.returncode == 0
        child.kill()
        return finished

    def start_jobs(self) -> None:
        on_sqlite = self.environment.get("DATABASE_URL", "sqlite:").startswith("sqlite:")
        python = sys.executable
        web = [
            *(python, "-m", "gunicorn", "portal.wsgi:application", "--bind", f"{bracketed(self.host)}:{self.port}"),
            # On SQLite one process: two only wait for each other's lock.
            *("--worker-class", "gthread", "--workers", "1" if on_sqlite else "2", "--threads", "8"),
            *("--graceful-timeout", "8", "--keep-alive", "5", "--log-level", "warning", "--no-control-socket"),
        ]
        self.supervisor.start(Job("web", web, {**self.environment, "DATABASE_POOL": "on"}, patience=10.0))
        if self.environment.get("REDIS_URL"):
            worker = [python, "-m", "portal.worker", "--concurrency", "2"]
            clock = [python, "-m", "portal.clock", "--schedule", str(VARIABLE_FILES / "beat-schedule")]
            self.supervisor.start(Job("worker", worker, self.environment, patience=20.0))
            self.supervisor.start(Job("beat", clock, self.environment))
        else:
            self.supervisor.start(Job("sweep", manage("sweep"), self.environment, patience=20.0))

    def announce_first_page(self) -> None:
        if self.announced or not self.answers():
            return
        self.announced = True
        mail = "sent as EMAIL_URL says" if os.environ.get("EMAIL_URL") else f"written to {VARIABLE_FILES / 'mail'}"
        self.supervisor.say(
            f"\nThe portal is open at {self.address} ({time.monotonic() - self.began:.1f} s).\n"
            f"Staff sign in at {self.address}/en/admin/ . Mail is {mail}.\n"
            "Ctrl-C closes it.\n"
        )

    @property
    def address(self) -> str:
        return os.environ.get("SITE_URL") or f"http://{bracketed(self.reachable_host)}:{self.port}"

    @property
    def reachable_host(self) -> str:
        """Where this machine itself finds a server that listens everywhere."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(self.reachable_host, self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(PROJECT / "manage.py"), *arguments]


def port_number(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise CannotStart(f"PORT must be a number from 1 to 65535, not {text!r}.")


@contextmanager
def only_one_start(path: Path) -> Iterator[None]:
    """Two sets of processes on one database file and one broker folder would fight over both."""
    with path.open("a+") as lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock_file.seek(0)
            owner = lock_file.read().strip()
            raise CannotStart(
                f"The portal already runs from this folder (process {owner}). Stop that one first with Ctrl-C."
            ) from None
        lock_file.truncate(0)
        lock_file.write(str(os.getpid()))
        lock_file.flush()
        yield


def require_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError as refusal:
            raise CannotStart(
                f"Cannot listen on {host}, port {port}: {refusal.strerror}. "
                "Choose another, for example `PORT=8001 python3 manage.py up`."
            ) from refusal


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
