"""The opening in small: real web processes, one of which is killed, and visitors who do as browsers do.

No moment is asserted: `python -m bench rush` measures, this says that it is right.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db.models import Sum
from django.utils import timezone

from bench.visitors import Crowd, Visitor, come
from bookings.domain.invariants import broken_promises
from bookings.models import Booking, BookingStatus, Notice, Party, TourSession
from tests.concurrency.test_one_session import LIMITS, change_schema
from tests.factories import DAY, make_house, make_season, make_session, make_tour
from tests.processes import COMMANDS, Processes, processes, wait_until
from tests.rush import loop
from tests.stamps import older

VISITORS, WORKERS, THREADS = 120, 3, 4
PATIENCE = 300.0


@pytest.fixture
def sessions(transactional_db: None) -> list[TourSession]:
    return make_sessions(capacity=20)


def make_sessions(*, capacity: int) -> list[TourSession]:
    make_house()
    now = timezone.now()
    season = make_season(tour=make_tour(), opens_at=now - timedelta(hours=1), closes_at=now + 60 * DAY)
    return [make_session(season=season, starts_at=now + day * DAY, capacity=capacity) for day in (30, 31)]


@contextmanager
def serving(
    folder: Path, application: str, monkeypatch: pytest.MonkeyPatch, *, by: int = WORKERS
) -> Iterator[Processes]:
    """Web processes alone; each visitor comes with an address of its own."""
    server = ["gunicorn", application, "--no-control-socket", "--bind", "127.0.0.1:{port}"]
    server += ["--workers", str(by), "--worker-class", "gthread", "--threads", str(THREADS)]
    monkeypatch.setitem(COMMANDS, "web", server)
    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("THREADS_OF_A_WEB_PROCESS", str(THREADS))
    with processes(folder, "web", email_url="smtp://127.0.0.1:9") as running:
        running.wait_for_web()
        wait_until(lambda: len(workers(running)) == by, what="all web processes")
        yield running


def workers(running: Processes) -> list[psutil.Process]:
    return list(psutil.Process(running.running["web"].pid).children())


def parties_for(sessions: list[TourSession], *sizes: int, count: int = VISITORS, twice: int = 0) -> list[Visitor]:
    """Every so many presses ``twice``."""
    return [
        Visitor(
            number,
            sizes[number // len(sessions) % len(sizes)],
            session=sessions[number % len(sessions)].pk,
            patience=PATIENCE,
            presses=1 + bool(twice and number % twice == 0),
        )
        for number in range(count)
    ]


async def everybody_comes(running: Processes, visitors: list[Visitor]) -> None:
    """All at once."""
    await come(Crowd("127.0.0.1", running.port, older=older), visitors, [0.0] * len(visitors))


async def everybody_comes_and_one_process_is_killed(running: Processes, visitors: list[Visitor]) -> int:
    """When some have their answer and most have not: how many those are."""
    crowd = asyncio.ensure_future(everybody_comes(running, visitors))
    while (answered := sum(bool(visitor.answered) for visitor in visitors)) < VISITORS // 6 and not crowd.done():
        await asyncio.sleep(0.01)
    os.kill(workers(running)[0].pid, signal.SIGKILL)
    await crowd
    return VISITORS - answered


def held(session: TourSession) -> int:
    return session.bookings.holding().aggregate(places=Sum("places"))["places"] or 0


def test_every_acknowledged_sign_up_stands_once_though_a_web_process_is_killed(
    tmp_path: Path, sessions: list[TourSession], monkeypatch: pytest.MonkeyPatch
):
    visitors = parties_for(sessions, 1, 2, 3, twice=5)

    with serving(tmp_path, "portal.wsgi", monkeypatch) as running:
        without_answer = loop.run(everybody_comes_and_one_process_is_killed(running, visitors))

    assert without_answer > 0
    assert Counter(visitor.outcome for visitor in visitors) == {"asked": VISITORS}
    assert Counter(Party.objects.values_list("email", flat=True)) == Counter(visitor.email for visitor in visitors)
    assert Counter(Booking.objects.values_list("party__email", "session")) == Counter(
        (visitor.email, visitor.session) for visitor in visitors
    )
    assert Counter(Notice.objects.values_list("party", flat=True)) == Counter(
        Party.objects.values_list("pk", flat=True)
    )
    assert list(broken_promises(now=timezone.now())) == []
    for session in TourSession.objects.all():
        assert session.places_held == held(session) <= session.capacity
        waiting = session.bookings.filter(status=BookingStatus.WAITING).order_by("queue_number")
        assert [booking.queue_number for booking in waiting] == list(range(1, len(waiting) + 1))
        assert list(waiting) == sorted(waiting, key=lambda booking: booking.pk)
        assert not any(session.room_for(booking.places) for booking in waiting), "nobody who fits was refused"


@pytest.fixture
def without_limits(transactional_db: None) -> Iterator[None]:
    """The table without its two CHECKs, for one test."""
    limits = [constraint for constraint in TourSession._meta.constraints if constraint.name in LIMITS]
    change_schema("remove_constraint", limits)
    yield
    Booking.objects.all().delete()
    TourSession.objects.all().delete()
    change_schema("add_constraint", limits)


@pytest.mark.postgres
@pytest.mark.usefixtures("without_limits")
def test_twin_without_predicate_and_constraint_it_oversells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the four threads of one process two at least want the same session, and both have read that there is room."""
    sessions = make_sessions(capacity=3)
    visitors = parties_for(sessions, 2, 3, count=VISITORS // 2)

    with serving(tmp_path, "tests.rush.naive", monkeypatch, by=1) as running:
        loop.run(everybody_comes(running, visitors))

    assert max(held(session) for session in sessions) > 3
