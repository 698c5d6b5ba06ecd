import gc
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.domain import sessions
from bookings.domain.reminders import AHEAD, GRACE, LOOK_BACK, plan_reminders, reminders_of
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Lane,
    Notice,
    NoticeKind,
    PlannedReminder,
    ReminderPlan,
    TourSession,
)
from bookings.outbox import deliver_due
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session, make_venue, make_waiting
from tests.long_lines import fill_line

pytestmark = pytest.mark.django_db
WEEK_BEFORE, DAY_BEFORE = START - 7 * DAY, START - DAY
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def planned() -> list[tuple[int | None, str, str]]:
    """Booking, which one and status of every reminder, in order of its time."""
    reminders = Notice.objects.filter(kind=NoticeKind.REMINDER).order_by("booking", "next_attempt_at", "pk")
    return [(notice.booking_id, notice.facts["reminder"], notice.status) for notice in reminders]


def make_reminded(reminders: Sequence[dict[str, Any]], **given: Any) -> TourSession:
    return make_session(season=make_season(reminders=reminders), **given)


def move(session: TourSession, starts_at: datetime, *, now: datetime) -> None:
    times = {"starts_at": starts_at, "ends_at": starts_at + HOUR, "roster_locks_at": starts_at - HOUR}
    sessions.move(session.pk, **times, now=now, who="host:lin")


def test_a_reminder_is_written_a_quarter_of_an_hour_before_it_is_due():
    booking = make_booking()

    assert plan_reminders(now=WEEK_BEFORE - AHEAD - SECOND) == 0
    assert plan_reminders(now=WEEK_BEFORE - AHEAD) == 1

    notice = Notice.objects.get()
    assert (notice.booking, notice.party, notice.lane, notice.status, notice.created_at) == (
        booking,
        booking.party,
        Lane.REMINDER,
        "queued",
        WEEK_BEFORE - AHEAD,
    )
    assert (notice.next_attempt_at, notice.expires_at) == (WEEK_BEFORE, WEEK_BEFORE + DAY)
    assert notice.dedupe_key == f"reminder:{booking.pk}:{START.isoformat()}:7"
    assert notice.facts == {"starts_at": START.isoformat(), "reminder": "7"}


def test_a_reminder_leaves_at_its_moment_and_not_before(mailoutbox):
    booking = make_booking()
    plan_reminders(now=WEEK_BEFORE - AHEAD)

    assert deliver_due(now=WEEK_BEFORE - SECOND) == 0
    assert deliver_due(now=WEEK_BEFORE) == 1
    assert [mail.to for mail in mailoutbox] == [[booking.party.email]]


def test_planning_again_adds_nothing():
    booking = make_booking()
    times = [DAY_BEFORE - AHEAD, DAY_BEFORE - AHEAD, DAY_BEFORE, DAY_BEFORE + GRACE, WEEK_BEFORE, DAY_BEFORE + HOUR]

    assert [plan_reminders(now=now) for now in times] == [2, 0, 0, 0, 0, 0]
    assert planned() == [(booking.pk, "7", "expired"), (booking.pk, "1", "queued")]


def test_who_confirmed_after_a_reminder_was_due_does_not_get_it():
    late = make_booking(status_since=WEEK_BEFORE)
    early = make_booking(late.session, status_since=WEEK_BEFORE - SECOND)

    plan_reminders(now=WEEK_BEFORE + MINUTE)
    plan_reminders(now=DAY_BEFORE)

    assert planned() == [(late.pk, "1", "queued"), (early.pk, "7", "queued"), (early.pk, "1", "queued")]


def test_who_confirms_while_a_reminder_is_planned_gets_it_too():
    first = make_booking()
    plan_reminders(now=WEEK_BEFORE - AHEAD)

    meanwhile = make_booking(first.session, status_since=WEEK_BEFORE - 10 * MINUTE)
    assert plan_reminders(now=WEEK_BEFORE - 9 * MINUTE) == 1
    last = make_booking(first.session, status_since=WEEK_BEFORE - SECOND)
    assert plan_reminders(now=WEEK_BEFORE + MINUTE) == 1

    assert planned() == [(booking.pk, "7", "queued") for booking in (first, meanwhile, last)]


