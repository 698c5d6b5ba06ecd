"""The Celery app. What is due stands in rows; this is only how somebody hears of it soon."""

import gc
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.signals import celeryd_init, setup_logging, task_prerun, worker_before_create_process
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection
from psycopg.pq import TransactionStatus

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

STEPS_BACK = 10

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Celery would close the connection to the database before and after each task, and opening one costs a worker and
# PostgreSQL more than most tasks do. So it is closed after so many.
app.add_defaults({"CELERY_DB_REUSE_MAX": 1000})


@setup_logging.connect(weak=False)
def keep_logging_as_configured(**_arguments: Any) -> None:
    """A receiver is enough: Celery then leaves to the settings what is logged, how, and where to."""


@celeryd_init.connect(weak=False)
def let_visitors_go_first(**_arguments: Any) -> None:
    """Mail can wait a moment and visitors cannot: where both want the machine, a worker gets a tenth of it. Alone it is
    no slower for that.

    Where Linux shares the machine among sessions first (autogroup), a nice value counts within a session only, and a
    worker that was started by a supervisor leads one of its own. In somebody's terminal it weighs nobody else.
    """
    os.nice(STEPS_BACK)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(STEPS_BACK))


@worker_before_create_process.connect(weak=False)
def share_what_is_loaded(**_arguments: Any) -> None:
    """Memory: a worker's processes share what stood before the fork as long as nobody writes there, and the collector
    would write into each object that it looks at."""
    gc.collect()
    gc.freeze()


@task_prerun.connect(weak=False)
def leave_a_connection_that_has_ended(sender: Task[..., Any], **_arguments: Any) -> None:
    """PostgreSQL was started again meanwhile, or a task was stopped in the middle of a statement. It is seen without a
    statement."""
    if not sender.request.is_eager:
        for connection in connections.all(initialized_only=True):
            if has_ended(connection):
                connection.close()


def has_ended(connection: BaseDatabaseWrapper) -> bool:
    """Between two tasks the other end says nothing, but goodbye."""
    line = connection.connection
    if not isinstance(line, Connection):
        return connection.errors_occurred
    if line.closed or connection.errors_occurred or line.info.transaction_status != TransactionStatus.IDLE:
        return True
    asked = select.poll()
    asked.register(line.fileno(), select.POLLIN)
    return bool(asked.poll(0))
