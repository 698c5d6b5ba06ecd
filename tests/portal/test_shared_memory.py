"""Web processes are forked from one that has loaded the portal: what would not survive that must not be there yet."""

import subprocess
import sys

import pytest

from portal.processes import PROJECT

pytestmark = pytest.mark.any_database

LOOK = """
import threading
import portal.wsgi
from django.db import connections
from django.urls import get_resolver
from portal.shared import shared_redis
get_resolver().url_patterns
opened = [each.alias for each in connections.all() if each.connection or getattr(each, "_connection_pools", {})]
print(opened, shared_redis.cache_info().currsize, threading.active_count())
"""


def test_nothing_is_open_when_the_web_processes_part():
    looked = subprocess.run([sys.executable, "-c", LOOK], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert looked.stdout == "[] 0 1\n"


def test_gunicorn_loads_the_portal_before_its_processes_part():
    said = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--print-config", "portal.wsgi"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert [line.split() for line in said if line.startswith("preload_app ")] == [["preload_app", "=", "True"]]
