from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import tasks
from bookings.domain import sessions, swaps, visit
from bookings.domain.invariants import broken_promises
from bookings.domain.reconfirming import (
    AskedOfAnotherVisit,
    delivery_is_proven,
    has_said_yes,
    is_asked,
    plan_asks,
    release_silent,
    say_yes,
    silent_parties,
)
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Heartbeat,
    Lane,
    Notice,
    NoticeKind,
    NoticeStatus,
    TourSession,
)
from tests.acts import people, statuses
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_season, make_session, make_waiting

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
# The season asks ten days ahead; the roster locks two days before the start.
ASKED_AT = START - 10 * DAY
LOCK = START - 2 * DAY


def make_asking(**given: Any) -> TourSession:
    season: dict[str, Any] = {"asks_again_days": 10}
    season |= {name: given.pop(name) for name in ("asks_again_days", "releases_silent") if name in given}
    return make_session(season=make_season(**season), **given)


def asks() -> list[tuple[int | None, bool]]:
    """The booking of every question, and whether it is the second, in the order they were owed."""
    asked = Notice.objects.filter(kind=NoticeKind.STILL_COMING).order_by("pk")
    return [(notice.booking_id, "again" in notice.facts) for notice in asked]


def send(*, now: datetime, status: str = NoticeStatus.SENT) -> None:
    """What is owed is handed over, or ends otherwise."""
    Notice.objects.filter(status=NoticeStatus.QUEUED).update(
        status=status, sent_at=now if status == NoticeStatus.SENT else None
    )


def ask_twice(*, status: str = NoticeStatus.SENT, then: str = NoticeStatus.SENT) -> datetime:
    """Both mails end like this; returns when the second was handed over."""
    plan_asks(now=ASKED_AT)
    send(now=ASKED_AT, status=status)
    plan_asks(now=ASKED_AT + 48 * HOUR)
    send(now=ASKED_AT + 48 * HOUR, status=then)
    return ASKED_AT + 48 * HOUR


def hear_of_reports(*, now: datetime) -> None:
    Heartbeat.objects.update_or_create(name="reports", defaults={"seen_at": now})


def say(booking: Booking, *, now: datetime, starts_at: datetime = START) -> None:
    say_yes(booking.party_id, booking_pk=booking.pk, starts_at=starts_at, now=now)


def move(session: TourSession, to: datetime, *, now: datetime) -> None:
    sessions.move(
        session.pk, starts_at=to, ends_at=to + 2 * HOUR, roster_locks_at=to - 2 * DAY, now=now, who="host:lin"
    )


# --- asking


def test_the_question_is_owed_so_many_days_before_and_useless_once_the_roster_is_locked() -> None:
    booking = make_booking(make_asking())

    assert [plan_asks(now=ASKED_AT - SECOND), plan_asks(now=ASKED_AT), plan_asks(now=ASKED_AT)] == [0, 1, 0]

    notice = Notice.objects.get()
    assert (notice.booking, notice.kind, notice.lane, notice.next_attempt_at, notice.expires_at, notice.facts) == (
        booking,
        NoticeKind.STILL_COMING,
        Lane.REMINDER,
        ASKED_AT,
        LOCK,
        {"starts_at": START.isoformat(), "link_version": 1},
    )


def test_only_confirmed_parties_of_seasons_that_ask_are_asked() -> None:
    session = make_asking()
    make_waiting(session)
    make_booking(session, BookingStatus.CANCELLED)
    make_booking(session, email="")
    make_booking(make_session())
    make_booking(make_asking(called_off_at=NOON))
    asked = make_booking(session)

    plan_asks(now=ASKED_AT)

    assert asks() == [(asked.pk, False)]


def test_who_was_confirmed_after_the_question_was_due_is_not_asked() -> None:
    session = make_asking()
    make_booking(session, status_since=ASKED_AT)
    early = make_booking(session, status_since=ASKED_AT - SECOND)

    plan_asks(now=ASKED_AT + DAY)

    assert asks() == [(early.pk, False)]


def test_silence_gives_a_second_mail_48_hours_after_the_first_was_handed_over() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    assert plan_asks(now=ASKED_AT + 3 * DAY) == 0  # The mail server is away.
    send(now=ASKED_AT + 3 * DAY)

    planned = [plan_asks(now=ASKED_AT + 5 * DAY - SECOND), plan_asks(now=ASKED_AT + 5 * DAY)]

    assert (planned, asks()) == ([0, 1], [(booking.pk, False), (booking.pk, True)])
    send(now=ASKED_AT + 5 * DAY)
    assert plan_asks(now=LOCK - SECOND) == 0


