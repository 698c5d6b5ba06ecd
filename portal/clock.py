"""Beat's own Celery app: `celery -A portal.clock beat`. It calls tasks by name and reads settings, and nothing else:
without Django's apps it takes half the memory. What is called is done by workers, `celery -A portal worker`.
"""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Without the fixup that would load Django.
app = Celery("portal.clock", fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect(weak=False)
def log_as_configured(**_arguments: Any) -> None:
    """What `django.setup` does elsewhere."""
    logging.config.dictConfig(settings.LOGGING)