def test_a_confirmation_that_comes_to_light_late_is_found_when_the_reminder_is_planned_to_its_end():
    session = make_session()
    plan_reminders(now=WEEK_BEFORE - AHEAD)
    slow = make_booking(session, status_since=WEEK_BEFORE - 2 * AHEAD)

    assert plan_reminders(now=WEEK_BEFORE + GRACE - SECOND) == 0
    assert plan_reminders(now=WEEK_BEFORE + GRACE) == 1
    assert planned() == [(slow.pk, "7", "queued")]


def test_only_confirmed_parties_of_sessions_that_take_place_are_reminded():
    session = make_session()
    make_waiting(session)
    make_booking(session, BookingStatus.CANCELLED)
    make_booking(make_session(called_off_at=NOON))

    assert plan_reminders(now=DAY_BEFORE) == 0


PLANS: dict[str, tuple[dict[str, Any], timedelta, timedelta]] = {
    # Before the start: when it is due, and when it is too late.
    "a week": ({"days": 7}, 7 * DAY, 6 * DAY),
    "a day": ({"days": 1}, DAY, 18 * HOUR),
    "the evening before": ({"days": 1, "at": time(18)}, 15.5 * HOUR, 11.625 * HOUR),
    "the morning": ({"days": 0, "at": time(7, 30)}, 2 * HOUR, 1.5 * HOUR),
    "two hours": ({"hours": 2}, 2 * HOUR, 1.5 * HOUR),
}


@pytest.mark.parametrize(("plan", "due", "too_late"), PLANS.values(), ids=[*PLANS])
def test_a_late_reminder_leaves_within_a_quarter_of_its_lead_and_a_day_or_is_recorded_as_dropped(plan, due, too_late):
    session = make_reminded([plan])
    in_time = make_booking(session)
    plan_reminders(now=START - too_late - SECOND)

    dropped = make_booking(session)
    PlannedReminder.objects.all().delete()
    plan_reminders(now=START - too_late)

    [which] = [due.which for due in reminders_of(session)]
    assert planned() == [(in_time.pk, which, "queued"), (dropped.pk, which, "expired")]
    ends = {(notice.next_attempt_at, notice.expires_at) for notice in Notice.objects.all()}
    assert ends == {(START - due, START - too_late)}


def test_a_reminder_is_too_late_once_the_next_one_is_due():
    session = make_reminded([{"hours": 3}, {"hours": 2}, {"hours": 1}])
    ends = [(due.which, START - due.useless_at) for due in reminders_of(session)]

    assert ends == [("0@06:30", 2.25 * HOUR), ("0@07:30", 1.5 * HOUR), ("0@08:30", 0.75 * HOUR)]

    ReminderPlan.objects.filter(hours=2).update(hours=None, days=0, at=time(6, 40))
    session = TourSession.objects.get()
    ends = [(due.which, START - due.useless_at) for due in reminders_of(session)]
    assert ends == [("0@06:30", 170 * MINUTE), ("0@06:40", 127.5 * MINUTE), ("0@08:30", 45 * MINUTE)]


def test_a_reminder_that_waited_too_long_for_the_server_is_recorded_and_not_sent(mailoutbox):
    booking = make_booking()
    plan_reminders(now=DAY_BEFORE)

    assert deliver_due(now=DAY_BEFORE + 6 * HOUR) == 0
    assert (planned()[-1], mailoutbox) == ((booking.pk, "1", "expired"), [])


def test_reminders_that_nobody_planned_until_after_the_visit_are_recorded_and_not_sent(mailoutbox):
    session = make_session()
    came = make_booking(session, BookingStatus.CHECKED_IN, status_since=START)
    missed = make_booking(session, BookingStatus.NO_SHOW, status_since=START + HOUR)
    for booking in (came, missed):
        BookingEvent.objects.create(booking=booking, to_status="confirmed", happened_at=DAY_BEFORE - DAY, who="party")
    gone = make_booking(session, BookingStatus.CANCELLED)
    unseen = make_booking(session)

    plan_reminders(now=START + LOOK_BACK - SECOND)

    assert planned() == [
        *[(booking.pk, "1", "expired") for booking in (came, missed)],
        *[(unseen.pk, which, "expired") for which in ("7", "1")],
    ]
    assert (deliver_due(now=START + LOOK_BACK), mailoutbox) == (0, [])
    assert gone.notices.count() == 0


