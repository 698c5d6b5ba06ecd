"""The connection to the database that a worker keeps from one task to the next."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.celery import has_ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture
def kept() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own, on which the last task has asked something."""
    one = connection.copy()
    with one.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield one
    one.close()


def test_a_connection_between_two_tasks_is_kept(kept: BaseDatabaseWrapper) -> None:
    assert not has_ended(kept)


def test_a_connection_that_the_server_ended_is_left(kept: BaseDatabaseWrapper) -> None:
    assert isinstance(kept.connection, psycopg.Connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [kept.connection.info.backend_pid])

    assert has_ended(kept)


def test_a_connection_whose_task_was_stopped_in_a_transaction_is_left(kept: BaseDatabaseWrapper) -> None:
    assert isinstance(kept.connection, psycopg.Connection)
    kept.connection.execute("BEGIN")

    assert has_ended(kept)


def test_a_connection_on_which_a_statement_failed_is_left(kept: BaseDatabaseWrapper) -> None:
    with pytest.raises(DatabaseError), kept.cursor() as cursor:
        cursor.execute("SELECT nothing")

    assert has_ended(kept)