@pytest.mark.parametrize(
    ("status", "planned"),
    [
        (NoticeStatus.UNKNOWN, 1),
        (NoticeStatus.BOUNCED, 0),
        (NoticeStatus.DEAD, 0),
        (NoticeStatus.QUEUED, 0),
        (NoticeStatus.VOID, 0),
    ],
)
def test_no_second_mail_follows_one_that_did_not_leave(status: str, planned: int) -> None:
    make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    send(now=ASKED_AT, status=status)

    assert plan_asks(now=ASKED_AT + 48 * HOUR) == planned


def test_nobody_is_asked_once_the_roster_is_locked() -> None:
    make_booking(make_asking())

    assert [plan_asks(now=LOCK), plan_asks(now=LOCK - SECOND)] == [0, 1]
    send(now=LOCK - SECOND)
    assert plan_asks(now=START - SECOND) == 0


def test_planning_asks_the_database_as_often_for_many_parties_as_for_one() -> None:
    session = make_asking()
    make_booking(session)
    plan_asks(now=ASKED_AT)
    with CaptureQueriesContext(
        connection,
    ) as few:
        plan_asks(now=ASKED_AT)
    for _party in range(8):
        make_booking(session)
    plan_asks(now=ASKED_AT)

    with CaptureQueriesContext(connection) as many:
        plan_asks(now=ASKED_AT)

    assert (len(few), len(many)) == (3, 3)


# --- answering


def test_a_yes_is_kept_and_ends_the_asking() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    assert is_asked(booking, now=ASKED_AT)

    say(booking, now=ASKED_AT + HOUR)
    say(booking, now=ASKED_AT + 2 * HOUR)

    booking.refresh_from_db()
    assert (booking.still_coming_at, booking.status, has_said_yes(booking)) == (ASKED_AT + HOUR, "confirmed", True)
    told = BookingEvent.objects.filter(booking=booking).exclude(from_status="")
    assert list(told.values_list("from_status", "to_status", "who", "why")) == [
        ("confirmed", "confirmed", "party", "still coming")
    ]
    send(now=ASKED_AT)
    assert (plan_asks(now=ASKED_AT + 3 * DAY), is_asked(booking, now=ASKED_AT + 3 * DAY)) == (0, False)


def test_coming_with_fewer_is_an_answer_and_serves_the_line_at_once(commits: Any) -> None:
    session = make_asking(capacity=3)
    booking = make_booking(session, size=3)
    waiting = make_waiting(session, size=1)
    plan_asks(now=ASKED_AT)
    lead, companions = people(2)

    with commits():
        visit.come_with_fewer(booking.party_id, lead=lead, companions=companions, now=ASKED_AT + HOUR)

    booking.refresh_from_db()
    assert (has_said_yes(booking), booking.places, statuses(session)) == (
        True,
        2,
        {booking: "confirmed", waiting: "offered"},
    )


def test_what_a_host_changes_for_a_party_is_no_answer_of_its() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    lead, companions = people(1)

    visit.come_with_fewer(booking.party_id, lead=lead, companions=companions, now=ASKED_AT, who="host:lin")

    booking.refresh_from_db()
    assert not has_said_yes(booking)


def test_a_party_that_holds_nothing_has_nothing_to_say_yes_to() -> None:
    booking = make_waiting(make_asking())

    with pytest.raises(visit.NothingConfirmed):
        say(booking, now=ASKED_AT)


def test_nobody_says_yes_once_the_tour_has_begun() -> None:
    booking = make_booking(make_asking())

    with pytest.raises(visit.TooLateToCancel):
        say(booking, now=START)


def test_a_yes_of_an_old_page_does_not_count_for_the_session_a_party_swapped_into(promises_kept: None) -> None:
    mine = make_booking(make_asking())
    other = make_session(season=mine.session.season, venue=mine.session.venue)
    theirs = make_booking(other)
    say(mine, now=NOON)
    swaps.wish_swap(theirs.party_id, session_pks=[mine.session_id], now=NOON)
    swaps.wish_swap(mine.party_id, session_pks=[other.pk], now=NOON)
    new = Booking.objects.get(party=mine.party, status=BookingStatus.CONFIRMED)

    with pytest.raises(AskedOfAnotherVisit):
        say(mine, now=NOON + HOUR)

    assert (new.session, has_said_yes(new)) == (other, False)


# --- a session that is moved


