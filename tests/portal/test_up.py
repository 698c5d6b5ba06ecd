import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from portal.processes import PROJECT, wait_until

pytestmark = pytest.mark.any_database

NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
STARTUP = 180


class RunningPortal:
    """`manage.py up` from a copy of the project, so that a portal in the developer's own folder may run beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "portal"
        shutil.copytree(PROJECT, self.folder, ignore=NOT_COPIED)
        (self.folder / ".venv").symlink_to(PROJECT / ".venv")
        self.port = free_port()
        # Short, since the broker's socket goes here; and ours, since one that is killed cannot clear it away.
        self.temporary = tempfile.mkdtemp(prefix="t-", dir="/tmp")
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.variables = {**kept, "PORT": str(self.port), "TMPDIR": self.temporary}
        self.command = [sys.executable, "manage.py", "up", "--empty"]
        self.said = ""

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        assert wait_until(lambda: "Ctrl-C closes it" in self.said, at_most=STARTUP), self.said

    def listen(self) -> None:
        for line in self.process.stdout or ():
            self.said += line

    def second_start(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )

    def child(self, *words: str) -> psutil.Process | None:
        """The child whose command line holds all these words."""
        for child in psutil.Process(self.process.pid).children():
            try:
                line = " ".join(child.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words) and "portal.tether" not in line:
                return child
        return None

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=120)
            finally:
                self.process.kill()
        self.listener.join()
        if self.process.stdout:
            self.process.stdout.close()


def free_port() -> int:
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        return int(attempt.getsockname()[1])


@pytest.fixture
def closed_portal(tmp_path):
    portal = RunningPortal(tmp_path)
    yield portal
    shutil.rmtree(portal.temporary)


@pytest.fixture
def portal(closed_portal):
    try:
        closed_portal.start()
        yield closed_portal
    finally:
        closed_portal.stop()


BROKER, WORKER, BEAT, WEB = ("broker.sock",), ("portal.worker",), ("portal.clock",), ("gunicorn",)


def test_it_keeps_all_its_parts_running_and_leaves_nothing_behind(portal):
    assert first_page(portal.port) == 200
    assert "Staff login, shown this once: name admin, password " in portal.said
    assert f"http://127.0.0.1:{portal.port}" in portal.said

    again = portal.second_start()
    assert again.returncode == 1
    assert again.stderr == (
        f"The portal already runs from this folder (process {portal.process.pid}). Stop that one first with Ctrl-C.\n"
    )

    for words in (WORKER, BROKER, WEB, BEAT):
        kill_and_see_replaced(portal, words)
    assert wait_until(lambda: first_page(portal.port) == 200, at_most=120)

    everybody = psutil.Process(portal.process.pid).children(recursive=True)
    portal.process.send_signal(signal.SIGINT)
    assert portal.process.wait(timeout=120) == 0
    assert wait_until(lambda: "Stopped." in portal.said, at_most=60), portal.said
    assert [process for process in everybody if process.is_running()] == []
    assert not list((portal.folder / "var").glob("**/*.sock"))
    assert list(Path(portal.temporary).glob("portal-*")) == []


def test_nobody_outlives_a_supervisor_that_was_killed(portal):
    everybody = psutil.Process(portal.process.pid).children(recursive=True)
    assert len(everybody) >= 4
    portal.process.kill()
    portal.process.wait()
    _gone, alive = psutil.wait_procs(everybody, timeout=120)
    assert alive == []


def test_a_taken_port_is_named_with_the_way_out(closed_portal):
    with socket.create_server(("127.0.0.1", closed_portal.port)):
        refused = closed_portal.second_start()
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1, port {closed_portal.port}: Address already in use." in refused.stderr


def kill_and_see_replaced(portal: RunningPortal, words: tuple[str, ...]) -> None:
    killed = portal.child(*words)
    assert killed is not None

    def is_replaced() -> bool:
        now = portal.child(*words)
        return now is not None and now.pid != killed.pid

    killed.kill()
    assert wait_until(is_replaced, at_most=120), portal.said


def first_page(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
