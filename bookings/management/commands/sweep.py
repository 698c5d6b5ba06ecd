import heapq
import logging
import signal
import threading
import time
from types import FrameType
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Do in this one process what Celery's beat and worker do together, for a machine without a broker."

    def handle(self, **_options: Any) -> None:
        current_app.loader.import_default_modules()
        schedule = settings.CELERY_BEAT_SCHEDULE.values()
        if unknown := sorted({entry["task"] for entry in schedule} - current_app.tasks.keys()):
            raise CommandError(f"The schedule names tasks that do not exist: {', '.join(unknown)}")
        stopping = threading.Event()

        def stop(_number: int, _frame: FrameType | None) -> None:
            stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        # Next time, interval, task; the soonest first.
        due = [(time.monotonic(), float(entry["schedule"]), entry["task"]) for entry in schedule]
        heapq.heapify(due)
        while not stopping.wait(timeout=max(0.0, due[0][0] - time.monotonic())):
            _at, interval, task = heapq.heappop(due)
            self.call(task)
            heapq.heappush(due, (time.monotonic() + interval, interval, task))

    def call(self, task: str) -> None:
        """A task that fails is tried again at its next time, as under Celery."""
        close_old_connections()
        try:
            current_app.tasks[task]()
        except Exception:
            logger.exception("%s failed", task)
        finally:
            close_old_connections()
