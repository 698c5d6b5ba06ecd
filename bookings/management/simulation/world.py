"""A database that exists only in the memory of this thread, in place of the house's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.utils import ConnectionHandler

IN_MEMORY = {DEFAULT_DB_ALIAS: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}


@contextmanager
def own_world() -> Iterator[None]:
    """Whatever this thread asks the default database goes to empty tables in memory, and no worker is told of it."""
    ours, theirs = ConnectionHandler(IN_MEMORY)[DEFAULT_DB_ALIAS], connections[DEFAULT_DB_ALIAS]
    broker_url = current_app.conf.broker_url
    connections[DEFAULT_DB_ALIAS] = ours
    current_app.conf.broker_url = ""
    try:
        _make_tables()
        yield
    finally:
        current_app.conf.broker_url = broker_url
        connections[DEFAULT_DB_ALIAS] = theirs
        ours.close()


def _make_tables() -> None:
    """Straight from the models: migrations would take seconds for each world and leave the same tables."""
    with connection.schema_editor() as editor:
        for model in apps.get_app_config("bookings").get_models():
            editor.create_model(model)
