"""The Celery app. What is due stands in rows; this is only how somebody hears of it soon."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging, worker_before_create_process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect(weak=False)
def keep_logging_as_configured(**_arguments: Any) -> None:
    """A receiver is enough: Celery then leaves to the settings what is logged, how, and where to."""


@celeryd_init.connect(weak=False)
def let_visitors_go_first(**_arguments: Any) -> None:
    """Mail can wait a moment and visitors cannot; alone on its machine a worker is no slower for it."""
    os.nice(5)


@worker_before_create_process.connect(weak=False)
def share_what_is_loaded(**_arguments: Any) -> None:
    """Memory: a worker's processes share what stood before the fork as long as nobody writes there, and the collector
    would write into each object that it looks at."""
    gc.collect()
    gc.freeze()
