"""The Celery app. What is due stands in rows; this is only how somebody hears of it soon."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect(weak=False)
def keep_logging_as_configured(**_arguments: Any) -> None:
    """A receiver is enough: Celery then leaves to the settings what is logged, how, and where to."""
