"""The main job on real processes: a worker, a clock, a broker and a mail server beside the pages themselves."""

import re
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from bookings.domain.invariants import broken_promises
from bookings.models import Booking, BookingStatus, TourSession
from tests.factories import make_house, make_season, make_session, make_tour
from tests.processes import processes, wait_until
from tests.smtp import MailServer
from tests.stamps import older_one_of

pytestmark = pytest.mark.django_db(transaction=True)

PARTIES = 20


def sign_up(session: TourSession, number: int) -> None:
    """As a browser does: read the form, fill it in, send it, see the page after it."""
    browser = Client(REMOTE_ADDR=f"198.51.{number}.7")
    address = f"/en/sessions/{session.pk}/sign-up/"
    page = browser.get(address).content.decode()
    answer = browser.post(
        address,
        {
            "submission_key": older_one_of(page),
            "size": "2",
            "lead_name": "Lin Xiaoyun",
            "lead_age": "18-",
            "email": f"lead{number}@visitors.example",
            "name_2": "Wei Jun",
            "age_2": "6-17",
        },
        follow=True,
    )
    assert answer.redirect_chain, answer.content.decode()
    assert answer.status_code == 200


def link_in(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body
    found = re.search(r"https?://[^/\s]+(/en/visit/\S+)", body.get_content())
    assert found
    return found[1]


def follow(message: EmailMessage) -> tuple[Client, str]:
    """The browser of whoever reads this mail, on the party's page, and the address of that page."""
    browser = Client()
    answer = browser.get(link_in(message), follow=True)
    assert answer.status_code == 200
    return browser, answer.redirect_chain[-1][0]


def press(message: EmailMessage, act: str) -> None:
    """Open the page behind the link and press its button, with what the form around it carries. Where the page leads to
    a question first, it is answered."""
    browser, address = follow(message)
    page = browser.get(address).content.decode()
    if f'href="{address}{act}/"' in page:
        page = browser.get(f"{address}{act}/").content.decode()
    form = re.search(rf'<form method="post" action="{address}{act}/">(.*?)</form>', page)
    assert form, f"no button to {act}"
    carried = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[1]))
    answer = browser.post(f"{address}{act}/", carried, follow=True)
    assert answer.status_code == 200, answer.content.decode()


def statuses(session: TourSession) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in session.bookings.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def test_twenty_one_parties_ask_for_twenty_places_and_the_last_comes_too(tmp_path: Path, mail_server: MailServer):
    make_house()
    now = timezone.now()
    season = make_season(tour=make_tour(), opens_at=now - timedelta(days=1), closes_at=now + timedelta(days=60))
    session = make_session(season=season, starts_at=now + timedelta(days=40), capacity=60, max_parties=PARTIES)

    with processes(tmp_path, "worker", "beat", email_url=mail_server.url):
        for number in range(1, PARTIES + 2):
            sign_up(session, number)
        assert statuses(session) == {"offered": PARTIES, "waiting": 1}

        asked = wait_until(lambda: mail_server.one_for_each(PARTIES + 1), what="the mails that ask for the proof")
        for message in asked:
            press(message, "prove")
        assert statuses(session) == {"confirmed": PARTIES, "waiting": 1}
        wait_until(lambda: len(mail_server.about("Confirmed")) == PARTIES, what="the confirmations")

        press(mail_server.about("Confirmed")[0], "cancel")
        [offer] = wait_until(lambda: mail_server.about("Offered"), what="the offer")
        assert offer["To"] == asked_last(session)
        press(offer, "accept")
        assert statuses(session) == {"confirmed": PARTIES, "cancelled": 1}

        tomorrow = timezone.now() + timedelta(hours=23)
        TourSession.objects.filter(pk=session.pk).update(
            starts_at=tomorrow, ends_at=tomorrow + timedelta(hours=2), roster_locks_at=tomorrow - timedelta(days=2)
        )
        Booking.objects.filter(status=BookingStatus.CONFIRMED).update(status_since=timezone.now() - timedelta(days=9))
        reminders = wait_until(
            lambda: len(found := mail_server.about("Reminder")) == PARTIES and found, seconds=300, what="the reminders"
        )
        assert len({message["To"] for message in reminders}) == PARTIES
        assert list(broken_promises(now=timezone.now())) == []
    assert all(count == 1 for count in mail_server.handed_over().values())


def asked_last(session: TourSession) -> str:
    booking = session.bookings.get(queue_number=1)
    return booking.party.email
