"""Beat's own Celery app: `python -m portal.clock`. It calls tasks by name and reads settings, and nothing else:
without Django's apps, and without Celery's command line, it takes half the memory. What is called is done by workers.
"""

import argparse
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m portal.clock", description="Say when something is due.")
    parser.add_argument("--schedule", default="beat-schedule", help="the file that remembers what was called when")
    asked = parser.parse_args()
    app.Beat(schedule=asked.schedule, quiet=True).run()


if __name__ == "__main__":
    main()
