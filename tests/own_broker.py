"""Loaded before the settings: in a parallel run each pytest worker has queues and a cache of its own on the broker.

Otherwise the Celery worker of one test would take the messages of another.
"""

import os
from urllib.parse import urlsplit

# The queue has one database of the broker and the cache the next.
DATABASES_EACH = 2


def own_url(url: str, worker: str) -> str:
    """``worker`` is pytest-xdist's name for it: gw0, gw1."""
    parts = urlsplit(url)
    number = DATABASES_EACH * int(worker.removeprefix("gw"))
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return parts._replace(path=f"/{number}").geturl()


if (name := os.environ.get("PYTEST_XDIST_WORKER")) and "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = own_url(os.environ["REDIS_URL"], name)
