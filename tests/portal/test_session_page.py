import pytest

from tests.factories import DAY, HOUR, NOON, START, both, make_season, make_session
from tests.portal.pages import links, rows, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def page_of(client, session, language="en"):
    return client.get(f"/{language}/sessions/{session.pk}/")


def test_it_says_when_where_and_how_many(client):
    session = make_session()
    page = page_of(client, session)
    told = words(page)
    assert "Saturday 13 February, 09:30" in told
    assert "20 free There is room for 20 more parties." in told
    assert "Be at the gate by 09:15 The tour Saturday 13 February, 09:30–11:30 Beijing time" in told
    assert "Gate 3 · Northgate Works 18 Foundry Road" in told
    assert "2 hours · In Chinese · Up to 3 people" in told


def test_the_button_names_what_can_be_asked_for(client):
    session = make_session()
    assert f"/en/sessions/{session.pk}/sign-up/" in links(page_of(client, session))
    assert "Ask for places" in words(page_of(client, session))
    type(session).objects.update(places_held=60, parties_held=20, parties_waiting=27)
    assert "All places are taken. About 27 parties are waiting. Join the waitlist" in words(page_of(client, session))


def test_free_places_that_the_line_wants_are_not_promised_to_newcomers(client):
    session = make_session(capacity=12)
    type(session).objects.update(places_held=10, parties_held=4, parties_waiting=1)
    assert "What is free goes to the parties that wait, in their order. About 1 party is waiting." in words(
        page_of(client, session)
    )


def test_before_the_opening_there_is_no_button(client):
    session = make_session(season=make_season(opens_at=NOON + DAY))
    told = words(page_of(client, session))
    assert "Sign-up opens on 19 January, 20:00, Beijing time." in told
    assert "Ask for places" not in told


def closed():
    return make_session(closed_at=NOON)


def locked():
    return make_session(starts_at=NOON + DAY)


def begun():
    return make_session(starts_at=NOON - HOUR, roster_locks_at=NOON - DAY)


def over():
    return make_session(starts_at=NOON - DAY)


def called_off():
    return make_session(called_off_at=NOON, call_off_reason=both("The lift is being repaired.", "升降台检修。"))


@pytest.mark.parametrize(
    ("session", "sentence"),
    [
        (closed, "Sign-up for this session has closed."),
        (locked, "The list of visitors is fixed, so nobody can sign up any more."),
        (begun, "This session has begun."),
        (over, "This session is over."),
        (called_off, "Called off. This session will not take place. The lift is being repaired."),
    ],
)
def test_a_session_that_cannot_be_asked_for_says_why_and_leads_to_others(client, session, sentence):
    session = session()
    other = make_session(season=session.season, starts_at=START + DAY)
    make_session(season=session.season, starts_at=START + DAY, closed_at=NOON)
    page = page_of(client, session)
    assert page.status_code == 200
    assert sentence in words(page)
    assert len(rows(page)) == 1
    assert f"/en/sessions/{other.pk}/" in links(page)
    assert f"/en/sessions/{session.pk}/sign-up/" not in links(page)


@pytest.mark.parametrize("pk", ["999", "99999999999999999999999"])
def test_an_unknown_session_is_not_found_and_leads_to_others(client, pk):
    other = make_session()
    page = client.get(f"/en/sessions/{pk}/")
    assert page.status_code == 404
    assert "There is no such session." in words(page)
    assert f"/en/sessions/{other.pk}/" in links(page)


def test_a_draft_is_as_unknown_as_any(client):
    draft = make_session(season=make_season(published=False))
    assert page_of(client, draft).status_code == 404


def test_nothing_free_anywhere_is_said(client):
    assert "No session has places to give at once just now." in words(client.get("/en/sessions/1/"))


def test_the_sessions_of_the_same_season_come_first(client):
    mine = make_session(closed_at=NOON)
    make_session(starts_at=START - DAY)
    same = make_session(season=mine.season, starts_at=START + DAY)
    first, *_others = [link for link in links(page_of(client, mine)) if link.startswith("/en/sessions/")]
    assert first == f"/en/sessions/{same.pk}/"


def test_the_page_is_the_same_for_everybody_and_sets_no_cookie(client):
    response = page_of(client, make_session())
    assert (response["Cache-Control"], response["Vary"]) == ("public, max-age=1", "Accept-Encoding")
    assert not response.cookies
    assert b"<form" not in response.content
    assert b"csrf" not in response.content


def test_the_page_only_reads(client):
    session = make_session()
    assert client.post(f"/en/sessions/{session.pk}/").status_code == 405


def test_places_kept_for_first_call_are_not_promised_to_newcomers(client):
    season = make_season(first_call_until=NOON + 3 * DAY)
    session = make_session(season=season, capacity=3, places_kept=3, parties_kept=1, keeps_for_first_call=True)
    page = words(page_of(client, session))
    assert "Join the waitlist" in page
    assert (
        "Until 21 January, 20:00, 3 places are kept for visitors whose tour was called off. "
        "Nobody is waiting yet, so you would be first in line."
    ) in page


def test_in_chinese_the_day_is_written_as_in_china(client):
    assert "2 月 13 日星期六 09:30" in words(page_of(client, make_session(), "zh-hans"))
