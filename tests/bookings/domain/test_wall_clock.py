from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bookings.domain.wall_clock import instant_of

QUARTER = timedelta(minutes=15)
# All kinds of clocks: both hemispheres, a shift of half an hour, offsets of quarters, none at all, a skipped day.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Asia/Tehran",
    "Pacific/Chatham",
    "Pacific/Apia",
    "UTC",
]


@pytest.mark.parametrize(
    ("zone", "wall_clock", "instant"),
    [
        ("Europe/Berlin", "2027-03-27 02:30:00", "2027-03-27 01:30:00"),
        ("Europe/Berlin", "2027-03-28 01:59:59", "2027-03-28 00:59:59"),
        ("Europe/Berlin", "2027-03-28 02:00:00", "2027-03-28 01:00:00"),
        ("Europe/Berlin", "2027-03-28 02:30:00.000001", "2027-03-28 01:00:00"),
        ("Europe/Berlin", "2027-03-28 03:00:00", "2027-03-28 01:00:00"),
        ("Europe/Berlin", "2027-10-31 02:30:00", "2027-10-31 00:30:00"),
        ("Europe/Berlin", "2027-10-31 03:00:00", "2027-10-31 02:00:00"),
        ("America/New_York", "2027-03-14 02:15:00", "2027-03-14 07:00:00"),
        ("America/New_York", "2027-11-07 01:15:00", "2027-11-07 05:15:00"),
        ("Australia/Sydney", "2027-10-03 02:45:00", "2027-10-02 16:00:00"),
        ("Australia/Sydney", "2027-04-04 02:45:00", "2027-04-03 15:45:00"),
        ("Australia/Lord_Howe", "2027-10-03 02:15:00", "2027-10-02 15:30:00"),
        ("Australia/Lord_Howe", "2027-10-03 02:45:00", "2027-10-02 15:45:00"),
        ("Australia/Lord_Howe", "2027-04-04 01:45:00", "2027-04-03 14:45:00"),
        ("Asia/Kathmandu", "2027-03-28 02:30:00", "2027-03-27 20:45:00"),
        ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30 10:00:00"),
    ],
)
def test_a_time_on_the_clock_is_one_instant(zone, wall_clock, instant):
    assert instant_of(datetime.fromisoformat(wall_clock), zone=ZoneInfo(zone)) == datetime.fromisoformat(instant + "Z")


@pytest.mark.parametrize(("zone", "year"), [*((zone, 2027) for zone in ZONES), ("Pacific/Apia", 2011)])
def test_every_quarter_of_an_hour_is_the_first_instant_at_which_the_clock_shows_it_or_a_later_time(zone, year):
    """Recounted from the instants, one quarter of an hour after the other."""
    there = ZoneInfo(zone)
    wrong = []
    expected = datetime(year, 1, 3, tzinfo=UTC)
    wall_clock = expected.astimezone(there).replace(tzinfo=None)
    while expected.year == year:
        while expected.astimezone(there).replace(tzinfo=None) < wall_clock:
            expected += QUARTER
        if instant_of(wall_clock, zone=there) != expected:
            wrong.append((wall_clock, expected))
        wall_clock += QUARTER
    assert wrong == []
