"""How long an offer stands. Source: DESIGN part 4, "How long an offer stands"."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bookings.models import LAST_CALL as LAST_CALL

# Nobody is asked to answer in the night: only waking minutes, in venue time, count.
WAKES = time(8)
SLEEPS = time(22)
# Outside the last call an offer takes this share of the waking minutes left, within bounds (minutes).
SHARE = 4
SHORTEST = 120
LONGEST = 840
IN_LAST_CALL = 45
# Whatever lies further ahead makes no offer longer: a week holds more than SHARE times the longest.
FAR_ENOUGH = timedelta(days=7)
# With fewer waking minutes left than this, no offer is made.
TOO_LATE = 30


def in_last_call(now: datetime, *, roster_locks_at: datetime) -> bool:
    return now >= roster_locks_at - LAST_CALL


def waking_minutes(start: datetime, end: datetime, *, zone: ZoneInfo) -> int:
    """Whole waking minutes between two instants."""
    seconds = 0.0
    for wakes, sleeps in _waking_hours(start, end, zone=zone):
        seconds += max(0.0, (min(sleeps, end) - max(wakes, start)).total_seconds())
    return int(seconds // 60)


def offer_ends(now: datetime, *, roster_locks_at: datetime, zone: ZoneInfo) -> datetime | None:
    """When an offer made now ends (an instant, never after the lock), or None if it is too late to make one."""
    left = waking_minutes(now, min(roster_locks_at, now + FAR_ENOUGH), zone=zone)
    if left < TOO_LATE:
        return None
    if in_last_call(now, roster_locks_at=roster_locks_at):
        minutes = IN_LAST_CALL
    else:
        minutes = min(max(left // SHARE, SHORTEST), LONGEST)
    return min(_after_waking_minutes(now, minutes, limit=roster_locks_at, zone=zone), roster_locks_at)


def _after_waking_minutes(start: datetime, minutes: int, *, limit: datetime, zone: ZoneInfo) -> datetime:
    rest = timedelta(minutes=minutes)
    for wakes, sleeps in _waking_hours(start, limit, zone=zone):
        begin = max(wakes, start)
        room = sleeps - begin
        if room >= rest:
            return begin + rest
        rest -= max(room, timedelta())
    return limit


def _waking_hours(start: datetime, end: datetime, *, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The waking hours of each venue day that the span touches, as instants, so that clock changes count right."""
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        yield (
            datetime.combine(day, WAKES, tzinfo=zone).astimezone(UTC),
            datetime.combine(day, SLEEPS, tzinfo=zone).astimezone(UTC),
        )
        day += timedelta(days=1)
