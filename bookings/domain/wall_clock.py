"""The instant at which the clocks of a place show a time: also one that they skip, or show twice."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def instant_of(wall_clock: datetime, *, zone: ZoneInfo) -> datetime:
    """The moment (in UTC) at which the clocks of ``zone`` show the naive ``wall_clock``.

    A time that comes twice is the first of the two. A time that the clocks skip is the next that they show: 03:00 for
    02:30 where they are put forward from 02:00 to 03:00.
    """
    first = wall_clock.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall_clock:
        return first
    # Read with the offset of after the change, a skipped time lies before it; with that of before, after it.
    before = wall_clock.replace(tzinfo=zone, fold=1).astimezone(UTC)
    old = before.astimezone(zone).utcoffset()
    start = before.replace(microsecond=0)
    seconds = range(int((first - start).total_seconds()) + 1)

    def is_changed(second: int) -> bool:
        return (start + timedelta(seconds=second)).astimezone(zone).utcoffset() != old

    return start + timedelta(seconds=bisect_left(seconds, True, key=is_changed))
