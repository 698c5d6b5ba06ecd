"""Real processes of the portal beside a test: web, worker and beat on the test's own database and broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

from tests.smtp import free_port

COMMANDS = {
    "web": [
        *("gunicorn", "portal.wsgi", "--no-control-socket", "--bind", "127.0.0.1:{port}"),
        *("-k", "gthread", "-w", "2", "--threads", "4"),
    ],
    # More threads than its pool has connections.
    "crowded web": [
        "gunicorn",
        "portal.wsgi",
        "--no-control-socket",
        "--bind",
        "127.0.0.1:{port}",
        *["-k", "gthread", "-w", "1", "--threads", "12"],
    ],
    "worker": ["portal.worker", "-c", "2"],
    "beat": ["portal.clock", "--schedule", "{folder}/beat"],
}


def wait_until(happened: Callable[[], Any], *, seconds: float = 120, what: str = "") -> Any:
    """What the condition returns once it is true. The seconds are how long we believe in it, not how long it takes."""
    end = time.monotonic() + seconds
    while not (result := happened()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what or happened}")
        time.sleep(0.05)
    return result


def database_url() -> str:
    """Of the database that this test writes to."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    user = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
    host, port = str(given["HOST"]), str(given["PORT"])
    if host.startswith("/"):
        return f"postgresql://{user}@/{given['NAME']}?host={quote(host)}" + (f"&port={port}" if port else "")
    return f"postgresql://{user}@{host}:{port or 5432}/{given['NAME']}"


class Processes:
    """Start, kill and start again; what they wrote is shown when a test fails."""

    def __init__(self, folder: Path, *, email_url: str, redis_url: str, port: int, **more: str) -> None:
        self.folder = folder
        self.port = port
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "EMAIL_URL": email_url,
            "MAIL_FROM": "Factory visits <visits@works.example>",
            "PORT": str(port),
            "TRUSTED_PROXIES": "127.0.0.1",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            **more,
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        command = [part.format(port=self.port, folder=self.folder) for part in COMMANDS[name]]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=settings.BASE_DIR,
            )

    def signal(self, name: str, number: signal.Signals) -> None:
        """To the process and all its children."""
        os.killpg(self.running[name].pid, number)

    def kill(self, name: str) -> None:
        self.signal(name, signal.SIGKILL)
        self.running.pop(name).wait()

    def stop(self) -> None:
        for name in list(self.running):
            self.signal(name, signal.SIGTERM)
        for name, process in list(self.running.items()):
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill(name)
        self.running.clear()

    def wait_for_web(self) -> None:
        def answers() -> bool:
            try:
                with urlopen(f"{self.address}/en/", timeout=30) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        wait_until(answers, what="the first page")

    def told(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-4000:]}" for log in sorted(self.folder.glob("*.log")))


@contextmanager
def processes(folder: Path, *names: str, email_url: str, redis_url: str = "", **more: str) -> Iterator[Processes]:
    """The named processes on the test's database; on the broker of all tests unless another is given.

    ``more`` are variables of their environment.
    """
    with ExitStack() as stack:
        started = Processes(
            folder, email_url=email_url, redis_url=redis_url or os.environ["REDIS_URL"], port=free_port(), **more
        )
        stack.callback(started.stop)
        try:
            for name in names:
                started.start(name)
            yield started
        except BaseException as error:
            error.add_note(started.told())
            raise
