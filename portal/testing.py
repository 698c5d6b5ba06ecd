"""`python3 manage.py test`: real services first, then pytest, so that the settings find them. Standard library only.

Everything runs on PostgreSQL; then all that is not marked `postgres` runs again on SQLite. Nothing is skipped for want
of a service: that is an error with a sentence. Arguments we do not know go to pytest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import FrameType

from portal.services import ServiceMissing, find_broker, short_temporary_folder, start_postgres

# pytest's own exit codes.
INTERRUPTED = 2
NO_TESTS_WERE_COLLECTED = 5
# Keys that protect nothing, so that what is signed in a test is the same every time.
FIXED_KEYS = {
    "SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests-only-for-tests",
    "PERSON_KEY": "another-key-only-for-tests-another-key-only-for-tests-another",
}
# A production environment in the developer's shell must not reach the tests.
OURS_ALONE = (
    *("SITE_URL", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "DATABASE_URL", "DATABASE_POOL", "DATABASE_POOLER", "REDIS_URL"),
    *("EMAIL_URL", "MAIL_FROM", "BOUNCE_ADDRESS", "REPORT_KEY", "HOST", "PORT", "WAITING_ROOM", "SIGN_UPS_AT_ONCE"),
    *("ASKINGS_AN_ADDRESS", "ASKINGS_A_NETWORK", "LARGE_NETWORKS", "PROOF_OF_WORK"),
    *("UNPROVEN_PARTIES_A_NETWORK", "UNPROVEN_SHARE_A_NETWORK"),
)


class Stopped(Exception):
    """Somebody asked this process to end."""


def main(arguments: Sequence[str]) -> int:
    asked, for_pytest = parse(arguments)
    signal.signal(signal.SIGTERM, raise_stopped)
    # What a script starts in the background inherits that it ignores Ctrl-C's signal, and pytest would from us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        programs = {mark: find() for mark, find in PROGRAMS.items() if getattr(asked, mark)}
        without = [f"not {mark}" for mark in PROGRAMS if mark not in programs]
        with ExitStack() as services:
            environment = test_environment(services, programs)
            results = []
            if not asked.sqlite_only:
                url = postgresql_url(services)
                here = {**environment, "DATABASE_URL": url, "PORTAL_TEST_DATABASE": "postgresql"}
                results.append(run_pytest(here, without, for_pytest))
            if not asked.postgres_only and INTERRUPTED not in results:
                url = f"sqlite:///{temporary_folder(services) / 'portal.sqlite3'}"
                here = {**environment, "DATABASE_URL": url, "PORTAL_TEST_DATABASE": "sqlite"}
                # What was seen once need not be seen on the second database.
                seen = [] if asked.sqlite_only else ["not browser", "not any_database"]
                results.append(run_pytest(here, ["not postgres", *dict.fromkeys(seen + without)], for_pytest))
    except ServiceMissing as missing:
        print(f"The tests cannot run. {missing}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Stopped):
        return 130
    return verdict(results)


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="manage.py test", description="Run the tests on PostgreSQL, then on SQLite. Other arguments go to pytest."
    )
    parser.add_argument("--browser", action="store_true", help="the browser tests too; needs Chromium")
    parser.add_argument("--pooler", action="store_true", help="the tests through a pooler too; needs PgBouncer")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--postgres-only", action="store_true", help="only the run on PostgreSQL")
    only.add_argument("--sqlite-only", action="store_true", help="only the run on SQLite")
    asked, for_pytest = parser.parse_known_args(arguments)
    return asked, [argument for argument in for_pytest if argument != "--"]


def raise_stopped(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def find_browser() -> str:
    """Chromium's path. Raises ServiceMissing."""
    names = (os.environ.get("CHROMIUM") or "", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    for name in (*names, mac):
        if name and (path := shutil.which(name)):
            return path
    raise ServiceMissing(
        "The browser tests need Chromium: install it (on Debian and Ubuntu `apt install chromium fonts-noto-cjk`), "
        "or set CHROMIUM to where it is."
    )


def find_pooler() -> str:
    """PgBouncer's path. Raises ServiceMissing."""
    for name in (os.environ.get("PGBOUNCER") or "", "pgbouncer", "/usr/sbin/pgbouncer"):
        if name and (path := shutil.which(name)):
            return path
    raise ServiceMissing(
        "The tests through a pooler need PgBouncer: install it (on Debian and Ubuntu `apt install pgbouncer`), "
        "or set PGBOUNCER to where it is."
    )


# What no wheel brings, by the mark of the tests that need it.
PROGRAMS = {"browser": find_browser, "pooler": find_pooler}


def test_environment(services: ExitStack, programs: Mapping[str, str]) -> dict[str, str]:
    """What both runs share: the broker, fixed keys, and none of the shell's own production settings."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS_ALONE}
    environment.update(
        FIXED_KEYS, MAIL_FROM="Factory visits <visits@works.example>", DATABASE_TIMEOUTS="off", PYTHONUNBUFFERED="1"
    )
    variables = {"browser": "CHROMIUM", "pooler": "PGBOUNCER"}
    environment |= {variables[mark]: path for mark, path in programs.items()}
    if given := os.environ.get("TEST_REDIS_URL"):
        environment["REDIS_URL"] = given
    else:
        folder = temporary_folder(services)
        broker = find_broker(folder / "broker")
        services.callback(broker.stop)
        broker.start()
        environment["REDIS_URL"] = broker.url
    return environment


def postgresql_url(services: ExitStack) -> str:
    if given := os.environ.get("TEST_DATABASE_URL"):
        return given
    # A deadlock is what some tests are about; nobody has to wait a second until it is seen.
    server = start_postgres(deadlock_timeout="100ms")
    services.callback(server.stop)
    return server.url


def run_pytest(environment: Mapping[str, str], conditions: Sequence[str], for_pytest: Sequence[str]) -> int:
    """Ctrl-C reaches pytest directly, as it shares our terminal; we wait until it has put its own things away."""
    command = [sys.executable, "-m", "pytest", *in_parallel(for_pytest), *for_pytest]
    # pytest obeys the last `-m` only, so one that was asked for is narrowed by ours.
    asked = [f"({after})" for before, after in pairwise(for_pytest) if before == "-m"]
    if expression := " and ".join([*asked[-1:], *conditions]):
        command += ["-m", expression]
    pytest = subprocess.Popen(command, env=dict(environment))
    try:
        return pytest.wait()
    except BaseException as interruption:
        if isinstance(interruption, Stopped):
            pytest.send_signal(signal.SIGINT)
        wait_despite_interrupts(pytest)
        raise


def in_parallel(for_pytest: Sequence[str]) -> list[str]:
    """The whole suite runs in one process more than there are cores, up to five; a choice of tests in one.

    One more, as many tests wait for processes, clocks and servers. Files are dealt in the order in which
    tests/conftest.py puts them.
    """
    cores = min(os.cpu_count() or 1, 4)
    is_whole = all(argument.startswith("--durations") for argument in for_pytest)
    return ["-n", str(cores + 1), "--dist", "loadfile", "--no-loadscope-reorder"] if is_whole and cores > 1 else []


def wait_despite_interrupts(process: subprocess.Popen[bytes]) -> None:
    """A second impatient Ctrl-C is pytest's to obey; the services are stopped after it in any case."""
    while True:
        try:
            process.wait(timeout=60)
        except KeyboardInterrupt:
            continue
        except subprocess.TimeoutExpired:
            process.kill()
        else:
            return


def temporary_folder(services: ExitStack) -> Path:
    return Path(services.enter_context(tempfile.TemporaryDirectory(prefix="portal-", dir=short_temporary_folder())))


def verdict(results: Sequence[int]) -> int:
    """A choice of tests (`-k`, a path) may leave one of the two runs empty, but not both."""
    failures = [result for result in results if result not in (0, NO_TESTS_WERE_COLLECTED)]
    if failures:
        return failures[0]
    return 0 if 0 in results else NO_TESTS_WERE_COLLECTED
