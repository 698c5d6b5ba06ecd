from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.domain.reminders import plan_reminders, reminders_of
from bookings.models import BookingStatus, Lane, Notice, NoticeKind, TourSession
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session, make_venue, make_waiting

pytestmark = pytest.mark.django_db
WEEK_BEFORE, DAY_BEFORE = START - 7 * DAY, START - DAY


def planned() -> list[tuple[int | None, object]]:
    """Booking and days of every reminder, in order."""
    return [
        (notice.booking_id, notice.facts["days"])
        for notice in Notice.objects.filter(kind=NoticeKind.REMINDER).order_by("booking", "-facts__days")
    ]


def test_a_reminder_is_owed_from_its_moment_on() -> None:
    booking = make_booking()

    assert plan_reminders(now=WEEK_BEFORE - timedelta(seconds=1)) == 0
    assert plan_reminders(now=WEEK_BEFORE) == 1

    notice = Notice.objects.get()
    assert (notice.booking, notice.lane, notice.next_attempt_at, notice.expires_at) == (
        booking,
        Lane.REMINDER,
        WEEK_BEFORE,
        DAY_BEFORE,
    )
    assert notice.dedupe_key == f"reminder:{booking.pk}:{START.isoformat()}:7"


def test_the_last_reminder_is_worth_sending_until_the_start() -> None:
    make_booking(make_session(season=make_season(reminder_days=[1])))

    assert plan_reminders(now=START - timedelta(seconds=1)) == 1
    assert Notice.objects.get().expires_at == START


def test_nothing_is_planned_from_the_start_on() -> None:
    make_booking()

    assert plan_reminders(now=START) == 0


def test_planning_again_adds_nothing() -> None:
    booking = make_booking()

    assert [plan_reminders(now=DAY_BEFORE), plan_reminders(now=DAY_BEFORE), plan_reminders(now=WEEK_BEFORE)] == [
        2,
        0,
        0,
    ]
    assert planned() == [(booking.pk, 7), (booking.pk, 1)]


def test_who_confirmed_after_a_reminder_was_due_does_not_get_it() -> None:
    late = make_booking(status_since=WEEK_BEFORE)
    early = make_booking(late.session, status_since=WEEK_BEFORE - timedelta(seconds=1))

    plan_reminders(now=DAY_BEFORE)

    assert planned() == [(late.pk, 1), (early.pk, 7), (early.pk, 1)]


def test_only_confirmed_parties_of_sessions_that_take_place_are_reminded() -> None:
    session = make_session()
    make_waiting(session)
    make_booking(session, BookingStatus.CANCELLED)
    make_booking(make_session(called_off_at=NOON))

    assert plan_reminders(now=DAY_BEFORE) == 0


def test_a_moved_session_is_planned_anew() -> None:
    booking = make_booking()
    plan_reminders(now=DAY_BEFORE)

    TourSession.objects.update(starts_at=START + 7 * DAY, ends_at=START + 7 * DAY + HOUR)

    assert plan_reminders(now=START) == 1
    assert planned() == [(booking.pk, 7), (booking.pk, 7), (booking.pk, 1)]


def test_the_time_at_the_venue_stays_the_same_over_a_change_of_clocks() -> None:
    berlin = make_venue(time_zone="Europe/Berlin")
    start = datetime(2027, 3, 29, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))  # The clocks went forward on the 28th.
    session = make_session(venue=berlin, starts_at=start.astimezone(UTC))

    [week, day] = reminders_of(session)

    assert [week.at, day.at] == [datetime(2027, 3, 22, 8, 30, tzinfo=UTC), datetime(2027, 3, 28, 7, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("start", "due"),
    [
        # 02:30 does not exist on 28 March: 03:30 summer time.
        (datetime(2027, 3, 29, 0, 30, tzinfo=UTC), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        # 02:30 comes twice on 31 October: the first, summer time.
        (datetime(2027, 11, 1, 1, 30, tzinfo=UTC), datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
    ],
    ids=["skipped", "twice"],
)
def test_a_time_that_the_clocks_skip_or_repeat(start: datetime, due: datetime) -> None:
    season = make_season(reminder_days=[1])
    session = make_session(season=season, venue=make_venue(time_zone="Europe/Berlin"), starts_at=start)

    assert [one.at for one in reminders_of(session)] == [due]


@pytest.mark.parametrize("many", [3, 300])
def test_the_number_of_queries_does_not_grow_with_the_bookings(many: int) -> None:
    session = make_session(capacity=600)
    for _ in range(many):
        make_booking(session, size=1)

    with CaptureQueriesContext(connection) as queries:
        assert plan_reminders(now=DAY_BEFORE) == 2 * many

    # SQLite takes a limited number of values in one INSERT, so its bulk insert comes in parts.
    reading = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    writing = [query["sql"] for query in queries if query["sql"].startswith("INSERT")]
    assert len(reading) == 3
    assert len(writing) == 1 or connection.vendor == "sqlite"