def test_nobody_looks_back_further_than_a_week():
    make_booking()

    assert plan_reminders(now=START + LOOK_BACK) == 0


def test_a_reminder_that_was_due_before_there_was_a_plan_for_it_is_nobodys():
    session = make_session()
    booking = make_booking(session)
    ReminderPlan.objects.filter(days=7).update(since=WEEK_BEFORE)
    ReminderPlan.objects.filter(days=1).update(since=DAY_BEFORE - SECOND)

    plan_reminders(now=DAY_BEFORE)

    assert planned() == [(booking.pk, "1", "queued")]


def test_a_moved_session_is_planned_anew():
    booking = make_booking()
    plan_reminders(now=DAY_BEFORE)

    move(booking.session, START + 8 * DAY, now=START - HOUR)
    plan_reminders(now=START + DAY)
    plan_reminders(now=START + 7 * DAY)

    before, after = ["expired", "queued"], ["queued", "queued"]
    assert planned() == [(booking.pk, which, status) for which, status in zip("7171", before + after, strict=True)]


def test_a_reminder_that_was_due_before_the_session_was_moved_is_nobodys():
    session = make_session(starts_at=START + 20 * DAY)
    booking = make_booking(session)

    move(session, START, now=START - 5 * DAY)
    plan_reminders(now=START - 5 * DAY + MINUTE)
    plan_reminders(now=DAY_BEFORE)

    assert planned() == [(booking.pk, "1", "queued")]


def test_a_session_that_is_moved_and_moved_back_is_reminded_of_once_at_each_moment_that_is_to_come(mailoutbox):
    booking = make_booking()
    plan_reminders(now=WEEK_BEFORE)
    deliver_due(now=WEEK_BEFORE)
    plan_reminders(now=DAY_BEFORE - AHEAD)

    move(booking.session, START + HOUR, now=DAY_BEFORE - 10 * MINUTE)
    plan_reminders(now=DAY_BEFORE - 9 * MINUTE)
    move(booking.session, START, now=DAY_BEFORE - 8 * MINUTE)
    for minutes in range(0, 120, 30):
        plan_reminders(now=DAY_BEFORE + minutes * MINUTE)
        deliver_due(now=DAY_BEFORE + minutes * MINUTE)

    assert planned() == [(booking.pk, "7", "sent"), (booking.pk, "1", "sent")]
    assert len([mail for mail in mailoutbox if mail.subject.startswith("Reminder")]) == 2


def test_a_reminder_of_the_time_from_before_a_move_is_not_sent(mailoutbox):
    booking = make_booking()
    plan_reminders(now=DAY_BEFORE - AHEAD)
    Notice.objects.filter(facts__reminder="7").delete()

    move(booking.session, START + HOUR, now=DAY_BEFORE - MINUTE)
    for minutes in (0, 45, 60):
        plan_reminders(now=DAY_BEFORE + minutes * MINUTE)
        deliver_due(now=DAY_BEFORE + minutes * MINUTE)

    assert planned() == [(booking.pk, "1", "void"), (booking.pk, "1", "sent")]


def test_after_the_clock_was_put_back_whoever_confirms_meanwhile_is_found():
    first = make_booking()
    two_hours_ahead = WEEK_BEFORE + GRACE
    plan_reminders(now=two_hours_ahead)

    second = make_booking(first.session, status_since=WEEK_BEFORE - 2 * HOUR)
    plan_reminders(now=two_hours_ahead - 2 * HOUR)
    plan_reminders(now=WEEK_BEFORE - AHEAD)

    assert planned() == [(first.pk, "7", "queued"), (second.pk, "7", "queued")]


def test_two_plans_that_fall_on_one_moment_are_one_reminder():
    plans: list[dict[str, Any]] = [{"days": 1}, {"days": 1, "at": time(9, 30)}, {"hours": 24}]
    booking = make_booking(make_reminded(plans))

    plan_reminders(now=DAY_BEFORE)

    assert planned() == [(booking.pk, "1", "queued")]


