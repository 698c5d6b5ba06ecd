import smtplib
import threading
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from typing import Any

import pytest
from celery import Celery, current_app
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from bookings import outbox
from bookings.domain import sessions, visit
from bookings.domain.people import Person
from bookings.models import (
    Booking,
    BookingStatus,
    Breaker,
    Notice,
    NoticeKind,
    NoticeStatus,
    OfferSource,
    Party,
    TourSession,
)
from bookings.outbox import claims, senders
from bookings.outbox.breaker import mails_allowed, open_breaker
from bookings.outbox.senders import Nudged
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_announcement,
    make_booking,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_sign_up,
    make_waiting,
)
from tests.owed import MINUTE, SECOND, About, breaker_now, in_threads, owe, owe_confirmation, owe_link, state, use
from tests.smtp import MailServer, connections_to, free_port, running_mail_server, silent_server

pytestmark = pytest.mark.django_db(transaction=True)


def handed_over_at(notice: Notice) -> datetime:
    notice.refresh_from_db()
    assert notice.sent_at
    return notice.sent_at


TAKES_NOTHING = "broke off at connect: ConnectionRefusedError"


def subjects(office: MailServer) -> list[str]:
    return [message["Subject"].partition(":")[0] for message in office.taken]


# --- writing and waking


def test_a_notice_is_owed_once_and_only_if_the_change_holds() -> None:
    party = make_party()

    def change() -> None:
        with transaction.atomic():
            outbox.post(NoticeKind.LINK, party, key="once", now=NOON)
            raise LookupError

    with pytest.raises(LookupError):
        change()
    assert Notice.objects.count() == 0

    outbox.post(NoticeKind.LINK, party, key="once", now=NOON)
    outbox.post(NoticeKind.LINK, party, key="once", now=NOON + HOUR)
    assert Notice.objects.get().dedupe_key == "link:once"


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker was woken just before."""
    monkeypatch.setattr(Nudged, "at", float("-inf"))


@pytest.fixture
def dead_broker(settings: Settings, long_ago: None) -> Iterator[None]:
    """A broker that is configured and refuses connections, with the transport options that the portal runs with."""
    before = current_app._get_current_object()
    app = Celery("tests", broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=True)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    yield
    app.close()
    before.set_current()


def test_two_changes_at_once_wake_one_worker_and_one_a_moment_later_the_next(
    long_ago: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = current_app._get_current_object()
    with Celery("tests", broker="memory://", set_as_current=True) as app, app.connection() as connection:
        queue = connection.SimpleQueue("celery")
        waiting = []
        monkeypatch.setattr(senders, "SECONDS_BETWEEN_NUDGES", 600)  # Longer than a slow machine needs for two.
        for key in ("one", "two"):
            outbox.post(NoticeKind.LINK, make_party(), key=key, now=NOON)
            waiting.append(queue.qsize())
        monkeypatch.setattr(Nudged, "at", Nudged.at - 600)
        outbox.post(NoticeKind.LINK, make_party(), key="three", now=NOON)
        waiting.append(queue.qsize())
        queue.clear()
    before.set_current()
    assert waiting == [1, 1, 2]


def test_a_broker_that_is_down_neither_stops_nor_slows_a_change(
    dead_broker: None, caplog: pytest.LogCaptureFixture
) -> None:
    party = make_party()
    begun = monotonic()

    outbox.post(NoticeKind.LINK, party, key="once", now=NOON)

    assert Notice.objects.count() == 1
    assert monotonic() - begun < 5  # Tried again and again it would be six.
    assert "no worker could be told (OperationalError)" in caplog.text


# --- handing over


def test_what_is_due_is_handed_over_in_order_of_lanes_on_one_connection(office: MailServer) -> None:
    session = make_session()
    reminder = owe(NoticeKind.REMINDER, make_booking(session))
    confirmed = owe(NoticeKind.CONFIRMED, make_booking(session))
    offer = owe(NoticeKind.OFFER, make_offered(session))
    prove = owe(NoticeKind.PROVE, make_sign_up(session))
    later = owe_confirmation(next_attempt_at=NOON + MINUTE)

    assert outbox.deliver_due(NOON, 100) == 4

    assert subjects(office) == ["Kept for you", "Offered", "Confirmed", "Reminder"]
    assert office.recipients == [notice.party.email for notice in (prove, offer, confirmed, reminder)]
    assert office.connections == 1
    assert [state(notice) for notice in (prove, reminder, later)] == [
        ("sent", 1, ""),
        ("sent", 1, ""),
        ("queued", 0, ""),
    ]
    assert prove.message_id == office.taken[0]["Message-ID"]
    assert NOON <= handed_over_at(reminder) <= NOON + MINUTE


def test_a_run_takes_no_more_than_its_limit(office: MailServer) -> None:
    for _ in range(3):
        owe_confirmation()

    assert [outbox.deliver_due(NOON, 2), outbox.deliver_due(NOON, 2)] == [2, 1]


def test_nothing_is_sent_twice(office: MailServer) -> None:
    notice = owe_confirmation()

    assert [outbox.deliver_due(NOON), outbox.deliver_due(NOON)] == [1, 0]
    assert len(office.taken) == 1
    assert state(notice) == ("sent", 1, "")


def test_two_workers_at_once_hand_over_once(office: MailServer) -> None:
    for _ in range(5):
        owe_confirmation()
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        try:
            outbox.deliver_due(NOON)
        finally:
            connection.close()

    in_threads(4, work)

    assert len(office.taken) == 5
    assert set(Notice.objects.values_list("status", "attempts")) == {("sent", 1)}


def test_no_transaction_is_open_while_the_server_is_spoken_to(
    office: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe_confirmation()
    seen = []
    whole = smtplib.SMTP.getreply

    def watched(self: smtplib.SMTP, *args: Any, **kwargs: Any) -> Any:
        seen.append((connection.in_atomic_block, Notice.objects.get().status))
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(smtplib.SMTP, "getreply", watched)
    outbox.deliver_due(NOON)

    assert len(seen) >= 5
    assert set(seen) == {(False, "sending"), (False, "sent")}  # It says goodbye after the mark.


# --- what is no longer true


def make_asked(**given: Any) -> Booking:
    """Confirmed in a season that asks whether its parties are still coming."""
    return make_booking(make_session(season=make_season(asks_again_days=14)), **given)


STALE = {
    "proven": (NoticeKind.PROVE, make_sign_up, {"proven": True}),
    "lapsed sign-up": (NoticeKind.PROVE, make_sign_up, {"offer_expires_at": NOON}),
    "from the line": (NoticeKind.PROVE, make_sign_up, {"offer_source": OfferSource.WAITLIST}),
    "taken offer": (NoticeKind.OFFER, make_booking, {}),
    "lapsed offer": (NoticeKind.OFFER, make_offered, {"offer_expires_at": NOON}),
    "cancelled": (NoticeKind.CONFIRMED, make_booking, {"status": BookingStatus.CANCELLED}),
    "not confirmed": (NoticeKind.REMINDER, make_booking, {"status": BookingStatus.CHECKED_IN}),
    "left": (NoticeKind.IN_LINE, make_booking, {"status": BookingStatus.WITHDRAWN}),
    "offered again": (NoticeKind.OFFER_LAPSED, make_offered, {}),
    "ended": (NoticeKind.ALREADY_IN, make_booking, {"ended_at": NOON}),
    "gone": (NoticeKind.CHANGED, make_booking, {"status": BookingStatus.CANCELLED}),
    "back": (NoticeKind.CANCELLED, make_booking, {}),
    "takes place": (NoticeKind.CALLED_OFF, make_booking, {}),
    "swapped and cancelled": (NoticeKind.SWAPPED, make_booking, {"status": BookingStatus.CANCELLED}),
    "recalled and offered again": (NoticeKind.RECALLED, make_offered, {}),
    "open": (NoticeKind.LINE_CLOSED, make_waiting, {}),
    "answered": (NoticeKind.STILL_COMING, make_asked, {"still_coming_at": NOON}),
    "not to be asked": (NoticeKind.STILL_COMING, make_booking, {}),
    "not coming": (NoticeKind.STILL_COMING, make_asked, {"status": BookingStatus.CANCELLED}),
    "erased": (NoticeKind.LINK, make_booking, {"email": ""}),
}


@pytest.mark.parametrize(("kind", "make", "given"), STALE.values(), ids=STALE)
def test_what_is_no_longer_true_is_not_sent(office: MailServer, kind: NoticeKind, make: Any, given: Any) -> None:
    notice = owe(kind, make(**given))

    assert outbox.deliver_due(NOON) == 0

    assert (state(notice)[0], office.taken) == ("void", [])


TRUE = {
    NoticeKind.PROVE: (make_sign_up, {}),
    NoticeKind.IN_LINE: (make_waiting, {}),
    NoticeKind.CONFIRMED: (make_booking, {"status": BookingStatus.CHECKED_IN}),
    NoticeKind.OFFER: (make_offered, {}),
    NoticeKind.OFFER_LAPSED: (make_waiting, {}),
    NoticeKind.ALREADY_IN: (make_waiting, {}),
    NoticeKind.LINK: (make_booking, {"status": BookingStatus.CANCELLED}),
    NoticeKind.REMINDER: (make_booking, {}),
    NoticeKind.STILL_COMING: (make_asked, {}),
    NoticeKind.CHANGED: (make_booking, {}),
    NoticeKind.CANCELLED: (make_booking, {"status": BookingStatus.CANCELLED}),
    NoticeKind.SWAPPED: (make_booking, {}),
    NoticeKind.RECALLED: (make_waiting, {}),
    NoticeKind.CALLED_OFF: (make_booking, {"status": BookingStatus.CALLED_OFF}),
    NoticeKind.LINE_CLOSED: (make_booking, {"status": BookingStatus.CLOSED}),
    NoticeKind.ANNOUNCEMENT: (make_booking, {}),
}


@pytest.mark.parametrize("kind", NoticeKind)
def test_what_is_true_is_sent(office: MailServer, kind: NoticeKind) -> None:
    make: Any
    make, given = TRUE[kind]
    facts = {"announcement": make_announcement().pk} if kind == NoticeKind.ANNOUNCEMENT else {}
    notice = owe(kind, make(**given), facts=facts)

    assert outbox.deliver_due(NOON) == 1

    assert state(notice) == ("sent", 1, "")


def test_an_offer_made_anew_voids_the_mail_of_the_old_one(office: MailServer) -> None:
    booking = make_offered(offer_expires_at=NOON + HOUR)
    old = owe(NoticeKind.OFFER, booking, facts={"ends": (NOON + MINUTE).isoformat()})
    new = owe(NoticeKind.OFFER, booking, facts={"ends": (NOON + HOUR).isoformat()})

    outbox.deliver_due(NOON)

    assert (state(old)[0], state(new)[0]) == ("void", "sent")


def test_a_reminder_of_the_old_time_is_void_when_the_session_moved(office: MailServer) -> None:
    notice = owe(NoticeKind.REMINDER, make_booking(), facts={"starts_at": (START - DAY).isoformat(), "days": 1})

    outbox.deliver_due(NOON)

    assert state(notice)[0] == "void"


def test_what_came_too_late_is_recorded_and_not_sent(office: MailServer) -> None:
    notice = owe_confirmation(expires_at=NOON)

    outbox.deliver_due(NOON)

    assert (state(notice)[0], office.taken) == ("expired", [])


OF_A_VISIT = {
    NoticeKind.CONFIRMED,
    NoticeKind.SWAPPED,
    NoticeKind.CANCELLED,
    NoticeKind.CALLED_OFF,
    NoticeKind.OFFER_LAPSED,
    NoticeKind.RECALLED,
    NoticeKind.LINE_CLOSED,
}


@pytest.mark.parametrize("kind", NoticeKind)
def test_what_tells_of_a_visit_is_useless_once_the_visit_is_over_unless_it_ends_before(kind: NoticeKind) -> None:
    booking = make_booking()
    ends = booking.session.ends_at
    outbox.post(kind, booking.party, booking=booking, key="1", now=NOON)
    outbox.post_all(kind, {"2": booking}, now=NOON)
    outbox.post(kind, booking.party, booking=booking, key="3", now=NOON, expires_at=NOON + HOUR)
    outbox.post_all(kind, {"4": booking}, now=NOON, expires_at=NOON + HOUR)
    outbox.post(kind, booking.party, key="5", now=NOON)
    told = list(Notice.objects.order_by("pk").values_list("expires_at", flat=True))
    end = ends if kind in OF_A_VISIT else None
    assert told == [end, end, NOON + HOUR, NOON + HOUR, None]


def test_mails_that_an_outage_held_up_beyond_the_visit_do_not_leave(office: MailServer) -> None:
    booking = make_booking()
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key="1", now=START - DAY)

    outbox.deliver_due(START + 2 * DAY)

    assert (Notice.objects.get().status, office.taken) == ("expired", [])


def test_a_mail_that_waits_is_of_use_until_the_visit_is_over_at_its_new_time(office: MailServer) -> None:
    booking = make_booking()
    outbox.post(NoticeKind.CONFIRMED, booking.party, booking=booking, key="1", now=NOON)
    outbox.post(NoticeKind.STILL_COMING, booking.party, booking=booking, key="2", now=NOON, expires_at=NOON + HOUR)

    move(booking.session, START + 7 * DAY, now=NOON)

    own = Notice.objects.exclude(kind=NoticeKind.CHANGED).order_by("pk")
    assert list(own.values_list("expires_at", flat=True)) == [START + 7 * DAY + 2 * HOUR, NOON + HOUR]


def test_who_was_called_off_is_told_for_as_long_as_its_first_call_lasts(office: MailServer) -> None:
    session = make_session()
    party = make_booking(session).party
    make_session(season=session.season, starts_at=START + 30 * DAY)
    sessions.call_off(session.pk, reason="A power cut.", now=START - HOUR, who="host:lin")
    party.refresh_from_db()
    notice = Notice.objects.get()
    assert notice.expires_at == party.first_call_until == START - HOUR + 3 * DAY

    outbox.deliver_due(START + 2 * DAY)

    assert (state(notice)[0], subjects(office)) == ("sent", ["Called off"])


def test_posting_for_many_reads_when_their_sessions_end_as_often_as_for_one() -> None:
    def queries(parties: int) -> int:
        session = make_session()
        made = [make_booking(session).pk for _party in range(parties)]
        bookings = {f"{pk}": Booking.objects.select_related("party").get(pk=pk) for pk in made}
        with CaptureQueriesContext(connection) as captured:
            outbox.post_all(NoticeKind.CALLED_OFF, bookings, now=NOON)
        return len(captured)

    assert queries(9) == queries(2)


# --- changes that follow each other before the mail of the first has left


def move(session: TourSession, to: datetime, *, now: datetime, hours: int = 2) -> None:
    sessions.move(
        session.pk, starts_at=to, ends_at=to + hours * HOUR, roster_locks_at=to - 2 * DAY, now=now, who="host:lin"
    )


def come_alone(booking: Booking, *, now: datetime) -> None:
    visit.come_with_fewer(booking.party_id, lead=Person("Lin Xiaoyun", 18, None), companions=[], now=now)


def changes() -> list[str]:
    return list(Notice.objects.filter(kind=NoticeKind.CHANGED).order_by("pk").values_list("status", flat=True))


def test_of_two_moves_the_party_gets_one_mail_that_names_the_time_it_knew(office: MailServer) -> None:
    booking = make_booking()
    owe(NoticeKind.CONFIRMED, booking)
    outbox.deliver_due(NOON)
    move(booking.session, START + DAY, now=NOON + HOUR)
    move(booking.session, START + 2 * DAY, now=NOON + 2 * HOUR)

    assert outbox.deliver_due(NOON + 3 * HOUR) == 1

    assert changes() == ["void", "sent"]
    text = office.text(1)
    assert text.startswith("The session now starts on Monday 15 February at 09:30.")
    assert "It was planned for Saturday 13 February 2027, 09:30 (Beijing time)." in text
    confirmed, moved = (str(mail.get_body(("calendar",)) or mail) for mail in office.taken)
    assert ("SEQUENCE:0" in confirmed, "SEQUENCE:2" in moved) == (True, True)


def test_a_move_that_was_told_is_where_the_next_one_begins(office: MailServer) -> None:
    session = make_booking().session
    move(session, START + DAY, now=NOON)
    outbox.deliver_due(NOON)
    move(session, START + 2 * DAY, now=NOON + HOUR)
    outbox.deliver_due(NOON + HOUR)

    assert changes() == ["sent", "sent"]
    assert "It was planned for Sunday 14 February 2027, 09:30" in office.text(1)


def test_whoever_read_the_time_in_another_mail_meanwhile_knew_that_one(office: MailServer) -> None:
    booking = make_booking()
    move(booking.session, START + DAY, now=NOON)
    Notice.objects.update(next_attempt_at=NOON + 5 * HOUR)
    owe(NoticeKind.CONFIRMED, booking)
    outbox.deliver_due(NOON + HOUR)
    move(booking.session, START + 2 * DAY, now=NOON + 2 * HOUR)
    outbox.deliver_due(NOON + 6 * HOUR)

    assert changes() == ["void", "sent"]
    assert "It was planned for Sunday 14 February 2027, 09:30" in office.text(1)


def test_a_mail_that_left_while_the_session_moved_on_was_told(office: MailServer) -> None:
    session = make_booking().session
    move(session, START + DAY, now=NOON)
    Notice.objects.update(status=NoticeStatus.SENT, sent_at=NOON + 2 * SECOND)
    move(session, START + 2 * DAY, now=NOON + SECOND)

    outbox.deliver_due(NOON + HOUR)

    assert changes() == ["sent", "sent"]
    assert "It was planned for Sunday 14 February 2027, 09:30" in office.text(0)


def test_a_session_moved_back_before_anybody_heard_of_it_is_told_to_nobody(office: MailServer) -> None:
    session = make_booking().session
    move(session, START + DAY, now=NOON)
    move(session, START, now=NOON)

    outbox.deliver_due(NOON)

    assert (changes(), office.taken) == (["void", "void"], [])


def test_a_session_moved_back_to_another_end_is_told_by_its_end(office: MailServer) -> None:
    session = make_booking().session
    move(session, START + DAY, now=NOON)
    move(session, START, now=NOON, hours=3)

    outbox.deliver_due(NOON)

    assert changes() == ["void", "sent"]
    assert office.text(0).startswith("The session on Saturday 13 February at 09:30 now ends at 12:30.")
    assert "It was planned to end at 11:30" in office.text(0)


def test_a_mail_that_may_have_left_is_answered_by_one_of_the_way_back(office: MailServer) -> None:
    session = make_booking().session
    move(session, START + DAY, now=NOON)
    office.hang_up = True
    outbox.deliver_due(NOON)
    office.hang_up = False
    move(session, START, now=NOON + SECOND)

    outbox.deliver_due(NOON + HOUR)

    assert changes() == ["void", "sent"]
    assert "The session now starts on Saturday 13 February at 09:30." in office.text(1)
    assert "It was planned for Sunday 14 February 2027, 09:30" in office.text(1)


def test_a_move_that_could_not_be_sent_is_not_forgotten_by_the_next(office: MailServer) -> None:
    session = make_booking().session
    move(session, START + DAY, now=NOON)
    office.data_answer = "451 later"
    outbox.deliver_due(NOON)
    office.data_answer = ""
    move(session, START + 2 * DAY, now=NOON + SECOND)

    outbox.deliver_due(NOON + SECOND)
    outbox.deliver_due(NOON + HOUR)

    assert changes() == ["void", "sent"]
    assert "It was planned for Saturday 13 February 2027, 09:30" in office.text(0)


@pytest.mark.parametrize("first", ["the move", "the party"])
def test_a_move_and_a_smaller_party_are_told_in_one_mail(office: MailServer, first: str) -> None:
    booking = make_booking()
    if first == "the party":
        come_alone(booking, now=NOON)
    move(booking.session, START + DAY, now=NOON)
    if first == "the move":
        come_alone(booking, now=NOON)

    assert outbox.deliver_due(NOON) == 1

    assert changes() == ["void", "sent"]
    assert office.text(0).startswith("The session now starts on Sunday 14 February at 09:30.")
    assert "It was planned for Saturday 13 February 2027, 09:30" in office.text(0)
    assert "Lin Xiaoyun (1 person)" in office.text(0)


def test_each_party_hears_of_its_own_changes(office: MailServer) -> None:
    session = make_session(capacity=2)
    moved_twice = make_booking(session, email="first@visitors.example")
    move(session, START + DAY, now=NOON)
    make_waiting(session, email="second@visitors.example")
    move(session, START + 2 * DAY, now=NOON)

    assert outbox.deliver_due(NOON) == 2

    assert sorted(office.recipients) == ["first@visitors.example", "second@visitors.example"]
    planned = {recipient: office.text(number) for number, recipient in enumerate(office.recipients)}
    assert "It was planned for Saturday 13 February" in planned[moved_twice.party.email]
    assert "It was planned for Sunday 14 February" in planned["second@visitors.example"]


# --- the clocks that start with the hand-over


def test_the_half_hour_of_a_sign_up_counts_from_the_hand_over(office: MailServer) -> None:
    booking = make_sign_up(offer_expires_at=NOON + 6 * HOUR)
    notice = owe(NoticeKind.PROVE, booking)

    outbox.deliver_due(NOON + HOUR)

    booking.refresh_from_db()
    assert state(notice)[0] == "sent"
    assert booking.offer_expires_at == handed_over_at(notice) + 30 * MINUTE
    shown = NOON + HOUR + 30 * MINUTE  # 21:30 at the venue
    assert "They are kept until 21:30 today." in office.text(0)
    assert shown <= booking.offer_expires_at


def test_a_proof_that_cannot_be_handed_over_starts_no_clock(office: MailServer) -> None:
    booking = make_sign_up(offer_expires_at=NOON + 6 * HOUR)
    owe(NoticeKind.PROVE, booking)
    office.data_answer = "451 later"

    outbox.deliver_due(NOON)

    booking.refresh_from_db()
    assert booking.offer_expires_at == NOON + 6 * HOUR


@pytest.mark.parametrize(("before", "hours"), [(None, 24), (NOON + 48 * HOUR, 24), (NOON + HOUR, 1)])
def test_a_waiting_party_has_a_day_from_the_hand_over(office: MailServer, before: datetime | None, hours: int) -> None:
    party = make_waiting(proven=False, prove_by=before).party
    notice = owe(NoticeKind.IN_LINE, party=party)

    outbox.deliver_due(NOON)

    party.refresh_from_db()
    assert state(notice)[0] == "sent"
    assert party.prove_by
    assert NOON + hours * HOUR <= party.prove_by <= NOON + hours * HOUR + MINUTE


# --- failures


def test_a_server_that_is_down_costs_no_row_an_attempt_and_is_tried_once_a_minute(settings: Settings) -> None:
    use(settings, free_port())
    notices = [owe_confirmation() for _ in range(3)]

    for seconds in range(0, 12 * 60, 20):
        outbox.deliver_due(NOON + seconds * SECOND)

    assert [state(notice) for notice in notices] == [("queued", 0, TAKES_NOTHING)] * 3
    breaker = Breaker.objects.get()
    assert breaker_now() == (About(NOON), TAKES_NOTHING, None)
    assert breaker.probe_at
    assert NOON + 12 * MINUTE < breaker.probe_at < NOON + 13 * MINUTE
    with running_mail_server() as office:
        use(settings, office.port)
        assert outbox.deliver_due(NOON + 11 * MINUTE + 50 * SECOND) == 0
        assert outbox.deliver_due(NOON + 15 * MINUTE) == 3
    assert breaker_now() == (None, "", About(NOON + 15 * MINUTE))


def test_of_all_workers_one_tries_a_server_that_is_down(settings: Settings) -> None:
    with running_mail_server() as office:
        use(settings, office.port)
        owe_confirmation()
        open_breaker("for the test", now=NOON)
        together = threading.Barrier(4)
        allowed: list[int] = []

        def work() -> None:
            together.wait()
            try:
                allowed.append(mails_allowed(20, now=NOON + MINUTE))
            finally:
                connection.close()

        in_threads(4, work)

    assert sorted(allowed) == [0, 0, 0, 1]


def test_a_server_that_hangs_is_asked_no_more_by_the_next_row(settings: Settings) -> None:
    with silent_server() as listener:
        use(settings, listener.getsockname()[1])
        settings.EMAIL_TIMEOUT = 0.3
        notices = [owe_confirmation() for _ in range(3)]
        outbox.deliver_due(NOON)
        outbox.deliver_due(NOON + 30 * SECOND)

        assert connections_to(listener) == 1
    assert [state(notice) for notice in notices] == [("queued", 0, "broke off at connect: TimeoutError")] * 3


def test_a_server_that_refuses_our_address_stops_the_batch(
    office: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    office.mail_answer = "550 not you"
    notices = [owe_confirmation() for _ in range(3)]

    outbox.deliver_due(NOON)

    assert [state(notice) for notice in notices] == [("queued", 0, "refused at sender: 550")] * 3
    assert office.connections == 1
    assert "The mail server takes nothing (refused at sender: 550)" in caplog.text


def test_not_now_rests_longer_each_time_and_ends_after_eight_tries(office: MailServer) -> None:
    office.recipient_answer = "451 greylisted"
    notice = owe_confirmation()
    rests = []
    now = NOON

    for _ in range(8):
        outbox.deliver_due(now)
        notice.refresh_from_db()
        # To the half minute below: handing over takes its own time.
        rests.append((notice.next_attempt_at - now) // (30 * SECOND) * 30)
        now = notice.next_attempt_at + SECOND

    assert rests[:7] == [30, 60, 300, 900, 3600, 3600, 3600]
    assert state(notice) == ("dead", 8, "refused at recipient: 451")


@pytest.mark.parametrize("stage", ["recipient_answer", "data_answer"])
def test_a_refused_recipient_is_a_bounce(office: MailServer, stage: str) -> None:
    setattr(office, stage, "550 lin@visitors.example unknown")
    notice = owe_confirmation()

    outbox.deliver_due(NOON)

    error = {"recipient_answer": "refused at recipient: 550", "data_answer": "refused at text: 550"}[stage]
    assert state(notice) == ("bounced", 1, error)
    notice.party.refresh_from_db()
    assert (notice.party.mail_failed_at is not None, notice.party.mail_failure) == (True, "550")


@pytest.mark.parametrize(
    ("status", "days_ago", "is_marked"),
    [
        pytest.param("sent", 6, False, id="a mail of last week was not reported back"),
        pytest.param("bounced", 6, True, id="it was"),
        pytest.param("unknown", 6, True, id="nobody knows whether it left"),
        pytest.param("sent", 4, True, id="it may still be reported"),
        pytest.param("sent", 20, True, id="it left before the other failed"),
    ],
)
def test_a_failed_address_is_forgiven_once_a_later_mail_was_not_reported_back_in_time(
    office: MailServer, status: NoticeStatus, days_ago: int, is_marked: bool
) -> None:
    failed: dict[str, Any] = {"mail_failed_at": NOON - 10 * DAY, "mail_failure": "5.2.2"}
    booking = make_booking(**failed)
    others = make_booking(**failed)
    owe(NoticeKind.REMINDER, booking, status=status, sent_at=NOON - days_ago * DAY)
    owe(NoticeKind.CONFIRMED, booking)

    assert outbox.deliver_due(NOON) == 1

    forgiven: dict[str, Any] = {"mail_failed_at": None, "mail_failure": ""}
    of_parties = Party.objects.order_by("pk").values("mail_failed_at", "mail_failure")
    assert list(of_parties.filter(pk__in=[booking.party_id, others.party_id])) == [
        failed if is_marked else forgiven,
        failed,
    ]


def test_one_bad_address_does_not_hold_up_the_next(office: MailServer) -> None:
    bad, good = owe_confirmation(), owe_confirmation()
    office.refused_recipients = {bad.party.email: "550 unknown"}

    outbox.deliver_due(NOON)

    assert (state(bad)[0], state(good)[0]) == ("bounced", "sent")


def test_a_row_that_cannot_be_built_is_set_aside(office: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    broken = owe(NoticeKind.CHANGED, make_booking(lead_name="Secret Name"), facts={"starts_at": "not a time"})
    good = owe_confirmation(next_attempt_at=NOON)

    outbox.deliver_due(NOON)

    assert (state(broken), state(good)[0]) == (("dead", 1, "ValueError"), "sent")
    assert f"Notice {broken.pk} (changed) cannot be built: ValueError" in caplog.text
    assert "not a time" not in caplog.text


def test_an_urgent_mail_whose_fate_is_unknown_goes_again_under_the_same_message_id(office: MailServer) -> None:
    notice = owe(NoticeKind.OFFER, make_offered())
    office.hang_up = True
    outbox.deliver_due(NOON)
    assert state(notice)[:2] == ("queued", 1)

    office.hang_up = False
    outbox.deliver_due(NOON + MINUTE)

    assert state(notice)[:2] == ("sent", 2)
    first, second = office.taken
    assert first["Message-ID"] == second["Message-ID"]


def test_a_reminder_whose_fate_is_unknown_is_not_sent_again(office: MailServer) -> None:
    notice = owe(NoticeKind.REMINDER, make_booking())
    office.hang_up = True

    outbox.deliver_due(NOON)

    assert state(notice)[:2] == ("unknown", 1)
    assert outbox.deliver_due(NOON + HOUR) == 0


def test_a_reminder_that_cannot_have_left_goes_again(office: MailServer) -> None:
    notice = owe(NoticeKind.REMINDER, make_booking())
    office.recipient_answer = "421 closing"
    outbox.deliver_due(NOON)
    assert state(notice)[0] == "queued"

    office.recipient_answer = ""
    assert outbox.deliver_due(NOON + MINUTE) == 1


def test_a_reminder_that_the_server_puts_off_goes_again(office: MailServer) -> None:
    notice = owe(NoticeKind.REMINDER, make_booking())
    office.data_answer = "451 later"

    outbox.deliver_due(NOON)

    assert state(notice) == ("queued", 1, "refused at text: 451")


LOST: dict[str, Any] = {
    "status": NoticeStatus.SENDING,
    "lease_until": NOON + 2 * MINUTE,
    "next_attempt_at": NOON + 2 * MINUTE,
}
BEGUN: dict[str, Any] = {"begun_at": NOON, "times_begun": 1, "attempts": 1}


@pytest.mark.parametrize(
    ("kind", "begun", "outcome"),
    [
        (NoticeKind.CONFIRMED, {}, ("sent", 2, "")),
        (NoticeKind.CONFIRMED, BEGUN, ("sent", 3, "")),
        (NoticeKind.REMINDER, {}, ("sent", 2, "")),
        (NoticeKind.REMINDER, BEGUN, ("unknown", 1, "the worker was lost")),
        (NoticeKind.REMINDER, {"attempts": 8}, ("dead", 8, "the worker was lost")),
    ],
)
def test_a_lost_worker_is_made_good_after_the_lease(
    office: MailServer, kind: NoticeKind, begun: dict[str, Any], outcome: tuple[str, int, str]
) -> None:
    notice = owe(kind, make_booking(), **LOST, **begun)

    outbox.deliver_due(NOON + MINUTE)
    assert state(notice)[0] == "sending"

    outbox.deliver_due(NOON + 2 * MINUTE)
    assert state(notice) == outcome


def test_a_row_whose_worker_was_lost_takes_no_others_with_it(office: MailServer) -> None:
    lost = [owe_confirmation(**LOST) for _ in range(2)]
    owe_confirmation(next_attempt_at=NOON + 3 * MINUTE)

    assert [claims.claim(20, now=NOON + 4 * MINUTE) for _ in range(2)] == [[notice.pk] for notice in lost]


def test_a_worker_that_comes_back_late_sends_and_changes_nothing_any_more(office: MailServer) -> None:
    owed = owe_confirmation()
    assert claims.claim(1, now=NOON) == [owed.pk]
    (notice,) = claims.load([owed.pk], claimed_at=NOON)
    assert claims.claim(1, now=NOON + 3 * MINUTE) == [owed.pk]

    assert claims.begin(notice, now=NOON + 4 * MINUTE) is False
    claims.settle(notice, NoticeStatus.DEAD)
    claims.release([owed.pk], claimed_at=NOON)

    assert state(owed) == ("sending", 1, "")
    outbox.deliver_due(NOON + 6 * MINUTE)
    assert state(owed) == ("sent", 3, "")


def test_neither_log_nor_row_keeps_what_is_personal(office: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="bookings")
    notice = owe(NoticeKind.CONFIRMED, make_booking(email="lin@visitors.example", lead_name="Lin Xiaoyun"))
    office.recipient_answer = "550 lin@visitors.example unknown"

    outbox.deliver_due(NOON)

    logged = [record.getMessage() for record in caplog.records if record.name.startswith("bookings")]
    said = " ".join([*logged, state(notice)[2]])
    assert f"Notice {notice.pk} (confirmed): refused at recipient: 550" in said
    assert not {word for word in ("lin@", "visitors.example", "Lin") if word in said}


# --- the cap


def test_an_address_gets_at_most_three_unproven_mails_an_hour_and_none_is_lost(office: MailServer) -> None:
    notices = [owe_link(next_attempt_at=NOON + number * SECOND) for number in range(4)]
    other = owe_link("wei@visitors.example")

    assert [outbox.deliver_due(NOON + minutes * MINUTE) for minutes in (1, 3)] == [4, 0]
    assert [state(notice)[:2] for notice in [*notices, other]] == [("sent", 1)] * 3 + [("queued", 0), ("sent", 1)]

    assert notices[0].begun_at
    first_hour_over = notices[0].begun_at + HOUR
    assert notices[3].next_attempt_at == first_hour_over
    assert outbox.deliver_due(first_hour_over + SECOND) == 1


def test_the_tag_of_an_address_is_the_same_mailbox(office: MailServer) -> None:
    for number in range(4):
        owe_link(f"lin+{number}@visitors.example")

    assert outbox.deliver_due(NOON) == 3


def test_no_spelling_of_an_address_gets_more(office: MailServer) -> None:
    for local in ("lin", '"lin"', r'"\lin"', r'"l\in"', r'"\l\i\n+tag"'):
        owe_link(f"{local}@visitors.example")

    assert outbox.deliver_due(NOON) == 3


def test_mails_on_their_way_count(office: MailServer) -> None:
    for _ in range(3):
        owe_link(**LOST, **BEGUN)
    notice = owe_link()

    assert outbox.deliver_due(NOON) == 0
    assert state(notice)[:2] == ("queued", 0)
    assert notice.next_attempt_at > NOON


def test_news_of_a_visit_is_not_capped(office: MailServer) -> None:
    for _ in range(3):
        owe_link()
    booking = make_booking(email="lin@visitors.example")
    for _ in range(2):
        owe(NoticeKind.CONFIRMED, booking)

    assert outbox.deliver_due(NOON) == 5
