"""One mail to every party of a season that may be sent news, and how a party stops them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import outbox
from bookings.domain import announcements, retention, visit
from bookings.models import Announcement, BookingStatus, Lane, Notice, NoticeKind, NoticeStatus, Party
from tests.acts import owed
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    both,
    make_announcement,
    make_booking,
    make_party,
    make_session,
    make_sign_up,
    make_waiting,
)

pytestmark = pytest.mark.django_db

LIN = "host:lin"


def send(announcement: Announcement) -> int:
    """A host presses and the clock beats; how many parties it is owed to."""
    announcements.send(announcement.pk, now=NOON, who=LIN)
    return announcements.owe_announcements(now=NOON)


def test_it_goes_once_to_every_party_that_comes_or_waits():
    session = make_session()
    coming, waiting = make_booking(session, language="zh-hans"), make_waiting(session)
    make_booking(session, BookingStatus.CANCELLED, ended_at=NOON - HOUR)
    make_sign_up(session)
    make_booking()  # of another season
    announcement = make_announcement(session.season)

    assert announcements.audience(announcement) == (2, {"en": 1, "zh-hans": 1})
    assert send(announcement) == 2

    assert owed() == [("announcement", coming.party_id), ("announcement", waiting.party_id)]
    notice = Notice.objects.all()[0]
    assert (notice.lane, notice.created_at, notice.next_attempt_at, notice.expires_at, notice.facts) == (
        Lane.ANNOUNCEMENT,
        NOON,
        NOON,
        NOON + 3 * DAY,
        {"announcement": announcement.pk},
    )
    announcement.refresh_from_db()
    assert (announcement.posted_at, announcement.posted_by) == (NOON, LIN)
    with pytest.raises(announcements.AlreadySent):
        send(announcement)
    assert announcements.owe_announcements(now=NOON + HOUR) == 0
    assert Notice.objects.count() == 2


def test_stopped_in_the_middle_it_goes_on_and_owes_nobody_twice():
    session = make_session()
    first, second = make_booking(session), make_booking(session)
    announcement = make_announcement(session.season)
    announcements.send(announcement.pk, now=NOON, who=LIN)
    key = f"announcement:{announcement.pk}:{first.party_id}"
    outbox.post(NoticeKind.ANNOUNCEMENT, first.party, key=key.partition(":")[2], now=NOON)
    make_booking(session, asked_at=NOON + HOUR)

    assert announcements.owe_announcements(now=NOON + 2 * HOUR) == 2

    assert owed() == [("announcement", first.party_id), ("announcement", second.party_id)]
    assert Announcement.objects.get().owed_at == NOON + 2 * HOUR


def test_who_joins_later_does_not_change_whom_it_went_to():
    session = make_session()
    make_booking(session)
    announcement = make_announcement(session.season)
    send(announcement)
    make_booking(session)

    announcement.refresh_from_db()
    assert announcements.audience(announcement) == (1, {"en": 1})


UNREACHED: dict[str, dict[str, Any]] = {
    "said stop": {"wants_no_news_at": NOON - DAY},
    "said stop in another season": {"email": "lin@visitors.example"},
    "an address that takes no mail": {"mail_failed_at": NOON - DAY, "mail_failure": "5.1.1"},
    "an unproven mailbox": {"proven": False},
    "erased": {"email": "", "erased_at": NOON - DAY},
}


@pytest.mark.parametrize("party", UNREACHED.values(), ids=UNREACHED)
def test_who_must_not_be_sent_news_is_left_out(party):
    make_party(email="Lin+old@visitors.example", wants_no_news_at=NOON - 9 * DAY)
    session = make_session()
    make_booking(session, **party)
    announcement = make_announcement(session.season)

    assert announcements.audience(announcement) == (0, {})
    with pytest.raises(announcements.NobodyToTell):
        send(announcement)
    announcement.refresh_from_db()
    assert (announcement.posted_at, owed()) == (None, [])


@pytest.mark.parametrize("field", ["subject", "words"])
def test_nobody_is_sent_a_language_it_did_not_choose(field):
    session = make_session()
    make_booking(session), make_booking(session, language="zh-hans")
    announcement = make_announcement(session.season, **{field: both("Come by train", " ")})

    with pytest.raises(announcements.LanguageMissing, match="Parties read it in 中文 too"):
        send(announcement)
    announcement.refresh_from_db()
    assert (announcement.posted_at, owed()) == (None, [])

    Party.objects.update(language="en")
    assert send(announcement) == 2


@pytest.mark.django_db(transaction=True)
def test_who_stops_before_the_mail_leaves_does_not_get_it(mail_server, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    session = make_session()
    stays, stops = make_booking(session), make_booking(session)
    send(make_announcement(session.season))

    announcements.stop(stops.party_id, now=NOON)
    assert outbox.deliver_due(NOON + HOUR) == 1

    statuses = dict(Notice.objects.values_list("party", "status"))
    assert statuses == {stays.party_id: NoticeStatus.SENT, stops.party_id: NoticeStatus.VOID}
    assert [message["Subject"] for message in mail_server.taken] == ["The car park is closed"]


def test_what_could_not_leave_in_three_days_is_no_news_any_more(settings):
    session = make_session()
    make_booking(session)
    send(make_announcement(session.season))

    outbox.deliver_due(NOON + 3 * DAY)

    assert Notice.objects.get().status == NoticeStatus.EXPIRED


def test_stopping_twice_keeps_the_first_time():
    party = make_party()
    for hours in (0, 5):
        announcements.stop(party.pk, now=NOON + hours * HOUR)
    party.refresh_from_db()
    assert party.wants_no_news_at == NOON


def test_a_new_address_begins_with_nothing_known_of_it():
    known = {"mail_failed_at": NOON, "mail_failure": "5.1.1", "complained_at": NOON, "wants_no_news_at": NOON}
    party = make_party(**known)

    visit.change_contact(party.pk, email=party.email, phone="1", language="en")
    assert Party.objects.values(*known).get() == known

    visit.change_contact(party.pk, email="new@visitors.example", phone="1", language="en")
    assert Party.objects.values(*known).get() == dict.fromkeys(known) | {"mail_failure": ""}


def test_what_a_person_said_stays_when_its_address_is_spelt_otherwise():
    known = {"mail_failed_at": NOON, "mail_failure": "5.1.1", "complained_at": NOON, "wants_no_news_at": NOON}
    party = make_party(email="Lin+tour@visitors.example", **known)

    visit.change_contact(party.pk, email="lin@visitors.example", phone="", language="en")

    assert Party.objects.values(*known).get() == known | {"mail_failed_at": None, "mail_failure": ""}


def test_what_is_known_of_an_address_goes_with_it_and_the_wish_for_silence_with_the_person():
    known: dict[str, Any] = {"mail_failed_at": NOON, "mail_failure": "5.1.1", "complained_at": NOON}
    booking = make_booking(**known, wants_no_news_at=NOON, asked_at=NOON)

    retention.erase(booking.party_id, now=START + 40 * DAY)
    kept = Party.objects.values(*known, "wants_no_news_at").get()
    assert kept == dict.fromkeys(known) | {"mail_failure": "", "wants_no_news_at": NOON}

    retention.erase_due(now=NOON + timedelta(days=365))
    assert Party.objects.values("person_key", "wants_no_news_at").get() == {
        "person_key": None,
        "wants_no_news_at": None,
    }


def queries_to_send(parties: int) -> int:
    session = make_session(capacity=4 * parties)
    for _number in range(parties):
        make_booking(session)
    announcement = make_announcement(session.season)
    with CaptureQueriesContext(connection) as queries:
        assert send(announcement) == parties
    return len(queries)


def test_thirty_parties_cost_as_many_queries_as_two():
    assert queries_to_send(2) == queries_to_send(30)
