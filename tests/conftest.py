import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.utils import timezone, translation

from portal import shared
from tests.smtp import MailServer, running_mail_server


def pytest_report_header() -> list[str]:
    """What really answers, asked before the first test."""
    return [f"database: {database_version()}", f"broker: {broker_version()}"]


def database_version() -> str:
    if "PORTAL_TEST_DATABASE" not in os.environ:
        raise pytest.UsageError("The tests need their services: run `python3 manage.py test`.")
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return f"SQLite {sqlite3.sqlite_version}"
    given = settings.DATABASES["default"]
    wanted = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    with psycopg.connect(**{name: given[key] for name, key in wanted.items() if given[key]}) as connection:
        version = connection.execute("SHOW server_version").fetchone()
        assert version
        return f"PostgreSQL {version[0]}"


def broker_version() -> str:
    info = broker_info()
    name = str(info.get("server_name", "redis")).capitalize()
    return f"{name} {info.get('valkey_version') or info['redis_version']}"


def broker_info() -> dict[str, Any]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        info: dict[str, Any] = client.info("server")
        return info


# The whole suite deals its files to several processes: what takes long begins first, so that nobody is left alone with
# it in the end, and what waits stands beside what works.
BEGINS_FIRST = [
    "journeys/test_main_job.py",
    "model/test_histories.py",
    "journeys/test_moved_and_called_off.py",
    "faults/test_broker.py",
    "portal/test_visit_why_not.py",
    "faults/test_delivery.py",
    "concurrency/test_swaps.py",
    "bookings/management/test_seed_demo.py",
    "browser/test_pages.py",
    "concurrency/test_deadline.py",
    "faults/test_overload.py",
    "bookings/test_outbox_senders.py",
    "bookings/test_outbox.py",
    "rush/test_rush.py",
    "faults/test_outage.py",
    "portal/test_up.py",
    "browser/test_choices.py",
    "browser/test_flow.py",
    "browser/test_look.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {Path(__file__).parent / name: number for number, name in enumerate(BEGINS_FIRST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))


@pytest.fixture(autouse=True)
def english_and_utc() -> Iterator[None]:
    """A request leaves its language and time zone behind in its thread; the next test begins without them."""
    yield
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture(autouse=True)
def nobody_has_asked_yet() -> None:
    """What limits count stands in the Redis that all tests share, and in tests time stands still."""
    redis = shared.shared_redis()
    if redis and (kept := list(redis.scan_iter("limit:*", count=1000))):
        redis.unlink(*kept)
