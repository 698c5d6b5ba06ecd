"""Web processes are forked from one that has loaded the portal: what would not survive that must not be there yet."""

import subprocess
import sys

import pytest

from portal.processes import PROJECT

pytestmark = pytest.mark.any_database

LOOK = """
import sys, threading
from gunicorn.app.wsgiapp import WSGIApplication
sys.argv = ["gunicorn", "portal.wsgi"]
web = WSGIApplication()
web.wsgi()
from django.db import connections
from portal.shared import shared_redis
opened = [each.alias for each in connections.all() if each.connection or getattr(each, "_connection_pools", {})]
print(web.cfg.preload_app, opened, shared_redis.cache_info().currsize, threading.active_count())
"""


def test_gunicorn_loads_the_portal_once_and_nothing_is_open_when_its_processes_part():
    looked = subprocess.run([sys.executable, "-c", LOOK], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert looked.stdout == "True [] 0 1\n"
