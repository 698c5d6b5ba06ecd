"""The link to a party's page: who it lets in, and what only looking at it changes."""

import io
import logging
import re

import pytest
from django.test import Client

from bookings.domain import retention, visit
from bookings.models import Party
from tests.factories import NOON, make_booking, make_offered, make_session, make_waiting
from tests.portal.pages import links, words
from tests.portal.visits import address, dump, enter, link, press

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

ACTS = ["prove/", "accept/", "decline/", "leave/", "cancel/"]
FORMS = ["fewer/", "people/"]
PAGES = ["", "calendar.ics", *FORMS]
LOCKED = "This page opens through the link in your mail"
OLD = "This link no longer opens anything"


def headers(response):
    return response.get("Cache-Control"), response.get("Referrer-Policy")


# Getting in


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_link_becomes_a_cookie_and_is_gone_from_the_address(client, language):
    party = make_booking().party
    response = client.get(link(party, language))
    assert (response.status_code, response["Location"]) == (303, address(party, language=language))
    cookie = response.cookies[f"visit-{party.code}"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (len(response.cookies), party.link_token in str(cookie)) == (1, False)
    assert client.get(response["Location"]).status_code == 200


def test_the_cookie_is_sent_without_tls_only_where_the_site_has_none(client, settings):
    party = make_booking().party
    flags = []
    for settings.SESSION_COOKIE_SECURE in (False, True):
        flags.append(bool(client.get(link(party)).cookies[f"visit-{party.code}"]["secure"]))
    assert flags == [False, True]


def test_the_page_names_no_link_of_its_own(client):
    party = make_booking().party
    page = enter(client, party).get(address(party))
    assert party.link_token not in page.content.decode()


def test_a_forged_token_and_an_unknown_code_read_the_same(client):
    party, other = make_booking().party, make_booking().party
    forged = [
        address(party, f"{'0' * 43}/"),
        address(party, f"{party.link_token[:-1]}/"),
        address(party, f"{party.link_token}x/"),
        address(party, f"{other.link_token}/"),
        f"/en/visit/22222222/{party.link_token}/",
    ]
    answers = [client.get(asked) for asked in forged]
    assert [answer.status_code for answer in answers] == [404] * len(forged)
    assert [OLD in words(answer) for answer in answers] == [True] * len(forged)
    assert ["/en/link/" in links(answer) for answer in answers] == [True] * len(forged)
    assert not client.cookies


def test_without_the_cookie_known_and_unknown_codes_read_the_same(client):
    party = make_offered().party
    for act in [*PAGES, *ACTS]:
        answers = [client.get(asked) for asked in (address(party, act), f"/en/visit/22222222/{act}")]
        # The other language's address names the page that was asked for.
        pages = [(page.status_code, re.sub(r"/visit/\w+/", "", page.content.decode())) for page in answers]
        assert (pages[0][0], pages[0] == pages[1], LOCKED in words(answers[0])) == (403, True, True)


@pytest.mark.parametrize("act", [*ACTS, *FORMS])
def test_nobody_presses_for_a_party_without_its_cookie(client, act):
    offer, own = make_offered(make_session()), make_booking().party
    enter(client, own)
    before = dump()
    response = press(client, offer.party, act, offer)
    assert (response.status_code, LOCKED in words(response), dump() == before) == (403, True, True)


@pytest.mark.parametrize("act", [*ACTS, *FORMS])
def test_nobody_presses_with_the_cookie_of_a_link_that_was_ended(client, act):
    offer = make_offered(make_session())
    enter(client, offer.party)
    visit.revoke_links(offer.party_id)
    before = dump()
    response = press(client, offer.party, act, offer)
    assert (response.status_code, LOCKED in words(response), dump() == before) == (403, True, True)


def test_a_cookie_opens_no_other_party(client):
    own, other = make_booking().party, make_booking().party
    enter(client, own)
    client.cookies[f"visit-{other.code}"] = client.cookies[f"visit-{own.code}"].value
    assert client.get(address(other)).status_code == 403


def test_a_cookie_made_up_opens_nothing(client):
    party = make_booking().party
    for value in ("1", "1:aaaa:bbbb", ""):
        client.cookies[f"visit-{party.code}"] = value
        assert client.get(address(party)).status_code == 403


def test_links_that_were_ended_end_their_cookies_too(client):
    party = make_booking().party
    old = link(party)
    enter(client, party)
    visit.revoke_links(party.pk)
    page = client.get(address(party))
    assert (page.status_code, LOCKED in words(page)) == (403, True)
    assert client.get(old).status_code == 404
    assert enter(client, Party.objects.get(pk=party.pk)).get(address(party)).status_code == 200


def test_an_erased_party_is_open_to_nobody_who_was_in(client):
    party = make_booking().party
    old = link(party)
    enter(client, party)
    retention.erase(party.pk, now=NOON)
    assert [client.get(asked).status_code for asked in (address(party), old)] == [403, 404]


def test_two_parties_stand_side_by_side_in_one_browser(client):
    session = make_session()
    first, second = make_offered(session, lead_name="Ada"), make_offered(session, lead_name="Bo")
    enter(client, first.party), enter(client, second.party)
    read = [words(client.get(address(offer.party))) for offer in (first, second)]
    assert [("Ada" in page, "Bo " in page) for page in read] == [(True, False), (False, True)]
    press(client, second.party, "accept/", second)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("offered", "confirmed")


# Looking changes nothing


def test_scanners_that_open_everything_change_no_row():
    """A mail scanner follows the link, keeps its cookie, and asks for every address it can think of."""
    session = make_session(capacity=2)
    held = make_offered(session)
    waiting = make_waiting(session, proven=False)
    confirmed = make_booking()
    parties = [booking.party for booking in (held, waiting, confirmed)]
    before = dump()
    for party in parties:
        scanner = Client()
        for method in ("head", "options", "get"):
            for asked in (link(party), *(address(party, act) for act in [*PAGES, *ACTS])):
                getattr(scanner, method)(asked)
    assert dump() == before


@pytest.mark.parametrize("act", ACTS)
def test_an_address_of_a_button_leads_back_to_the_page(client, act):
    offer = make_offered()
    enter(client, offer.party)
    before = dump()
    for method in ("get", "head"):
        response = getattr(client, method)(address(offer.party, act))
        assert (response.status_code, response["Location"]) == (303, address(offer.party))
    assert dump() == before


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put"])
@pytest.mark.parametrize("is_in", [True, False])
def test_nothing_under_a_visit_is_kept_or_told_to_other_sites(client, method, is_in):
    """What has forms may be told to ourselves: without a referrer, browsers send the origin of a form as "null"."""
    booking, waiting = make_booking(), make_waiting(make_session())
    for party in (booking.party, waiting.party):
        if is_in:
            enter(client, party)
        for act in [*PAGES, *ACTS]:
            response = getattr(client, method)(address(party, act))
            assert (act, *headers(response)) == (act, "private, no-store", "same-origin")
        for act in [f"{party.link_token}/", f"{'0' * 43}/"]:
            response = getattr(client, method)(address(party, act))
            assert (act, *headers(response)) == (act, "private, no-store", "no-referrer")


@pytest.mark.parametrize("act", [*ACTS, *FORMS])
def test_a_press_without_its_token_is_refused(act):
    offer = make_offered()
    client = enter(Client(enforce_csrf_checks=True), offer.party)
    before = dump()
    response = press(client, offer.party, act, offer)
    assert (response.status_code, "Nothing has been sent yet." in words(response)) == (403, True)
    assert (dump() == before, *headers(response)) == (True, "private, no-store", "same-origin")


def test_a_press_with_the_token_of_the_page_counts():
    offer = make_offered()
    client = enter(Client(enforce_csrf_checks=True), offer.party)
    page = client.get(address(offer.party)).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    response = press(client, offer.party, "accept/", offer, csrfmiddlewaretoken=token[1])
    offer.refresh_from_db()
    assert (response.status_code, offer.status) == (303, "confirmed")


def test_the_log_names_the_page_of_a_failed_request_but_not_the_key_to_it(monkeypatch):
    """A link stays valid when the request for it fails, and logs are read by more people than the party."""
    party = make_booking().party
    (handler,) = (handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", log := io.StringIO())

    # As Django says it of a page that failed.
    logging.getLogger("django.request").error("Internal Server Error: %s", link(party))

    assert "Internal Server Error" in log.getvalue()
    assert f"/en/visit/{party.code}/…/" in log.getvalue()
    assert party.link_token not in log.getvalue()
