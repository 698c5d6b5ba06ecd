"""Real processes beside a test, each with connections of its own to the test's database."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.synchronize import Barrier
from typing import Any

import django

from tests.concurrency.threads import PATIENCE
from tests.processes import database_url

# Where the processes of one call meet; each of them is given it when it begins.
_meeting: list[Barrier] = []


def in_processes(*jobs: Callable[[], Any]) -> list[Any]:
    """Run the jobs in a process each, released together; returns what each returned, in their order.

    A job is a function of a module, or a partial of one: it is read once Django is set up. A failure is raised.
    """
    fresh = multiprocessing.get_context("spawn")  # A fork would share our connections.
    meeting = fresh.Barrier(len(jobs))
    with ProcessPoolExecutor(len(jobs), fresh, initializer=_begin, initargs=(database_url(), meeting)) as processes:
        running = [processes.submit(_run, job) for job in jobs]
        for ended in as_completed(running):
            ended.result()  # The first failure, and not what it did to the others.
        return [ended.result() for ended in running]


def meet() -> None:
    """Wait here until all processes of the call do."""
    _meeting[0].wait(PATIENCE)


def _begin(url: str, meeting: Barrier) -> None:
    os.environ["DATABASE_URL"] = url
    _meeting.append(meeting)
    django.setup()


def _run(job: Callable[[], Any]) -> Any:
    try:
        meet()
        return job()
    except BaseException:
        _meeting[0].abort()  # Nobody waits for us.
        raise