def test_a_moved_session_asks_anew_a_day_after_the_move() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    send(now=ASKED_AT)
    say(booking, now=ASKED_AT + HOUR)
    moved_at = ASKED_AT + 2 * HOUR

    move(booking.session, START + DAY, now=moved_at)
    send(now=moved_at)

    booking.refresh_from_db()
    assert (has_said_yes(booking), is_asked(booking, now=moved_at)) == (False, False)
    assert [plan_asks(now=moved_at + DAY - SECOND), plan_asks(now=moved_at + DAY)] == [0, 1]
    assert asks() == [(booking.pk, False), (booking.pk, False)]
    say(booking, now=moved_at + DAY, starts_at=START + DAY)
    booking.refresh_from_db()
    assert has_said_yes(booking)


def test_a_session_that_is_moved_back_asks_anew_as_well() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    send(now=ASKED_AT)
    move(booking.session, START + DAY, now=ASKED_AT + HOUR)
    move(booking.session, START, now=ASKED_AT + 2 * HOUR)
    send(now=ASKED_AT + 2 * HOUR)

    assert [plan_asks(now=ASKED_AT + DAY), plan_asks(now=ASKED_AT + DAY + 2 * HOUR)] == [0, 1]


def test_a_session_that_only_ends_later_leaves_the_answers_as_they_are() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    send(now=ASKED_AT)
    say(booking, now=ASKED_AT + HOUR)

    sessions.move(
        booking.session_id,
        starts_at=START,
        ends_at=START + 3 * HOUR,
        roster_locks_at=LOCK,
        now=ASKED_AT + 2 * HOUR,
        who="host:lin",
    )

    booking.refresh_from_db()
    assert (has_said_yes(booking), plan_asks(now=ASKED_AT + 4 * DAY)) == (True, 0)


def test_who_was_asked_of_the_old_time_is_not_given_up_for_silence_about_the_new_one() -> None:
    booking = make_booking(make_asking(releases_silent=True))
    second = ask_twice()
    move(booking.session, START + DAY, now=second + HOUR)
    hear_of_reports(now=second + 2 * DAY)

    assert release_silent(now=second + 2 * DAY) == 0


def test_a_yes_to_the_time_an_old_page_showed_is_refused() -> None:
    booking = make_booking(make_asking())
    move(booking.session, START + DAY, now=NOON)

    with pytest.raises(AskedOfAnotherVisit):
        say(booking, now=NOON + HOUR, starts_at=START)


def test_whose_links_were_ended_is_asked_anew() -> None:
    booking = make_booking(make_asking())
    plan_asks(now=ASKED_AT)
    send(now=ASKED_AT)

    visit.change_contact(booking.party_id, email="new@visitors.example", phone="", language="en")

    assert (plan_asks(now=ASKED_AT + HOUR), asks()) == (1, [(booking.pk, False), (booking.pk, False)])


# --- silence


def test_the_hosts_list_has_who_was_asked_and_is_silent_until_the_session_begins() -> None:
    session = make_asking()
    silent, answering = make_booking(session), make_booking(session)
    make_booking(session, status_since=ASKED_AT)
    season = session.season
    assert silent_parties(season, now=ASKED_AT) == []
    plan_asks(now=ASKED_AT)
    say(answering, now=ASKED_AT)

    listed = {now: [asked.booking for asked in silent_parties(season, now=now)] for now in (LOCK, START)}

    assert listed == {LOCK: [silent], START: []}


def test_silent_places_go_to_the_line_once_both_mails_are_proven_to_have_arrived(
    commits: Any, promises_kept: None
) -> None:
    session = make_asking(capacity=2, releases_silent=True)
    silent = make_booking(session)
    waiting = make_waiting(session)
    second = ask_twice()
    hear_of_reports(now=second + DAY)
    assert release_silent(now=second + DAY - SECOND) == 0

    with commits():
        assert [release_silent(now=second + DAY), release_silent(now=second + DAY)] == [1, 0]

    assert statuses(session) == {silent: "cancelled", waiting: "offered"}
    event = BookingEvent.objects.get(booking=silent, to_status=BookingStatus.CANCELLED)
    assert (event.who, event.why) == ("clock", "did not answer")
    assert Notice.objects.filter(kind=NoticeKind.CANCELLED, booking=silent).count() == 1


def test_places_given_up_less_than_a_day_after_the_second_mail_are_a_broken_promise(commits: Any) -> None:
    silent = make_booking(make_asking(releases_silent=True))
    second = ask_twice()
    hear_of_reports(now=second + DAY)
    with commits():
        release_silent(now=second + DAY)
    kept = list(broken_promises(now=second + DAY))

    Notice.objects.filter(facts__has_key="again").update(sent_at=second + SECOND)

    told = f"booking {silent.pk}: was given up for silence without two mails that asked"
    assert (kept, list(broken_promises(now=second + DAY))) == ([], [told])


