"""The line of a session, written from DESIGN part 4 and not from the code. What is kept for first call it is told."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

AWAKE = timedelta(hours=14)  # A day, from 08:00 in venue time.
LAST_CALL = timedelta(hours=24)  # docs/decisions/0012-a-last-call-of-one-day.md
MINUTE = timedelta(minutes=1)


@dataclass(eq=False)
class Line:
    sell_limit: int
    max_parties: int
    locks_at: datetime
    zone: ZoneInfo
    numbers: int = 0
    kept: tuple[int, int] = (0, 0)
    bookings: list[Any] = field(default_factory=list)

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def free(self, *, first_call: bool = False) -> tuple[int, int]:
        """Of both capacities: places, and parties that may come."""
        held = [b.places for b in self.bookings if b.status in {"offered", "confirmed"}]
        places, parties = (0, 0) if first_call else self.kept
        return max(0, self.sell_limit - sum(held) - places), max(0, self.max_parties - len(held) - parties)

    def has_room(self, size: int, *, first_call: bool = False) -> bool:
        places, parties = self.free(first_call=first_call)
        return size <= places and parties > 0

    def in_order(self) -> list[Any]:
        """Proven parties that hold no live offer, by number; first call goes before."""
        stand = [b for b in self.bookings if b.status == "waiting" and b.party.proven and not b.party.of("offered")]
        return sorted(stand, key=lambda b: (not b.first_call, b.number))

    def next(self, now: datetime) -> tuple[Any, Any]:
        """Who is asked, or else for whom is saved: the head until the last call, then nobody, and short notice first.

        A party is asked where the fewest that it would come with fit; who can never come heads nothing.
        """
        order = self.in_order()
        fitting = [b for b in order if self.has_room(b.least, first_call=b.first_call)]
        if now >= self.locks_at - LAST_CALL:
            fitting.sort(key=lambda b: (not b.first_call, not b.party.short_notice))
            return next(iter(fitting), None), None
        head = next((b for b in order if b.least <= self.sell_limit), None)
        return (head, None) if head in fitting else (None, head)

    def offer_ends(self, now: datetime) -> datetime | None:
        """Only waking minutes count. A quarter of what is left, from 120 to 840; in the last call 45; or too late."""
        left = (self.awake(self.locks_at) - self.awake(now)) // MINUTE
        long = 45 if now >= self.locks_at - LAST_CALL else min(max(left // 4, 120), 840)
        days, rest = divmod(self.awake(now) + long * MINUTE, AWAKE)
        days, rest = (days, rest) if rest else (days - 1, AWAKE)
        ends = datetime.combine(date.fromordinal(days), time(8), self.zone) + rest
        return min(ends, self.locks_at) if left >= 30 else None

    def awake(self, at: datetime) -> timedelta:
        """The waking time from the first day of the calendar until then."""
        local = at.astimezone(self.zone)
        today = local - local.replace(hour=8, minute=0, second=0, microsecond=0)
        return local.toordinal() * AWAKE + min(max(today, timedelta()), AWAKE)


def lapse(booking: Any, *, is_open: bool) -> None:
    """The first of a party gives a new number at the end of the line; its second ends all its waiting."""
    booking.party.lapses += not booking.from_sign_up
    if is_open and not booking.from_sign_up and booking.party.lapses == 1:
        booking.wait_again(booking.session.next_number())
    else:
        booking.end("lapsed")
    for other in booking.party.of("waiting") if booking.party.lapses > 1 else []:
        other.end("lapsed")
