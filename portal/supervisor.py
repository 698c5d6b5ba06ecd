"""Keep a few children running and end them in order. One thread, standard library only.

A child that ends is started again, later each time it ends soon after its start. The first Ctrl-C asks all to stop,
one after the other; the second one kills.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import TextIO

from portal.processes import Child

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
# Who ran this long has proved itself: its next wait is the first one again.
STEADY_AFTER = 20.0
LOOK_AGAIN_AFTER = 0.2


@dataclass
class Job:
    """A command that shall run all the time, and how long it may take to end."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    patience: float = 5.0
    child: Child | None = None
    started_at: float = 0.0
    wait: float = FIRST_WAIT
    start_again_at: float = 0.0
    unfinished_line: bytes = field(default=b"", repr=False)


class Supervisor:
    """Starts jobs in the order given to `run`; stops them in the order of `stop_order`."""

    def __init__(self, *, terminal: TextIO = sys.stdout) -> None:
        self.jobs: dict[str, Job] = {}
        self.selector = selectors.DefaultSelector()
        self.terminal = terminal
        self.interrupts = 0

    def listen_for_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.count_interrupt)

    def count_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupts += 1

    @property
    def is_asked_to_stop(self) -> bool:
        return self.interrupts > 0

    def start(self, job: Job) -> None:
        self.jobs[job.name] = job
        job.child = Child(job.command, environment=job.environment)
        job.started_at = time.monotonic()
        output = job.child.process.stdout
        if output:
            os.set_blocking(output.fileno(), False)
            self.selector.register(output, selectors.EVENT_READ, job)

    def run(self, *, each_round: Callable[[], None] = lambda: None) -> None:
        """Look after the jobs until somebody asks us to stop."""
        while not self.is_asked_to_stop:
            self.pass_on_output(at_most=LOOK_AGAIN_AFTER)
            self.revive()
            each_round()

    def revive(self) -> None:
        now = time.monotonic()
        for job in self.jobs.values():
            if job.child is None:
                if now >= job.start_again_at:
                    self.start(job)
            elif not job.child.is_running():
                code = job.child.process.returncode
                self.bury(job)
                if now - job.started_at > STEADY_AFTER:
                    job.wait = FIRST_WAIT
                job.start_again_at = now + job.wait
                self.say(f"{job.name} {how_it_ended(code)}; it starts again in {job.wait:g} s.")
                job.wait = min(job.wait * 2, LONGEST_WAIT)

    def bury(self, job: Job) -> None:
        """Read its last words, and end what its group left behind: a killed master leaves its children."""
        if job.child is None:
            return
        job.child.kill()
        output = job.child.process.stdout
        if output:
            self.read(job)
            self.selector.unregister(output)
            output.close()
        job.child = None
        job.unfinished_line = b""

    def stop(self, names: Sequence[str]) -> None:
        """End the jobs one after the other, passing on what they still say. A second interrupt ends patience."""
        for job in [self.jobs[name] for name in names if name in self.jobs]:
            if job.child:
                job.child.ask_to_stop()
                ends = time.monotonic() + job.patience
                while job.child.is_running() and time.monotonic() < ends and self.interrupts < 2:
                    self.pass_on_output(at_most=0.05)
                self.bury(job)
            del self.jobs[job.name]

    def pass_on_output(self, *, at_most: float) -> None:
        if not self.selector.get_map():
            time.sleep(at_most)
            return
        for key, _events in self.selector.select(timeout=at_most):
            job: Job = key.data
            if not self.read(job):
                time.sleep(0.01)  # its end of the pipe is closed, and stays readable until the job is buried

    def read(self, job: Job) -> bool:
        """Print the whole lines it has said; say whether there may be more."""
        output = job.child.process.stdout if job.child else None
        if output is None:
            return False
        try:
            said = os.read(output.fileno(), 65536)
        except BlockingIOError:
            return True
        *lines, job.unfinished_line = (job.unfinished_line + said).split(b"\n")
        if not said and job.unfinished_line:
            lines, job.unfinished_line = [*lines, job.unfinished_line], b""
        for line in filter(bytes.strip, lines):
            self.say(f"{job.name:<6} | {line.decode(errors='replace')}")
        return bool(said)

    def say(self, line: str) -> None:
        print(line, file=self.terminal, flush=True)


def how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
