import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from tests.conftest import broker_info


@pytest.mark.django_db
def test_the_tests_run_on_the_database_they_were_started_for():
    assert connection.vendor == os.environ["PORTAL_TEST_DATABASE"]


def test_a_real_broker_answers():
    assert broker_info()["redis_version"]
    assert settings.BROKER_AVAILABLE


def test_the_cache_lives_beside_the_queue_and_not_in_it():
    cache.set("kept", "for a while", timeout=10)
    assert cache.get("kept") == "for a while"


@pytest.mark.django_db
def test_sqlite_runs_as_in_production():
    if connection.vendor != "sqlite":
        assert connection.vendor == "postgresql"
        return
    with connection.cursor() as cursor:
        pragmas = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
        file = cursor.execute("PRAGMA database_list").fetchone()[2]
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert Path(file).is_file()
    assert settings.DATABASES["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
