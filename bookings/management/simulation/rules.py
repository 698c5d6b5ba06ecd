"""The rules that are compared, as values of the constants that the real rule reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from bookings.domain import offers, waitlist
from bookings.models import Party

NEVER = timedelta()
ALWAYS = timedelta(days=365)


@dataclass(frozen=True)
class Rule:
    """``fills_gaps`` and ``last_call`` count back from the moment the roster locks.

    Without a last call offers have their usual length to the end, and short notice means nothing.
    """

    name: str
    fills_gaps: timedelta
    last_call: timedelta

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Only in a process, or a test, that serves no real line meanwhile."""
        before = waitlist.FILLS_GAPS, offers.LAST_CALL
        waitlist.FILLS_GAPS, offers.LAST_CALL = self.fills_gaps, self.last_call
        if self.last_call == NEVER:
            Party.objects.update(short_notice=False)
        try:
            yield
        finally:
            waitlist.FILLS_GAPS, offers.LAST_CALL = before


STRICT_ORDER = Rule("strict order", fills_gaps=NEVER, last_call=NEVER)
FIRST_THAT_FITS = Rule("first that fits", fills_gaps=ALWAYS, last_call=NEVER)


def ours(hours: int) -> Rule:
    last_call = timedelta(hours=hours)
    return Rule(f"ours, {hours} h of last call", fills_gaps=last_call, last_call=last_call)


def compared(hours: Sequence[int]) -> list[Rule]:
    return [STRICT_ORDER, FIRST_THAT_FITS, *map(ours, hours)]
