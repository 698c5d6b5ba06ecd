"""`python -m bench [part ...]`: what the portal takes when everybody comes at once. Needs `requirements/test.txt`.

Starts its own PostgreSQL and Valkey, runs the portal as in production, lets visitors come, and writes a table.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import NamedTuple

import django
from django.core.management import call_command

from bench import report
from bench.arrivals import SHAPES
from bench.stack import WEB_SERVERS, Servers, free_port
from portal.services import version_line


class Part(NamedTuple):
    about: str
    seconds: int
    is_asked_by_name: bool = False


PARTS = {
    "pgbench": Part("what PostgreSQL can do here: reads and small writes, without any portal", 60),
    "start": Part("a web process, from its start to the first page", 60),
    "pages": Part('list and session pages for anybody, beside "hello"', 180),
    "journey": Part("one whole sign-up, one at a time and 32 at once, beside the floor app", 300),
    "full": Part('somebody told "full", and somebody who joins the line', 180),
    "rush": Part("2,000 visitors in one second want 960 places; memory after it; plots", 420),
    "offers": Part("ten freed places with 1,000 and 100,000 waiting", 300),
    "mail": Part("handing over 960, 10,000 and 100,000 reminders", 900, is_asked_by_name=True),
    "growing": Part("two hosts on one database, and one of them falls", 300, is_asked_by_name=True),
    "pgbouncer": Part("the same through a PgBouncer in transaction mode", 300, is_asked_by_name=True),
    "bots": Part("a program that asks for the form 200 times a second, beside people", 300, is_asked_by_name=True),
    "replica": Part("a read replica while people sign up: its lag and its cost", 120, is_asked_by_name=True),
    "simulate": Part(
        "100,000 in ten minutes, ten and a thousand times the rush, in virtual time", 600, is_asked_by_name=True
    ),
    "waitlist": Part("what long lines cost, statement by statement", 900, is_asked_by_name=True),
}


class OutOfTime(Exception):
    """A part took longer than it may."""


def main() -> int:
    asked = arguments()
    names = asked.parts or [name for name, part in PARTS.items() if not part.is_asked_by_name]
    if not asked.parts:
        print(overview(), flush=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    began = datetime.now(UTC)
    servers = Servers()
    try:
        set_up(servers)
        return run_parts(servers, names, asked, began=began)
    except KeyboardInterrupt:
        return 130
    finally:
        servers.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Without a part: all that are not marked 'by name'.",
        epilog=overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--web", default="gunicorn", help=f"{' or '.join(WEB_SERVERS)}, or a command with {{port}}")
    parser.add_argument("--visitors", type=int, default=2000, help="of the rush")
    parser.add_argument("--arrivals", choices=SHAPES, default="second", help="of the rush")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds a visitor waits for all of it")
    parser.add_argument("--think", type=float, default=3.0, help="seconds of the rush's quickest visitor for the form")
    parser.add_argument("--statements", action="store_true", help="list what was asked of the database")
    parser.add_argument("--no-file", action="store_true", help="write nothing to bench/results")
    asked = parser.parse_args()
    if unknown := [name for name in asked.parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]}")
    return asked


def overview() -> str:
    lines = [
        f"  {name:<9} {part.about} (at most {part.seconds // 60} min{', by name' * part.is_asked_by_name})"
        for name, part in PARTS.items()
    ]
    return "\n".join(["parts:", *lines])


def set_up(servers: Servers) -> None:
    """Django in this process too, with the keys and the database of the web processes."""
    os.environ |= servers.environment(port=free_port()) | {"DATABASE_TIMEOUTS": "off"}
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    if servers.has_statistics:
        importlib.import_module("bench.statements").make_roles()


def run_parts(servers: Servers, names: list[str], asked: argparse.Namespace, *, began: datetime) -> int:
    """Modules that need Django are read here, once it is set up."""
    connection = importlib.import_module("django.db").connection
    shell = {name: value for name, value in os.environ.items() if name != "DATABASE_TIMEOUTS"}
    run = importlib.import_module("bench.run").Run(servers, shell, asked)
    figures: list[report.Figure] = []
    try:
        for name in names:
            print(f"-- {name}: {PARTS[name].about}", flush=True)
            try:
                with at_most(PARTS[name].seconds):
                    figures += importlib.import_module(f"bench.parts.{name}").measure(run)
            except OutOfTime:
                figures.append(report.Figure(name, f"not done in {PARTS[name].seconds} s", is_reached=False))
    finally:
        connection.close()
    if figures:
        print(f"\n{report.table(figures)}", flush=True)
        if not asked.no_file:
            about = report.machine(
                version_line(servers.postgres.binaries / "postgres"), version_line(servers.broker.binary)
            )
            which = "" if not asked.parts else "-" + "-".join(names)
            print(report.write(figures, run.notes, about=about, began=began, name=which))
    return 0


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