LINES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    # What was planned when the reminder was due, and an hour later; all fall on one moment.
    "one more": ([{"hours": 24}], [{"hours": 24}, {"days": 1}]),
    "one fewer": ([{"days": 1}, {"hours": 24}], [{"hours": 24}]),
    "another shape": ([{"hours": 24}], [{"days": 1, "at": time(9, 30)}]),
    "another time": ([{"hours": 15}, {"days": 1, "at": time(18, 30)}], [{"days": 1, "at": time(18, 30)}]),
}


@pytest.mark.parametrize(("before", "after"), LINES.values(), ids=[*LINES])
def test_a_moment_that_other_lines_plan_later_is_the_same_reminder(before, after):
    booking = make_booking(make_reminded(before))
    [due] = reminders_of(booking.session)
    plan_reminders(now=due.at)
    written = planned()

    ReminderPlan.objects.all().delete()
    for plan in after:
        ReminderPlan.objects.create(season=booking.session.season, since=NOON, **plan)

    assert (len(written), plan_reminders(now=due.at + MINUTE), planned()) == (1, 0, written)


def test_a_line_that_joins_another_on_its_moment_after_that_leaves_the_older_in_force():
    session = make_reminded([{"hours": 24}])
    ReminderPlan.objects.create(season=session.season, days=1, since=DAY_BEFORE + MINUTE)
    booking = make_booking(session)

    plan_reminders(now=DAY_BEFORE + HOUR)

    assert planned() == [(booking.pk, "1", "queued")]


def test_two_moments_at_which_the_clocks_show_the_same_are_two_reminders():
    berlin = make_venue(time_zone="Europe/Berlin")
    start = datetime(2027, 10, 31, 8, 30, tzinfo=UTC)  # 02:30 came twice this morning.
    session = make_reminded([{"days": 0, "at": time(2, 30)}, {"hours": 7}], venue=berlin, starts_at=start)
    seconds = make_reminded([{"days": 0, "at": time(7, 30)}, {"hours": 2}], starts_at=START + 15 * SECOND)

    assert [due.which for due in reminders_of(session)] == ["0@02:30", "0@02:30b"]
    assert [due.which for due in reminders_of(seconds)] == ["0@07:30", "0@07:30:15"]
    assert plan_reminders(now=start) == 0


def test_a_season_without_plans_has_no_reminders():
    make_booking(make_reminded([]))

    assert plan_reminders(now=DAY_BEFORE) == 0


def test_a_time_on_the_day_that_is_not_before_the_start_is_no_reminder():
    assert reminders_of(make_reminded([{"days": 0, "at": time(9, 30)}, {"days": 0, "at": time(12)}])) == []


