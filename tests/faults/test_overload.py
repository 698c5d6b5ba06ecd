"""In the middle of a small rush the database restarts, Redis goes, a web worker is killed: nobody is told a failure,
whoever was told yes is in, and it all comes back by itself."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bookings.models import TourSession
from portal.services import Broker, PostgresServer, find_broker, start_postgres
from tests.factories import make_house, make_season, make_session, make_tour
from tests.processes import Processes, processes, wait_until
from tests.visitor import Visitor

PARTIES = 60
AT_ONCE = 8

PREPARE = """
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
from tests.factories import make_house, make_season, make_session, make_tour
call_command("migrate", verbosity=0)
make_house()
now = timezone.now()
season = make_season(tour=make_tour(), opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=60))
print(make_session(season=season, capacity=40, starts_at=now + timedelta(days=40)).pk)
"""
TELL = """
import json
from django.utils import timezone
from bookings.domain.invariants import broken_promises
from bookings.models import Party, TourSession
session = TourSession.objects.get()
print(json.dumps({
    "emails": sorted(Party.objects.values_list("email", flat=True)),
    "held": session.places_held, "waiting": session.parties_waiting,
    "broken": [str(promise) for promise in broken_promises(now=timezone.now())],
}))
"""


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    """A server of the test's own; a commit that was answered is written, as in production."""
    server = start_postgres(synchronous_commit="on")
    yield server
    server.stop()


def run(server: PostgresServer, code: str) -> str:
    environment = {**os.environ, "DATABASE_URL": server.url, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    command = [sys.executable, "-m", "django", "shell", "--no-imports", "-c", code]
    return subprocess.run(
        command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def crash(server: PostgresServer) -> None:
    """As `pg_ctl restart --mode immediate`: everybody is cut off, nothing is put away, the log is played again."""
    assert server.child
    server.child.process.send_signal(signal.SIGQUIT)
    server.child.process.wait()
    server.launch()


def kill_one_of_the_web_workers(running: Processes) -> None:
    master = running.running["web"].pid
    first, *_others = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    os.kill(int(first), signal.SIGKILL)


def stop(broker: Broker) -> None:
    assert broker.child
    broker.child.kill()


class Rush:
    """Visitors who try again as the page says, with the form they have; what they were told is remembered."""

    def __init__(self, address: str, session: int) -> None:
        self.address = address
        self.session = session
        self.told: list[int | str] = []
        self.in_by_word: list[str] = []
        self.something = threading.Condition()

    def sign_up(self, number: int) -> None:
        visitor, email = Visitor(self.address), f"lead{number}@visitors.example"
        self.until_answered(lambda: visitor.open(f"/en/sessions/{self.session}/sign-up/"), visitor)
        form = visitor.page, visitor.url
        answers = {"size": "1", "lead_name": "Lin Xiaoyun", "email": email}

        def send() -> None:
            visitor.page, visitor.url = form
            visitor.submit(**answers)

        self.until_answered(send, visitor)
        assert visitor.url.endswith("/asked/"), visitor.page
        with self.something:
            self.in_by_word.append(email)
            self.something.notify_all()

    def until_answered(self, act: Callable[[], None], visitor: Visitor) -> None:
        def answered() -> bool:
            try:
                act()
            except (URLError, OSError):
                self.told.append("cut off")  # by a worker that died
                return False
            self.told.append(visitor.status)
            return visitor.status != 503

        wait_until(answered, what="an answer")

    def wait_for(self, acknowledged: int) -> None:
        with self.something:
            assert self.something.wait_for(lambda: len(self.in_by_word) >= acknowledged, timeout=180)


@pytest.mark.any_database
def test_a_restart_of_the_database_and_of_all_else_loses_no_sign_up(tmp_path: Path, database: PostgresServer):
    session = int(run(database, PREPARE))
    broker = find_broker(tmp_path / "broker")
    with ExitStack() as stack:
        stack.enter_context(broker)
        running = stack.enter_context(
            processes(
                tmp_path,
                "web",
                email_url="",
                redis_url=broker.url,
                **{"DATABASE_URL": database.url, "DATABASE_POOL": "on", "DATABASE_TIMEOUTS": "on"},
            )
        )
        running.wait_for_web()
        rush = Rush(running.address, session)
        with ThreadPoolExecutor(AT_ONCE) as visitors:
            under_way = [visitors.submit(rush.sign_up, number) for number in range(PARTIES)]
            rush.wait_for(10)
            crash(database)
            rush.wait_for(20)
            stop(broker)
            rush.wait_for(30)
            kill_one_of_the_web_workers(running)
            for visitor in under_way:
                visitor.result()

        everybody = sorted(f"lead{number}@visitors.example" for number in range(PARTIES))
        assert sorted(rush.in_by_word) == everybody
        assert set(rush.told) <= {200, 503, "cut off"}
        assert json.loads(run(database, TELL)) == {"emails": everybody, "held": 40, "waiting": 0, "broken": []}


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_where_no_connection_is_free_visitors_are_told_in_words(tmp_path: Path):
    """As many visitors as the pool has connections wait for a row that somebody holds; the next one reads why."""
    make_house()
    now = timezone.now()
    season = make_season(tour=make_tour(), opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=60))
    session = make_session(season=season, starts_at=now + timedelta(days=40))
    with processes(tmp_path, "crowded web", email_url="", **{"DATABASE_POOL": "on"}) as running:
        running.wait_for_web()
        rush = Rush(running.address, session.pk)
        with ThreadPoolExecutor(AT_ONCE) as visitors:
            with transaction.atomic():
                TourSession.objects.select_for_update().get(pk=session.pk)
                under_way = [visitors.submit(rush.sign_up, number) for number in range(AT_ONCE)]
                one_more = Visitor(running.address)
                wait_until(partial(is_told_busy, one_more, session), what="a pool without a connection")
            for visitor in under_way:
                visitor.result()
        assert "We cannot answer right now." in one_more.page
        assert len(rush.in_by_word) == AT_ONCE
        assert set(rush.told) <= {200, 503}


def is_told_busy(visitor: Visitor, session: TourSession) -> Any:
    visitor.open(f"/en/sessions/{session.pk}/sign-up/")
    assert visitor.status in {200, 503}, visitor.page
    return visitor.status == 503
