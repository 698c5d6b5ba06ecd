"""Which process is at work, so that another one on the same machine can tell when it is gone."""

import os
import platform
from functools import cache
from pathlib import Path

PROCESSES = Path("/proc")


def this_worker() -> str:
    """The name of this process, used by no other one as long as it lives."""
    return f"{_machine()}/{os.getpid()}"


def is_gone(worker: str) -> bool:
    """Whether it surely works no more: of a process of another machine, or of one that has no name, nobody knows."""
    machine, _, number = worker.rpartition("/")
    if machine != _machine() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _has_ended(int(number))


def _has_ended(number: int) -> bool:
    """Whoever was killed keeps its number until its parent has asked how it ended."""
    try:
        told = (PROCESSES / str(number) / "stat").read_text()
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] == "Z"


@cache
def _machine() -> str:
    """This start of this machine, and the space in which its processes are numbered: containers have their own."""
    try:
        start = (PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
        return f"{start}/{(PROCESSES / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return platform.node()
