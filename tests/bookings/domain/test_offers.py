"""How long an offer stands: the table of DESIGN part 4, and the nights when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bookings.domain.offers import in_last_call, offer_ends, waking_minutes

BEIJING = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def january(day: int, clock: str, zone: ZoneInfo = BEIJING) -> datetime:
    """4 January 2027 is a Monday."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2027, 1, day, hour, minute, tzinfo=zone)


MON, TUE, WED, THU, FRI_IN_THREE_WEEKS = 4, 5, 6, 7, 29


@pytest.mark.parametrize(
    ("made_at", "roster_locks_at", "ends_at"),
    [
        pytest.param(
            january(MON, "10:00"), january(FRI_IN_THREE_WEEKS, "12:00"), january(TUE, "10:00"), id="a day's worth"
        ),
        pytest.param(
            january(MON, "21:30"), january(FRI_IN_THREE_WEEKS, "12:00"), january(TUE, "21:30"), id="over the night"
        ),
        pytest.param(
            january(MON, "10:00"), january(THU, "10:00"), january(MON, "20:30"), id="a quarter of what is left"
        ),
        pytest.param(
            january(MON, "21:00"), january(WED, "21:30"), january(TUE, "14:07"), id="427 minutes, rounded down"
        ),
        pytest.param(january(TUE, "03:00"), january(WED, "12:00"), january(TUE, "12:30"), id="from waking on"),
        pytest.param(january(WED, "03:00"), january(WED, "12:00"), january(WED, "08:45"), id="last call, asleep"),
        pytest.param(january(TUE, "21:40"), january(WED, "12:00"), january(WED, "08:25"), id="last call, late"),
        pytest.param(january(WED, "11:20"), january(WED, "12:00"), january(WED, "12:00"), id="never after the lock"),
        pytest.param(january(WED, "11:40"), january(WED, "12:00"), None, id="20 minutes left: no offer"),
    ],
)
def test_an_offer_stands_as_long_as_the_table_says(made_at, roster_locks_at, ends_at):
    assert offer_ends(made_at, roster_locks_at=roster_locks_at, zone=BEIJING) == ends_at


@pytest.mark.parametrize(
    ("made_at", "ends_at"),
    [
        pytest.param(january(WED, "11:30"), january(WED, "12:00"), id="exactly 30 minutes left"),
        pytest.param(january(WED, "11:31"), None, id="29 minutes left"),
        pytest.param(january(WED, "12:00"), None, id="at the lock"),
        pytest.param(january(WED, "13:00"), None, id="after the lock"),
    ],
)
def test_no_offer_is_made_with_fewer_than_thirty_waking_minutes_left(made_at, ends_at):
    assert offer_ends(made_at, roster_locks_at=january(WED, "12:00"), zone=BEIJING) == ends_at


def test_an_offer_made_in_the_night_before_an_early_lock_is_not_made():
    assert offer_ends(january(WED, "02:00"), roster_locks_at=january(WED, "08:20"), zone=BEIJING) is None


def test_the_last_call_begins_24_hours_before_the_lock_to_the_second():
    locks = january(WED, "12:00")

    assert not in_last_call(locks - timedelta(hours=24, seconds=1), roster_locks_at=locks)
    assert in_last_call(locks - timedelta(hours=24), roster_locks_at=locks)


def test_just_before_the_last_call_an_offer_still_stands_a_quarter_of_the_waking_minutes_left():
    locks = january(WED, "12:00")
    made_at = january(TUE, "11:59")  # 601 minutes of Tuesday, 240 of Wednesday: a quarter is 210.

    assert offer_ends(made_at, roster_locks_at=locks, zone=BEIJING) == january(TUE, "15:29")
    assert offer_ends(january(TUE, "12:00"), roster_locks_at=locks, zone=BEIJING) == january(TUE, "12:45")


def test_waking_minutes_count_8_to_22_of_each_day():
    assert waking_minutes(january(MON, "07:00"), january(MON, "23:00"), zone=BEIJING) == 840
    assert waking_minutes(january(MON, "21:00"), january(TUE, "09:00"), zone=BEIJING) == 120
    assert waking_minutes(january(MON, "22:00"), january(TUE, "08:00"), zone=BEIJING) == 0
    assert waking_minutes(january(TUE, "08:00"), january(MON, "08:00"), zone=BEIJING) == 0


def test_the_waking_hours_are_those_of_the_venue_not_of_the_server():
    made_at = datetime(2027, 1, 4, 22, 0, tzinfo=UTC)  # Tuesday 06:00 in Beijing, Monday 23:00 in Berlin.
    locks = made_at + timedelta(hours=24)

    assert offer_ends(made_at, roster_locks_at=locks, zone=BEIJING) == january(TUE, "08:45")
    assert offer_ends(made_at, roster_locks_at=locks, zone=BERLIN) == january(TUE, "08:45", BERLIN)


@pytest.mark.parametrize(
    ("saturday_evening", "sunday"),
    [
        pytest.param(
            datetime(2027, 3, 27, 21, 45, tzinfo=BERLIN), datetime(2027, 3, 28, 8, 30, tzinfo=BERLIN), id="spring"
        ),
        pytest.param(
            datetime(2027, 10, 30, 21, 45, tzinfo=BERLIN), datetime(2027, 10, 31, 8, 30, tzinfo=BERLIN), id="autumn"
        ),
    ],
)
def test_the_night_when_clocks_change_takes_no_waking_minute_and_gives_none(saturday_evening, sunday):
    locks = sunday.replace(hour=20)

    assert waking_minutes(saturday_evening, locks, zone=BERLIN) == 15 + 12 * 60 + 30
    assert offer_ends(saturday_evening, roster_locks_at=locks, zone=BERLIN) == sunday


@pytest.mark.parametrize(
    "saturday",
    [
        pytest.param(datetime(2027, 3, 27, 12, 0, tzinfo=BERLIN), id="spring: 23 hours later"),
        pytest.param(datetime(2027, 10, 30, 12, 0, tzinfo=BERLIN), id="autumn: 25 hours later"),
    ],
)
def test_a_days_worth_across_the_change_ends_at_the_same_time_on_the_clock(saturday):
    locks = saturday + timedelta(days=30)

    ends = offer_ends(saturday, roster_locks_at=locks, zone=BERLIN)

    assert ends is not None
    assert ends.astimezone(BERLIN) == saturday.replace(day=saturday.day + 1)
    assert ends.astimezone(BERLIN).strftime("%d %H:%M") == f"{saturday.day + 1} 12:00"


def test_the_last_call_is_24_real_hours_even_when_a_night_has_an_hour_more():
    locks = datetime(2027, 10, 31, 12, 0, tzinfo=BERLIN)  # The clocks went back in that night.

    assert in_last_call(datetime(2027, 10, 30, 13, 0, tzinfo=BERLIN), roster_locks_at=locks.astimezone(UTC))
    assert not in_last_call(datetime(2027, 10, 30, 12, 59, tzinfo=BERLIN), roster_locks_at=locks.astimezone(UTC))


def test_an_evening_at_the_venue_counts_though_it_is_the_next_day_in_utc():
    new_york = ZoneInfo("America/New_York")
    monday_evening = january(MON, "21:00", new_york).astimezone(UTC)
    tuesday_evening = january(TUE, "21:30", new_york).astimezone(UTC)

    assert (monday_evening.day, tuesday_evening.day) == (TUE, WED)
    assert waking_minutes(monday_evening, tuesday_evening, zone=new_york) == 60 + 810
    assert offer_ends(monday_evening, roster_locks_at=tuesday_evening, zone=new_york) == january(TUE, "10:37", new_york)
