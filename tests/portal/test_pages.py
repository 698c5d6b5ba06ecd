from typing import NoReturn

import pytest
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest
from django.templatetags.static import static
from django.test import Client
from django.urls import path

from bookings.domain import retention
from portal import urls
from portal.views import errors
from portal.waiting_room.pace import TICKET_GOOD_FOR
from tests.factories import make_house, make_session
from tests.portal.pages import links, words


def refuse(_request: HttpRequest) -> NoReturn:
    raise PermissionDenied


def suspect(_request: HttpRequest) -> NoReturn:
    raise SuspiciousOperation


def too_big(_request: HttpRequest) -> NoReturn:
    raise RequestDataTooBig


def broken(_request: HttpRequest) -> NoReturn:
    raise ZeroDivisionError


handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500
urlpatterns = [
    path("refuse/", refuse),
    path("suspect/", suspect),
    path("too-big/", too_big),
    path("broken/", broken),
    *urls.urlpatterns,
]


@pytest.mark.django_db
def test_privacy_names_the_periods_that_the_rules_keep(client):
    make_house()
    page = words(client.get("/en/privacy/"))
    assert f"{retention.KEEP_PARTY.days} days after your last session" in page
    assert f"{retention.KEEP_UNPROVEN.days * 24} hours after its request has ended" in page
    assert "12 months after you asked" in page
    assert f"At most {TICKET_GOOD_FOR // 3600} hours" in page
    assert "mailto:visits@works.example" in links(client.get("/en/privacy/"))


@pytest.mark.django_db
def test_privacy_speaks_of_accessibility_and_leads_to_the_tours_route(client):
    session = make_session()
    page = client.get("/en/privacy/")
    assert "Accessibility This site is made to work from a keyboard" in words(page)
    assert f"/en/tours/{session.season.tour.slug}/#before" in links(page)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status", "fact"),
    [
        ("/en/nowhere/", 404, "There is no page here."),
        ("/refuse/", 403, "This page is not open to you."),
        ("/suspect/", 400, "We could not read this request."),
        ("/too-big/", 413, "That was more than we can take."),
    ],
)
@pytest.mark.urls(__name__)
def test_an_error_says_what_happened_and_leads_on(client, address, status, fact):
    make_house()
    page = client.get(address)
    assert page.status_code == status
    assert fact in words(page)
    assert "Northgate Car Works" in words(page)
    assert "/en/" in links(page)


@pytest.mark.urls(__name__)
def test_the_page_for_our_own_faults_needs_no_database():
    page = Client(raise_request_exception=False).get("/broken/")
    assert page.status_code == 500
    assert "Something broke on our side." in words(page)


@pytest.mark.django_db
def test_a_form_without_its_cookie_is_told_so(rf):
    page = errors.csrf_failure(rf.post("/en/"))
    assert page.status_code == 403
    assert "Nothing has been sent yet." in words(page)


@pytest.mark.django_db
def test_a_page_that_is_nowhere_leads_home_in_the_other_language(client):
    assert "/zh-hans/" in links(client.get("/en/nowhere/"))


@pytest.mark.django_db
def test_the_house_has_a_name_even_before_it_is_written(client):
    assert "Factory visits" in words(client.get("/en/privacy/"))


def test_who_asks_for_the_icon_where_browsers_guess_it_is_led_to_it(client):
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (302, static("portal/logo.svg"))
    assert answer["Cache-Control"] == "public, max-age=300"
    assert finders.find("portal/logo.svg")
