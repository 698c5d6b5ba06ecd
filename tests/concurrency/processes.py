"""Real processes beside a test, each with connections of its own to the test's database."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.synchronize import Barrier
from typing import Any

from django.db import connection

from tests.concurrency.threads import PATIENCE

# Where the processes of one call meet; each of them is given it when it begins.
_meeting: list[Barrier] = []


def in_processes(*jobs: Callable[[], Any]) -> list[Any]:
    """Run the jobs in a process each, released together; returns what each returned, in their order.

    A job is a function of a module, or a partial of one. A failure is raised.
    """
    # A fork of ours would share our connections; these are forks of one that has set Django up and opened none.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["tests.concurrency.django_set_up"])
    meeting = fresh.Barrier(len(jobs))
    begins = (connection.settings_dict["NAME"], meeting)
    with ProcessPoolExecutor(len(jobs), fresh, initializer=_begin, initargs=begins) as processes:
        running = [processes.submit(_run, job) for job in jobs]
        for ended in as_completed(running):
            ended.result()  # The first failure, and not what it did to the others.
        return [ended.result() for ended in running]


def meet() -> None:
    """Wait here until all processes of the call do."""
    _meeting[0].wait(PATIENCE)


def _begin(database: str, meeting: Barrier) -> None:
    connection.settings_dict["NAME"] = database
    _meeting.append(meeting)


def _run(job: Callable[[], Any]) -> Any:
    try:
        meet()
        return job()
    except BaseException:
        _meeting[0].abort()  # Nobody waits for us.
        raise
