"""No more announcements by one press, as RFC 8058 asks it of senders."""

import logging
import re
from email import message_from_bytes, policy

import pytest
from django.test import Client
from django.urls import reverse

from bookings.domain import visit
from bookings.emails import build
from bookings.emails.links import stop_link
from bookings.models import LANES, Notice, NoticeKind, Party
from portal.logs import KeysLeftOut
from tests.factories import HOUR, NOON, make_announcement, make_booking, make_party
from tests.portal.pages import words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def path_of(party: Party) -> str:
    return stop_link(party).partition("//")[2].partition("/")[1] + stop_link(party).split("/", 3)[3]


def stopped_at(party: Party) -> object:
    return Party.objects.values_list("wants_no_news_at", flat=True).get(pk=party.pk)


def notice_of(kind: NoticeKind, party: Party, **facts: int) -> Notice:
    return Notice.objects.create(
        kind=kind,
        party=party,
        booking=party.bookings.first(),
        dedupe_key=f"{kind}:1",
        lane=LANES[kind],
        facts=facts,
        created_at=NOON,
        next_attempt_at=NOON,
    )


@pytest.mark.parametrize("how", [{}, {"content_type": "application/x-www-form-urlencoded"}])
def test_a_mail_program_stops_with_one_post_without_cookie_or_redirect(how):
    """The body is a form of either kind; nothing else comes with it."""
    party = make_party()
    body = ONE_CLICK if not how else "List-Unsubscribe=One-Click"

    response = Client(enforce_csrf_checks=True).post(path_of(party), body, **how)

    assert (response.status_code, response.cookies, stopped_at(party)) == (200, {}, NOON)
    assert (response["Cache-Control"], response["Referrer-Policy"]) == ("private, no-store", "no-referrer")


def test_the_address_in_the_header_of_an_announcement_is_that_address(settings):
    settings.SITE_URL = "https://visits.works.example"
    party = make_booking(language="zh-hans").party
    notice = notice_of(NoticeKind.ANNOUNCEMENT, party, announcement=make_announcement().pk)

    mail = message_from_bytes(build(notice, now=NOON).message().as_bytes(), policy=policy.default)

    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = re.fullmatch(
        r"<https://visits\.works\.example(/zh-hans/mail/stop/\S+/)>", mail["List-Unsubscribe"].strip()
    )
    assert address
    Client().post(address[1], ONE_CLICK)
    assert stopped_at(party) == NOON


@pytest.mark.parametrize("kind", sorted(set(NoticeKind) - {NoticeKind.ANNOUNCEMENT}))
def test_what_is_about_the_own_visit_cannot_be_stopped(kind, settings):
    settings.SITE_URL = "https://visits.works.example"
    mail = build(notice_of(kind, make_booking().party), now=NOON).message()
    assert [name for name in mail if name.startswith("List-")] == []
    assert "/mail/stop/" not in mail.as_string()


def test_without_tls_no_button_is_promised(settings):
    settings.SITE_URL = "http://visits.works.example"
    notice = notice_of(NoticeKind.ANNOUNCEMENT, make_booking().party, announcement=make_announcement().pk)
    assert "List-Unsubscribe" not in build(notice, now=NOON).message()


def test_opening_the_page_changes_nothing_and_its_button_stops(client, clock):
    party = make_party()
    page = client.get(path_of(party))
    assert (page.status_code, page.cookies, stopped_at(party)) == (200, {}, None)
    assert "Stop announcements?" in words(page)
    field = re.search(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', page.content.decode())
    assert field

    after = client.post(path_of(party), {field[1]: field[2]})
    clock(NOON + HOUR)
    again = client.post(path_of(party), {field[1]: field[2]})

    assert "You get no more announcements from us." in words(after)
    assert (after.status_code, again.status_code, stopped_at(party)) == (200, 200, NOON)
    assert "You get no more announcements from us." in words(client.get(path_of(party)))


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "No"}])
def test_a_post_that_does_not_ask_for_it_changes_nothing(client, body):
    party = make_party()
    assert client.post(path_of(party), body).status_code == 200
    assert stopped_at(party) is None


def test_it_is_a_key_of_its_own(client):
    """The link of a page does not stop, what stops opens no page, and neither works for another party."""
    party, other = make_booking().party, make_booking().party

    def stop_page(token: str) -> int:
        address = reverse("stop_mail", kwargs={"code": party.code, "token": token})
        return int(client.post(address, ONE_CLICK).status_code)

    assert [stop_page(token) for token in (party.link_token, other.stop_token, "x")] == [404, 404, 404]
    opened = client.get(reverse("visit_link", kwargs={"code": party.code, "token": party.stop_token}))
    assert (opened.status_code, opened.cookies) == (404, {})
    assert stopped_at(party) is None


def test_it_outlives_ended_links_and_erasing_and_ends_with_the_address(client):
    party = make_party()
    old = path_of(party)
    visit.revoke_links(party.pk)
    assert client.get(old).status_code == 200

    Party.objects.filter(pk=party.pk).update(email="", erased_at=NOON)
    assert client.post(old, ONE_CLICK).status_code == 200

    visit.change_contact(party.pk, email="new@visitors.example", phone="", language="en")
    assert client.post(old, ONE_CLICK).status_code == 404
    assert stopped_at(party) is None

    Party.objects.filter(pk=party.pk).update(person_key=None)
    party.refresh_from_db()
    assert client.post(path_of(party), ONE_CLICK).status_code == 404


def test_no_log_keeps_the_address_that_stops():
    party = make_party()
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "%s: %s", ("Error", path_of(party)), None)
    KeysLeftOut().filter(record)
    assert record.getMessage() == f"Error: /en/mail/stop/{party.code}/…/"
