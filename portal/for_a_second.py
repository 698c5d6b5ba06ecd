"""What stands on every page and changes once a year: asked of the database once a second by each process."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.conf import settings

Answer = TypeVar("Answer")


class ForASecond(Generic[Answer]):
    """The answer to a question, at most a second old. Two threads may ask at once, which is cheap."""

    def __init__(self, question: Callable[[], Answer], clock: Callable[[], float] = time.monotonic) -> None:
        self.question = question
        self.clock = clock
        self._last: tuple[float, Answer] | None = None

    def __call__(self) -> Answer:
        if not settings.KEEP_PAGES:
            return self.question()
        now, last = self.clock(), self._last
        if last is None or now - last[0] >= 1:
            self._last = last = now, self.question()
        return last[1]
