"""Children that cannot outlive us, each in its own process group. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parent.parent


class Child:
    """One running command. Its own process group keeps the terminal's Ctrl-C from it: we say when it ends."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = subprocess.PIPE,
        user: int | None = None,
    ) -> None:
        lifeline, self._our_end = os.pipe()
        tether = [sys.executable, "-m", "portal.tether", str(lifeline), "-" if user is None else str(user), "--"]
        self.process = subprocess.Popen(
            [*tether, *map(str, command)],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lifeline],
            start_new_session=True,
        )
        os.close(lifeline)

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.is_running():
            self.process.terminate()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def stop(self, *, patience: float) -> None:
        """End it, and whatever it left in its group, after at most `patience` seconds."""
        self.ask_to_stop()
        try:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=patience)
        finally:
            self.kill()

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._our_end >= 0:
            os.close(self._our_end)
            self._our_end = -1


def wait_until(condition: Callable[[], bool], *, at_most: float) -> bool:
    """Look again every few milliseconds until it holds; say whether it did in time."""
    ends = time.monotonic() + at_most
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True
