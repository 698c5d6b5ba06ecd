"""Real threads, each with a connection of its own. Nobody sleeps: threads meet at barriers."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, connections

PATIENCE = 180


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run the jobs in a thread each, released together; returns what each returned or raised, in their order."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            start.wait(PATIENCE)
            return job()
        except Exception as failure:
            return failure
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def spread(jobs: Iterable[Callable[[], Any]], *, threads: int) -> list[Any]:
    """Deal the jobs to this many threads, released together; each works through its share in order."""
    jobs = list(jobs)

    def work_through(share: list[Callable[[], Any]]) -> Callable[[], list[Any]]:
        def work() -> list[Any]:
            done = []
            for job in share:
                try:
                    done.append(job())
                except Exception as failure:
                    done.append(failure)
            return done

        return work

    shares = at_once(*(work_through(jobs[number::threads]) for number in range(threads)))
    return [outcome for share in shares for outcome in share]
