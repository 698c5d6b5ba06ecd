"""A busy session is moved twice and called off: what its parties hear, and what becomes of their calendars.

The clock is played, minute by minute; the mail server is a real one that is stopped and started.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import NamedTuple

import icalendar
import pytest
import vobject
from pytest_django import Settings

from bookings import outbox
from bookings.admin.standing import failed_mails
from bookings.domain import sessions, waitlist
from bookings.domain.invariants import broken_promises
from bookings.models import DecisionTrigger, Notice, NoticeStatus, Party, TourSession, person_key
from tests.factories import DAY, HOUR, NOON, START, both, make_house, make_session
from tests.long_lines import fill_line
from tests.smtp import MailServer

# Hundreds of parties and a mail server: long, and what it shows of the database others show on both.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
MINUTE = timedelta(minutes=1)
REPAIR = both("The lift is being repaired.", "升降台检修。")


class Entry(NamedTuple):
    """What a calendar reads in a mail."""

    method: str
    uid: str
    sequence: int
    stamp: datetime
    start: datetime


@pytest.fixture
def office(mail_server: MailServer, settings: Settings, caplog: pytest.LogCaptureFixture) -> MailServer:
    caplog.set_level("WARNING", "mail.log")  # Every line of every conversation would be kept.
    settings.SITE_URL = "https://visits.works.example"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", mail_server.port, 60
    return mail_server


def busy_session(*, takes: int, waiting: int) -> TourSession:
    """So many parties are offered all its places, and so many wait."""
    make_house()
    session = make_session(capacity=2 * takes, max_parties=takes)
    for number, party in enumerate(fill_line([session], parties=takes + waiting), start=1):
        email = f"lead{number}@visitors.example"
        Party.objects.filter(pk=party.pk).update(email=email, person_key=person_key(email))
    assert waitlist.offer_free_places(session.pk, now=NOON, trigger=DecisionTrigger.SCAN) == takes
    return session


def accept(session: TourSession, parties: int, *, now: datetime) -> list[Party]:
    """The first so many that are offered places say yes."""
    offers = session.bookings.filter(status="offered").select_related("party").order_by("queue_number")
    accepted = list(offers[:parties])
    for booking in accepted:
        waitlist.accept_offer(booking.pk, now=now)
    return [booking.party for booking in accepted]


def move(session: TourSession, *, to: datetime, now: datetime) -> None:
    sessions.move(
        session.pk, starts_at=to, ends_at=to + 2 * HOUR, roster_locks_at=to - 2 * DAY, now=now, who="host:lin"
    )


def call_off(session: TourSession, *, now: datetime) -> None:
    sessions.call_off(session.pk, reason=REPAIR, now=now, who="host:lin")


def play(acts: dict[int, Callable[[datetime], object]], *, minutes: range) -> None:
    """The acts in their minutes, and in every minute what the clock causes."""
    for minute in minutes:
        now = NOON + minute * MINUTE
        if act := acts.get(minute):
            act(now)
        waitlist.lapse_offers(now=now)
        waitlist.serve_waiting_lines(now=now)
        outbox.deliver_due(now)


def entries(office: MailServer) -> dict[str, list[Entry]]:
    """What came to each address for its calendar, in order, as two parsers read it alike."""
    found = defaultdict(list)
    for message in office.taken:
        for part in message.walk():
            if part.get_content_type() == "text/calendar":
                found[str(message["To"])].append(read(part))
    return found


def read(part: EmailMessage) -> Entry:
    text = part.get_content()
    calendar = icalendar.Calendar.from_ical(text)
    [event] = calendar.walk("VEVENT")
    assert isinstance(event, icalendar.Event)
    assert isinstance(event.start, datetime)
    method, number = str(calendar["METHOD"]), int(str(event["SEQUENCE"]))
    entry = Entry(method, str(event["UID"]), number, event.stamp, event.start)
    other = vobject.readOne(text)
    told = other.vevent
    assert entry == Entry(
        other.method.value, told.uid.value, int(told.sequence.value), told.dtstamp.value, told.dtstart.value
    )
    assert part.get_param("method") == method
    return entry


def numbers(party: Party) -> list[tuple[str, int | None]]:
    """Kind and number of the notices that speak of the party's entry, in order."""
    speaking = party.notices.filter(calendar_sequence__isnull=False).order_by("pk")
    return list(speaking.values_list("kind", "calendar_sequence"))