def test_the_time_at_the_venue_stays_the_same_over_a_change_of_clocks_and_hours_stay_hours():
    berlin = make_venue(time_zone="Europe/Berlin")
    start = datetime(2027, 3, 28, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))  # The clocks went forward this morning.
    session = make_reminded(
        [{"days": 1}, {"days": 1, "at": time(9)}, {"hours": 24}], venue=berlin, starts_at=start.astimezone(UTC)
    )

    assert {due.which: due.at for due in reminders_of(session)} == {
        "1@08:30": datetime(2027, 3, 27, 7, 30, tzinfo=UTC),
        "1@09:00": datetime(2027, 3, 27, 8, 0, tzinfo=UTC),
        "1": datetime(2027, 3, 27, 8, 30, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("zone", "start", "due"),
    [
        # 02:30 does not exist on 28 March: the next that does is 03:00 summer time.
        ("Europe/Berlin", "2027-03-29 00:30Z", "2027-03-28 01:00Z"),
        # 02:30 comes twice on 31 October: the first, summer time.
        ("Europe/Berlin", "2027-11-01 01:30Z", "2027-10-31 00:30Z"),
        # The same in the south, where the seasons are the other way round.
        ("Australia/Sydney", "2027-10-03 15:30Z", "2027-10-02 16:00Z"),
        ("Australia/Sydney", "2027-04-04 16:30Z", "2027-04-03 15:30Z"),
        # Half an hour is skipped: 02:15 is 02:30.
        ("Australia/Lord_Howe", "2027-10-03 15:15Z", "2027-10-02 15:30Z"),
    ],
)
def test_a_time_that_the_clocks_skip_or_repeat(zone, start, due):
    starts_at = datetime.fromisoformat(start)
    session = make_reminded([{"days": 1}], venue=make_venue(time_zone=zone), starts_at=starts_at)
    local = starts_at.astimezone(ZoneInfo(zone)).time()
    at_that_time = make_reminded([{"days": 1, "at": local}], venue=session.venue, starts_at=starts_at)

    assert [one.at for one in (*reminders_of(session), *reminders_of(at_that_time))] == [
        datetime.fromisoformat(due)
    ] * 2


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"]
)
def test_all_through_a_year_every_plan_is_due_in_order_before_the_start_and_shows_its_time(zone):
    plans: list[dict[str, Any]] = [
        *({"days": days} for days in (60, 7, 1)),
        *({"days": days, "at": time(hour, 15)} for days in (2, 1, 0) for hour in (0, 2, 3, 18)),
        *({"hours": hours} for hours in (72, 24, 1)),
    ]
    session = make_reminded(plans, venue=make_venue(time_zone=zone))
    clocks = {plan["at"] for plan in plans if "at" in plan}
    skipped = 0
    for number in range(365 * 4):
        session.starts_at = START + number * timedelta(hours=6, minutes=15)
        due = reminders_of(session)
        edges = [time for one in due for time in (one.at, one.useless_at)]
        by_hours = {session.starts_at - hours * HOUR for hours in (72, 24, 1)}
        assert all(one.at < one.useless_at <= session.starts_at for one in due)
        assert edges == sorted(edges)
        for one in due:
            shown = one.at.astimezone(session.venue.zone)
            days, _at, told = one.which.removesuffix("b").partition("@")
            day = session.local_start.date() - int(days) * DAY
            assert (shown.date(), f"{shown:%H:%M}") == (day, told or f"{session.local_start:%H:%M}")
            if shown.time() not in {session.local_start.time(), *clocks} and one.at not in by_hours:
                before = (one.at - SECOND).astimezone(session.venue.zone)
                assert before.utcoffset() != shown.utcoffset(), "only where the clocks have just been changed"
                skipped += 1
    assert bool(skipped) == (zone not in {"Asia/Kathmandu"})


@pytest.mark.parametrize("many", [3, 300])
def test_the_number_of_queries_does_not_grow_with_the_bookings(many: int):
    session = make_session(capacity=600)
    for _ in range(many):
        make_booking(session, size=1)

    with CaptureQueriesContext(connection) as queries:
        assert plan_reminders(now=DAY_BEFORE) == 2 * many

    # SQLite takes a limited number of values in one INSERT, so its bulk insert comes in parts.
    reading = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    writing = [query["sql"] for query in queries if query["sql"].startswith("INSERT")]
    assert len(reading) == 9
    assert len(writing) == 2 or connection.vendor == "sqlite"


def test_what_is_planned_to_its_end_costs_few_queries_however_many_come():
    session = make_session(capacity=600)
    for _ in range(30):
        make_booking(session, size=1)
    plan_reminders(now=DAY_BEFORE + GRACE)
    assert Booking.objects.count() == 30

    with CaptureQueriesContext(connection) as queries:
        assert plan_reminders(now=DAY_BEFORE + GRACE + MINUTE) == 0

    # Sessions, their season, its plans, how far they are planned; and that there are no more sessions.
    assert len(queries) == 5


def test_memory_does_not_grow_with_the_bookings():
    """Rows are read in thousands: what 2,000 and 5,000 take at most is about the same."""
    season = make_season(reminders=[{"days": 1}])
    few, many = (make_session(season=season, starts_at=START + days * DAY) for days in (0, 3))
    fill_line([few], parties=2000, status=BookingStatus.CONFIRMED, in_line=False)
    fill_line([many], parties=5000, status=BookingStatus.CONFIRMED, in_line=False)

    def most_memory(session: TourSession) -> int:
        due = session.starts_at - DAY
        gc.collect()
        tracemalloc.start()
        assert plan_reminders(now=due) == session.bookings.count()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    of_few = most_memory(few)
    # Two and a half times as many rows would be two and a half times as much; when garbage is collected is chance.
    assert most_memory(many) < 1.75 * of_few
