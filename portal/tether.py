"""Run a command that dies with its parent: `python -m portal.tether LIFELINE USER -- COMMAND ...`

LIFELINE is the reading end of a pipe whose writing end only the parent holds. Linux tells a child of its parent's death
by itself, so there the command simply takes this process over. Elsewhere this process stays, and the end of the pipe is
the news. USER is a number, or `-` to stay who we are: PostgreSQL refuses to run as root. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    lifeline, user, _dashes, *command = arguments
    if user != "-":
        give_up_root(int(user))
    if sys.platform == "linux":
        become(command, lifeline=int(lifeline))
    return stay_beside(command, lifeline=int(lifeline))


def give_up_root(user: int) -> None:
    os.chdir("/")
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def become(command: Sequence[str], *, lifeline: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if not parent_lives(lifeline):
        sys.exit(1)
    os.close(lifeline)
    os.execvp(command[0], list(command))  # noqa: S606


def parent_lives(lifeline: int) -> bool:
    """Nothing is ever written to the pipe, so readable means that its other end was closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(lifeline, selectors.EVENT_READ)
        return not selector.select(timeout=0)


def stay_beside(command: Sequence[str], *, lifeline: int) -> int:
    child = subprocess.Popen(command)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    def end_with_parent() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, pass_on)
    threading.Thread(target=end_with_parent, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