UNPROVEN = {
    "the first mail is not known to have left": {"status": NoticeStatus.UNKNOWN},
    "the second mail was refused": {"then": NoticeStatus.BOUNCED},
    "the second mail is not known to have left": {"then": NoticeStatus.UNKNOWN},
    "the second mail waits": {"then": NoticeStatus.QUEUED},
}


@pytest.mark.parametrize("mails", UNPROVEN.values(), ids=UNPROVEN)
def test_nothing_is_taken_where_delivery_is_not_proven(mails: dict[str, str]) -> None:
    booking = make_booking(make_asking(releases_silent=True))
    second = ask_twice(**mails)
    hear_of_reports(now=second + DAY)

    released = release_silent(now=second + DAY)

    assert (released, delivery_is_proven(booking, now=second + DAY)) == (0, False)
    assert [asked.booking for asked in silent_parties(booking.session.season, now=second + DAY)] == [booking]


def test_nothing_is_taken_while_nobody_would_hear_of_a_bounce() -> None:
    booking = make_booking(make_asking(releases_silent=True))
    second = ask_twice()
    without = release_silent(now=second + DAY), delivery_is_proven(booking, now=second + DAY)
    hear_of_reports(now=second)

    assert (without, release_silent(now=second + DAY)) == ((0, False), 0)
    hear_of_reports(now=second + SECOND)
    assert delivery_is_proven(booking, now=second + DAY)


def test_nothing_is_taken_of_a_party_whose_other_mail_bounced_meanwhile() -> None:
    booking = make_booking(make_asking(releases_silent=True))
    second = ask_twice()
    Notice.objects.create(
        kind=NoticeKind.REMINDER,
        party=booking.party,
        booking=booking,
        dedupe_key="reminder",
        lane=Lane.REMINDER,
        created_at=second,
        next_attempt_at=second,
        status=NoticeStatus.BOUNCED,
    )
    hear_of_reports(now=second + DAY)

    assert release_silent(now=second + DAY) == 0


def test_nothing_is_taken_of_a_party_whose_mailbox_nobody_proved() -> None:
    make_booking(make_asking(releases_silent=True), proven=False)
    second = ask_twice()
    hear_of_reports(now=second + DAY)

    assert release_silent(now=second + DAY) == 0


def test_nothing_is_taken_for_silence_at_an_address_that_a_host_typed_and_nobody_proved() -> None:
    booking = make_booking(make_asking(releases_silent=True))
    visit.change_contact(booking.party_id, email="slip@visitors.example", phone="", language="en")
    second = ask_twice()
    hear_of_reports(now=second + DAY)

    assert (len(asks()), release_silent(now=second + DAY)) == (2, 0)
    assert [asked.booking for asked in silent_parties(booking.session.season, now=second + DAY)] == [booking]


def test_nothing_is_taken_where_the_season_does_not_say_so() -> None:
    make_booking(make_asking())
    second = ask_twice()
    hear_of_reports(now=second + DAY)

    assert release_silent(now=second + DAY) == 0


def test_nothing_is_taken_once_the_roster_is_locked() -> None:
    make_booking(make_asking(releases_silent=True))
    ask_twice()
    hear_of_reports(now=LOCK)

    assert [release_silent(now=LOCK), release_silent(now=LOCK - SECOND)] == [0, 1]


def test_who_answered_after_the_second_mail_keeps_its_places() -> None:
    booking = make_booking(make_asking(releases_silent=True))
    second = ask_twice()
    say(booking, now=second + HOUR)
    hear_of_reports(now=second + DAY)

    assert release_silent(now=second + DAY) == 0


def test_the_clock_asks_and_gives_up() -> None:
    now = timezone.now()
    session = make_asking(releases_silent=True, starts_at=now + 5 * DAY)
    silent = make_booking(session, status_since=now - 30 * DAY)
    plan_asks(now=now - 4 * DAY)
    send(now=now - 4 * DAY)
    plan_asks(now=now - 2 * DAY)
    send(now=now - 2 * DAY)
    hear_of_reports(now=now)
    asked = make_booking(session, status_since=now - 30 * DAY)

    tasks.ask_who_is_coming()

    assert statuses(session) == {silent: "cancelled", asked: "confirmed"}
    assert asks() == [(silent.pk, False), (silent.pk, True), (asked.pk, False)]
