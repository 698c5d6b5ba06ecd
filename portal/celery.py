"""The Celery app. What is due stands in rows; this is only how somebody hears of it soon."""

import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging, worker_before_create_process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

STEPS_BACK = 10

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


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
