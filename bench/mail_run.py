"""Measures what the part `mail` tells of: `bench.parts.mail`."""

import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from bench.cpu_split import split_of
from bookings.emails import build, building, words
from bookings.models import Notice, NoticeStatus
from bookings.outbox import claims, deliver_due, delivery, dialogue
from portal.services import find_broker
from tests.costs import analyze
from tests.factories import DAY, make_house, make_session
from tests.owed import owe_reminders
from tests.processes import processes, wait_until

BARE = 600
# From when the rows are written to when they come due: the workers are up, and look for mail.
AHEAD = timedelta(seconds=10)

HEADS = ["due", "first after", "a second", "bare", "of bare", "worker", "database", "server", "RSS before", "RSS most"]
UNITS = ["", "s", "mails", "mails", "", "CPU ms a mail", "CPU ms a mail", "CPU ms a mail", "MB", "MB"]
TARGETS = ["target", "< 1", ">= 150", "", ">= 0.40", "<= 10 in all", "", "", "", "as before"]

# Of which one process hands over so many by itself, to see what each costs.
WATCHED = 600
PARTS: dict[str, list[Callable[..., Any]]] = {
    "claiming": [claims.claim],
    "reading rows": [claims.load],
    "words": [words.words_of],
    "rendering {layout}": [building._render],
    "MIME": [delivery._as_sent],
    "putting the message together": [building.build],
    "marking as begun and sent": [claims.begin, claims.mark_sent],
    "talking SMTP": [dialogue.hand_over, dialogue.open_line],
}


class Sink(NamedTuple):
    port: int
    process: psutil.Process
    arrivals: Path

    def times(self) -> list[float]:
        return [float(line.split()[0]) for line in self.arrivals.read_text().splitlines()]


def main(sizes: Sequence[int]) -> None:
    call_command("flush", interactive=False, verbosity=0)
    make_house()
    for row in (HEADS, UNITS, TARGETS):
        print("  ".join(f"{word:>13}" for word in row))
    try:
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder, running_sink(Path(folder)) as sink:
                measure(size, Path(folder), sink)
                if size == sizes[-1]:
                    tell_the_parts(min(size, WATCHED), sink)
    finally:
        connection.close()


@contextmanager
def running_sink(folder: Path) -> Iterator[Sink]:
    process = subprocess.Popen([sys.executable, "-m", "bench.mail_sink", str(folder)])
    try:
        wait_until((folder / "port").exists, what="the port of the sink")
        yield Sink(int((folder / "port").read_text()), psutil.Process(process.pid), folder / "arrivals")
    finally:
        process.kill()
        process.wait()


def measure(size: int, folder: Path, sink: Sink) -> None:
    Notice.objects.all().delete()
    session = make_session(starts_at=timezone.now() + 20 * DAY, capacity=2 * size)
    written = timezone.now() + timedelta(days=1)
    owe_reminders(size, session=session, at=written)
    analyze()
    url = f"smtp://127.0.0.1:{sink.port}"
    bare_before = bare(sink)
    with (
        find_broker(folder / "broker") as broker,
        processes(folder, "worker", "beat", email_url=url, redis_url=broker.url) as running,
    ):
        worker = psutil.Process(running.running["worker"].pid)
        wait_until(lambda: len(worker.children()) >= 2, what="two worker processes")
        due = timezone.now() + AHEAD
        Notice.objects.update(next_attempt_at=due)
        wait_until(lambda: timezone.now() > due - timedelta(seconds=1), what="the moment")
        postgres = postgres_processes()
        before = [cpu(each) for each in ([worker, *worker.children()], postgres, [sink.process])]
        rss_before = rss_most = rss(worker)
        unsettled = Notice.objects.unsettled()
        arrived = len(sink.times())
        while unsettled.exists():
            rss_most = max(rss_most, rss(worker))
            time.sleep(0.5)
        after = [cpu(each) for each in ([worker, *worker.children()], postgres_processes(), [sink.process])]
    times = sink.times()[arrived:]
    if not Notice.objects.filter(status=NoticeStatus.SENT).count() == len(times) == size:
        raise SystemExit(f"Of {size} mails {len(times)} arrived")
    rate = (size - 1) / (times[-1] - times[0])
    bare_rate = (bare_before + bare(sink)) / 2
    each = [1000 * (late - early) / size for late, early in zip(after, before, strict=True)]
    figures = [f"{times[0] - due.timestamp():.2f}", f"{rate:.0f}", f"{bare_rate:.0f}", f"{rate / bare_rate:.2f}"]
    figures += [f"{milliseconds:.1f}" for milliseconds in each] + [f"{rss_before:.0f}", f"{rss_most:.0f}"]
    print("  ".join(f"{figure:>13}" for figure in [f"{size:,}", *figures]), flush=True)
    cores = psutil.cpu_count() or 1
    at_most = 1000 * cores / sum(each)
    print(f"{cores} cores at {sum(each):.1f} ms CPU a mail give at most {at_most:.0f} a second; reached: {rate:.0f}")


def tell_the_parts(number: int, sink: Sink) -> None:
    """What of a worker's CPU goes where: the same mails once more, handed over by this process."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    again = Notice.objects.order_by("pk").values("pk")[:number]
    fresh = {"attempts": 0, "times_begun": 0, "begun_at": None, "sent_at": None}
    Notice.objects.filter(pk__in=again).update(status=NoticeStatus.QUEUED, next_attempt_at=timezone.now(), **fresh)
    parts = split_of(lambda: deliver_due(timezone.now(), limit=number, seconds=60), PARTS)
    print(f"\nOne mail in a worker, CPU ms: {1000 * sum(parts.values()) / number:.2f}, of which")
    for name, seconds in parts.items():
        print(f"{1000 * seconds / number:>8.2f}  {name}")


def bare(sink: Sink) -> float:
    """Mails a second of one loop that only speaks to the server."""
    notice = Notice.objects.select_related("party__season__tour", "booking__session__venue").latest("pk")
    text = build(notice, now=timezone.now()).message().as_bytes()
    with smtplib.SMTP("127.0.0.1", sink.port) as server:
        begun = time.monotonic()
        for _mail in range(BARE):
            server.sendmail("visits@works.example", [notice.party.email], text)
        return BARE / (time.monotonic() - begun)


def postgres_processes() -> list[psutil.Process]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        own = psutil.Process(cursor.fetchone()[0])
    parent = own.parent()
    return [parent, *parent.children()] if parent else []


def cpu(each: list[psutil.Process]) -> float:
    """Seconds of all of them; a parent's hold those of its children that have ended."""
    spent = 0.0
    for process in each:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


def rss(worker: psutil.Process) -> float:
    """Megabytes of the larger of the worker's processes."""
    return max(float(child.memory_info().rss) for child in worker.children()) / 1e6