def test_whatever_happens_while_no_mail_leaves_everybody_hears_how_it_stands_and_no_calendar_is_wrong(
    office: MailServer,
) -> None:
    session = busy_session(takes=60 + 3, waiting=400)
    early = accept(session, 40, now=NOON)
    late: list[Party] = []
    play({}, minutes=range(2))
    assert len(office.about("Confirmed")) == 40

    office.stop()
    acts: dict[int, Callable[[datetime], object]] = {
        2: lambda now: late.extend(accept(session, 20, now=now)),
        10: lambda now: move(session, to=START + DAY, now=now),
        40: lambda now: move(session, to=START + 2 * DAY, now=now),
        80: lambda now: call_off(session, now=now),
    }
    play(acts, minutes=range(2, 122))
    left_before = len(office.taken)

    everybody = list(Party.objects.order_by("pk"))
    waiting = [party for party in everybody if party not in early + late]
    bounced = [early[0], late[0], late[1], waiting[0], waiting[100]]
    office.refused_recipients = {party.email: "550 no such user" for party in bounced}
    office.start()
    play({}, minutes=range(122, 140))

    # Every row has come to its end, and every party's last one is how it stands.
    assert list(Notice.objects.unsettled()) == []
    last = {notice.party_id: (notice.kind, notice.status) for notice in Notice.objects.order_by("pk")}
    assert Counter(last.values()) == {("called_off", "sent"): len(everybody) - 5, ("called_off", "bounced"): 5}
    assert {party for party, (_kind, status) in last.items() if status == NoticeStatus.BOUNCED} == {
        party.pk for party in bounced
    }
    assert set(failed_mails(now=NOON + 3 * HOUR).values_list("party", flat=True)) == {party.pk for party in bounced}
    assert len(office.taken) == left_before + len(everybody) - 5, "one mail each tells it all"
    assert set(office.handed_over().values()) == {1}

    # The numbers were owed one after the other, and what left of them never falls.
    owed = [("confirmed", 0), ("changed", 1), ("changed", 2), ("called_off", 3)]
    assert [numbers(party) for party in early + late] == [owed] * 60
    had = entries(office)
    left = {party.email: [entry[:3] for entry in had[party.email]] for party in everybody if party.email in had}
    uids = {party.email: f"{party.code}@visits.works.example" for party in everybody}
    brought = {party.email: [("REQUEST", uids[party.email], 0)] for party in early}
    taken_away = {party.email: [("CANCEL", uids[party.email], 3)] for party in early + late if party not in bounced}
    assert left == {email: brought.get(email, []) + taken_away.get(email, []) for email in {**brought, **taken_away}}
    assert list(broken_promises(now=NOON + 3 * HOUR)) == []


def test_while_mail_leaves_every_calendar_follows_in_four_steps(office: MailServer) -> None:
    session = busy_session(takes=4 + 2, waiting=5)
    confirmed: list[Party] = []
    acts: dict[int, Callable[[datetime], object]] = {
        1: lambda now: confirmed.extend(accept(session, 4, now=now)),
        10: lambda now: move(session, to=START + DAY, now=now),
        40: lambda now: move(session, to=START + 2 * DAY, now=now),
        80: lambda now: call_off(session, now=now),
    }
    for minute in (0, 1, 2, 10, 11, 12, 13, 40, 41, 42, 43, 80, 81, 82, 83):
        play(acts, minutes=range(minute, minute + 1))

    assert list(Notice.objects.unsettled()) == []
    had = entries(office)
    assert set(had) == {party.email for party in confirmed}
    for party in confirmed:
        steps = had[party.email]
        assert [entry[:3] for entry in steps] == [
            (method, f"{party.code}@visits.works.example", number)
            for number, method in enumerate(["REQUEST", "REQUEST", "REQUEST", "CANCEL"])
        ]
        assert [entry.start for entry in steps] == [START, START + DAY, START + 2 * DAY, START + 2 * DAY]
        stamps = [entry.stamp for entry in steps]
        assert stamps == sorted(set(stamps))
