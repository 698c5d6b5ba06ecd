import subprocess
import sys
from pathlib import Path

import pytest

from portal.celery import STEPS_BACK
from portal.processes import PROJECT

pytestmark = pytest.mark.any_database

AUTOGROUP = Path("/proc/self/autogroup")
# How much its nice value grows, and that of its session where the system has one. Where nobody ever led a session, as
# in some containers, the file is there and empty.
WORKER = """
import os, pathlib
from portal.celery import let_visitors_go_first
def nice():
    yield os.nice(0)
    if pathlib.Path("/proc/self/autogroup").exists():
        yield int((pathlib.Path("/proc/self/autogroup").read_text().split() or [0])[-1])
before = list(nice())
let_visitors_go_first()
print([now - then for now, then in zip(nice(), before)])
"""


@pytest.mark.parametrize(("leads", "session"), [(True, STEPS_BACK), (False, 0)], ids=["its own", "somebody's terminal"])
def test_a_worker_steps_back_behind_the_web_processes_and_takes_nobody_with_it(leads, session):
    told = subprocess.check_output(
        [sys.executable, "-c", WORKER], cwd=PROJECT, text=True, start_new_session=leads, timeout=60
    )
    assert told.strip() == str([STEPS_BACK, session] if AUTOGROUP.exists() else [STEPS_BACK])
