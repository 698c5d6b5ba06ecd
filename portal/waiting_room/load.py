"""How sign-up requests go in this process: how many are under way, and how many were slow since somebody asked."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import NamedTuple

from portal.waiting_room.pace import LATE, SLOW


class Told(NamedTuple):
    """What the line hears with every question: by whom, and how it went there since the last one."""

    process: str
    requests: int
    slow: int
    late: int = 0
    longest: float = 0.0


class Load:
    """A request is slow that takes long, the time included for which it ``waited`` outside for a free thread, and late
    if it waited long. Where nobody can say that, ``at_once`` under way is busy: whoever finds it so counts as slow,
    however quick it is itself.
    """

    def __init__(self) -> None:
        self.under_way = 0
        self.count = 0
        self.slow = 0
        self.late = 0
        self.longest = 0.0
        self._lock = Lock()

    @contextmanager
    def one_more(self, *, at_once: int, waited: float | None = None) -> Iterator[None]:
        begun = monotonic() - (waited or 0.0)
        with self._lock:
            found_busy = waited is None and self.under_way >= at_once
            self.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1
                self.count += 1
                taken = monotonic() - begun
                self.slow += found_busy or taken > SLOW
                self.late += (waited or 0.0) > LATE
                self.longest = max(self.longest, taken)

    def turned_away(self) -> None:
        """A 503 from within counts as slow."""
        with self._lock:
            self.slow += 1

    def is_full(self, *, at_once: int) -> bool:
        return self.under_way >= at_once

    def take(self) -> Told:
        """How many there were, how many of them slow, how many of these late, and how long one took; counted once."""
        with self._lock:
            told = Told(f"{socket.gethostname()} {os.getpid()}", self.count, self.slow, self.late, self.longest)
            self.count = self.slow = self.late = 0
            self.longest = 0.0
        return told
