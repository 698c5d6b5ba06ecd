import io
import os
import signal
import sys
import time

import pytest

from portal.supervisor import Job, Supervisor

pytestmark = pytest.mark.any_database

STAYS = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]
ENDS = [sys.executable, "-c", "raise SystemExit(3)"]
IGNORES_TERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)",
]


@pytest.fixture
def terminal():
    return io.StringIO()


@pytest.fixture
def supervisor(terminal):
    supervisor = Supervisor(terminal=terminal)
    yield supervisor
    supervisor.interrupts += 1
    supervisor.stop(list(supervisor.jobs))


def look_after_until(supervisor, condition, *, at_most=120.0):
    ends = time.monotonic() + at_most
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        supervisor.pass_on_output(at_most=0.05)
        supervisor.revive()


def make_job(command, name="clock", patience=5.0):
    return Job(name, command, dict(os.environ), patience=patience)


def test_a_killed_child_is_started_again(supervisor, terminal):
    job = make_job(STAYS)
    supervisor.start(job)
    look_after_until(supervisor, lambda: "clock  | here" in terminal.getvalue())
    first = job.child.pid

    os.kill(first, signal.SIGKILL)
    look_after_until(supervisor, lambda: terminal.getvalue().count("clock  | here") == 2)

    assert job.child.pid != first
    assert "clock was killed by signal 9; it starts again in 0.5 s." in terminal.getvalue()


def test_one_that_keeps_ending_is_started_later_each_time(supervisor, terminal):
    supervisor.start(make_job(ENDS))
    look_after_until(supervisor, lambda: "in 2 s" in terminal.getvalue())
    said = terminal.getvalue().splitlines()
    assert said == [f"clock ended with code 3; it starts again in {wait} s." for wait in ("0.5", "1", "2")]


def test_stopping_ends_all_in_the_given_order(supervisor):
    jobs = [make_job(STAYS, name) for name in ("broker", "web")]
    for job in jobs:
        supervisor.start(job)
    pids = [job.child.pid for job in jobs]
    supervisor.stop(["web", "broker"])
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_that_will_not_stop_is_killed_when_patience_ends(supervisor, terminal):
    job = make_job(IGNORES_TERM, patience=0.3)
    supervisor.start(job)
    look_after_until(supervisor, lambda: "here" in terminal.getvalue())
    pid = job.child.pid
    began = time.monotonic()
    supervisor.stop(["clock"])
    assert time.monotonic() - began < 300, "it ended by itself"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_second_interrupt_kills_at_once(supervisor, terminal):
    job = make_job(IGNORES_TERM, patience=600)
    supervisor.start(job)
    look_after_until(supervisor, lambda: "here" in terminal.getvalue())
    pid = job.child.pid
    began = time.monotonic()
    # Both may have come before the loop looks up.
    supervisor.count_interrupt(signal.SIGINT, None)
    supervisor.count_interrupt(signal.SIGINT, None)
    supervisor.stop(["clock"])
    assert time.monotonic() - began < 300, "it was waited for"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
