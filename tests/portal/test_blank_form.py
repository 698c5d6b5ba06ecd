"""The form that is rendered once is the form that would be rendered for each visitor, but for what is his own."""

import re

import pytest
from crispy_forms.utils import render_crispy_form
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import translation

from bookings.models import Consent, SessionState, TourSession
from portal.forms.blank import KEY, TOKEN, blank_form
from portal.forms.sign_up import SignUpForm
from portal.forms.stamp import new_stamp
from portal.views.asking import asking_for
from portal.views.sign_up import _context
from tests.factories import DAY, NOON, START, both, make_house, make_season, make_session, make_tour

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]

OTHERS = [(70007, "Sunday 14 February, 09:30 · 3 free · In Chinese"), (70008, "<b>Monday</b> & \"Tuesday\" · 'Full'")]


def path(session, language="en"):
    return f"/{language}/sessions/{session.pk}/sign-up/"


def plainly(session, others, state):
    """As it is laid out for one visitor alone."""
    form = SignUpForm(session, others, state=state, now=NOON)
    form.initial["submission_key"] = KEY
    return render_crispy_form(form, context={"csrf_token": TOKEN})


def assert_the_same(session, others=OTHERS, state=SessionState.PLACES):
    session = TourSession.objects.select_related("season__tour", "venue").get(pk=session.pk)
    plain = plainly(session, others, state)
    assert blank_form(session, others, state=state, now=NOON) == plain
    assert blank_form(session, others, state=state, now=NOON) == plain  # From memory.
    return plain


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_it_is_the_form_that_would_be_laid_out_whatever_it_is_made_of(language, settings):
    """Each step changes one thing that hosts or time change; a step that changes nothing would prove nothing."""
    session = make_session()
    season, tour = session.season, session.season.tour
    with translation.override(language):
        seen = [
            assert_the_same(session),
            assert_the_same(session, OTHERS[:1]),
            assert_the_same(session, []),
            assert_the_same(session, [*OTHERS, (9, "Friday")]),
            assert_the_same(session, state=SessionState.WAITLIST),
        ]
        for row, name, value in [
            (season, "asks_phone", True),
            (season, "choices_allowed", 1),
            (season, "choices_allowed", 4),
            (tour, "smallest_party", 2),
            (tour, "smallest_party", 3),
            (tour, "largest_party", 5),
            (tour, "minimum_age", 0),
            (tour, "adult_age", 21),
        ]:
            setattr(row, name, value)
            row.save()
            seen.append(assert_the_same(session, [*OTHERS, (9, "Friday")]))
        consent = Consent.objects.create(tour=tour, position=1, text=both("We <agree>.", "同意。"), required=True)
        seen.append(assert_the_same(session))
        Consent.objects.update(required=False)
        seen.append(assert_the_same(session))
        Consent.objects.update(text=both("We agree to that.", "我们同意。"))
        seen.append(assert_the_same(session))
        consent.delete()
        Consent.objects.create(tour=tour, position=1, text=both("We agree to that.", "我们同意。"), required=False)
        seen.append(assert_the_same(session))
        settings.PROOF_OF_WORK = True
        seen.append(assert_the_same(session))
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_whole_page_is_the_one_with_the_form_laid_out(client, language):
    session = make_session()
    make_session(season=session.season, starts_at=START + DAY)
    make_session(season=session.season, starts_at=START + 2 * DAY, capacity=2)
    sent = client.get(path(session, language)).content.decode()
    with translation.override(language):
        asking = asking_for(session.pk)
        assert asking is not None
        session = asking.sessions[session.pk]
        form = SignUpForm(session, asking.others(session, now=NOON), now=NOON)
        form.initial["submission_key"] = KEY
        request = RequestFactory().get(path(session, language))
        context = _context(session, now=NOON) | {"form": form, "csrf_token": TOKEN}
        assert marked(sent) == render_to_string("portal/sign_up.html", context, request)


def marked(page):
    for name, mark in (("csrfmiddlewaretoken", TOKEN), ("submission_key", KEY)):
        page, found = re.subn(rf'(name="{name}" value=")[^"]+"', rf'\1{mark}"', page)
        assert found == 1
    return page


# Kept for a second


def test_within_a_second_the_page_asks_nothing_and_is_each_visitors_own(seconds, django_assert_num_queries):
    session = make_session()
    first, second = Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)
    with django_assert_num_queries(4):  # sessions of the season, consents, house, tour in the head
        one = first.get(path(session))
    with django_assert_num_queries(0):
        other = second.get(path(session))
    assert marked(one.content.decode()) == marked(other.content.decode())
    assert own(one) & own(other) == set()
    assert (one["Cache-Control"], other["Cache-Control"]) == ("private, no-store",) * 2
    # Each token fits the cookie of its own visitor, and no other's.
    [token] = re.findall(r'csrfmiddlewaretoken" value="([^"]+)"', other.content.decode())
    assert second.post(path(session), {"csrfmiddlewaretoken": token}).status_code == 422
    assert first.post(path(session), {"csrfmiddlewaretoken": token}).status_code == 403


def own(response):
    return set(re.findall(r'name="(?:csrfmiddlewaretoken|submission_key)" value="([^"]+)"', response.content.decode()))


def test_after_a_second_the_page_says_how_the_session_stands(client, seconds):
    session = make_session()
    assert "Ask for 2 places" in client.get(path(session)).content.decode()
    TourSession.objects.filter(pk=session.pk).update(places_held=60)
    seconds(0.9)
    assert "Ask for 2 places" in client.get(path(session)).content.decode()
    seconds(0.1)
    assert "Ask for 2 places" not in client.get(path(session)).content.decode()


def test_what_was_read_a_moment_ago_gives_nobody_a_place_in_a_session_that_closed(client, seconds):
    session = make_session()
    client.get(path(session))
    TourSession.objects.filter(pk=session.pk).update(closed_at=NOON)
    given = {"size": "1", "lead_name": "Lin", "lead_age": "18-", "email": "lin@visitors.example"}
    given["submission_key"] = new_stamp(now=NOON - DAY / 2)
    response = client.post(path(session), given)
    assert (response.status_code, "Sign-up for this session is closed." in response.content.decode()) == (422, True)


def test_what_a_visitor_adds_to_the_address_is_kept_for_nobody_else(client, seconds):
    session = make_session()
    assert "?from=poster" in client.get(f"{path(session)}?from=poster").content.decode()
    assert "?from=poster" not in client.get(path(session)).content.decode()
    asking = asking_for(session.pk)
    assert asking is not None
    assert list(asking.pages) == [path(session)]


def test_two_seasons_do_not_name_each_others_sessions(client, seconds):
    make_house()
    one, other = (make_session(season=make_season(tour=make_tour())) for _season in range(2))
    client.get(path(one))
    asking = asking_for(other.pk)
    assert asking is not None
    assert list(asking.sessions) == [other.pk]
