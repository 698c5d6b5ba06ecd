"""The page on which a party asks for places, as browsers, programs and the impatient use it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from bookings.models import Booking, Notice, NoticeKind, Party, SeasonMode, TourSession
from portal.forms.stamp import new_stamp
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    START,
    make_booking,
    make_house,
    make_season,
    make_session,
    make_sign_up,
    make_waiting,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def session():
    make_house()
    return make_session()


def path(session, language="en"):
    return f"/{language}/sessions/{session.pk}/sign-up/"


def answers(**given):
    return {
        "size": "2",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": "xiaoyun@visitors.example",
        "name_2": "Wei Jun",
        "age_2": "6-17",
        "submission_key": new_stamp(now=NOON - HOUR),
    } | given


def words(response):
    """What is read on the page, in one line."""
    main = response.content.decode().partition("<main")[2].partition("</main>")[0]
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]*>", " ", main.partition(">")[2]).replace("\xa0", " ").replace("&nbsp;", " ")
    )


def standing():
    return list(Booking.objects.order_by("pk").values_list("party__email", "status", "places"))


def owed():
    return list(Notice.objects.order_by("pk").values_list("kind", flat=True))


# What goes well


def test_a_party_asks_and_its_places_are_kept(client, session):
    response = client.post(path(session, "zh-hans"), answers(access_needs="A wheelchair."))
    assert (response.status_code, response["Location"]) == (303, f"/zh-hans/sessions/{session.pk}/asked/")
    assert standing() == [("xiaoyun@visitors.example", "offered", 2)]
    party = Party.objects.get()
    assert (party.language, party.people(), party.access_needs, party.asked_at) == (
        "zh-hans",
        [("Lin Xiaoyun", 18, None), ("Wei Jun", 6, 17)],
        "A wheelchair.",
        NOON,
    )
    assert owed() == [NoticeKind.PROVE]


def test_a_party_joins_a_full_session_and_another(client):
    full, also_full = (make_session(capacity=2, season=season) for season in [make_season()] * 2)
    make_booking(full), make_booking(also_full)
    assert "Join the waitlist" in words(client.get(path(full)))
    client.post(path(full), answers(other_2=str(also_full.pk)))
    assert standing()[2:] == [("xiaoyun@visitors.example", "waiting", 2)] * 2
    assert owed() == [NoticeKind.IN_LINE]


def test_the_page_is_for_nobody_to_keep(client, session):
    first, second = client.get(path(session)), client.get(path(session))
    assert (first.status_code, first["Cache-Control"]) == (200, "private, no-store")
    assert submission_key(first) != submission_key(second)


def submission_key(response):
    key = re.search(r'name="submission_key" value="([^"]+)"', response.content.decode())
    assert key
    return key[1]


def test_nothing_typed_is_lost(client, session):
    given = answers(email="xiaoyun@mail", size="1", name_3="Kept", access_needs="A <chair>", short_notice="on")
    response = client.post(path(session), given)
    assert response.status_code == 422
    page = response.content.decode()
    kept = ["xiaoyun@mail", "Kept", "A &lt;chair&gt;", "Wei Jun", given["submission_key"], "Lin Xiaoyun"]
    assert [typed for typed in kept if typed not in page] == []
    assert "<title>Error: Ask for places" in page
    assert '<a href="#id_email">Write the email address in full, like name@example.com</a>' in page
    assert (standing(), owed()) == ([], [])


def test_size_four_is_told_at_its_tiles(client, session):
    for size in ("0", "4", "two"):
        response = client.post(path(session), answers(size=size))
        assert response.status_code == 422
        assert words(response).count("A party on this tour has 1 to 3 people. Choose one of the sizes.") == 2


def test_a_four_year_old_is_told_by_name(client, session):
    response = client.post(path(session), answers(age_2="0-5"))
    assert response.status_code == 422
    assert "Wei Jun would be under 6 on 13 February. The tour is for visitors from 6." in words(response)
    assert standing() == []


def test_a_choice_that_is_gone_meanwhile_is_not_dropped_silently(client, session):
    other = make_session(season=session.season, starts_at=START + DAY)
    TourSession.objects.filter(pk=other.pk).update(called_off_at=NOON)
    response = client.post(path(session), answers(other_2=str(other.pk)))
    assert response.status_code == 422
    assert "The session you had chosen takes no sign-ups any more. Choose another." in words(response)
    assert standing() == []


def test_a_refusal_of_the_rules_is_an_error_of_the_form(client, session):
    """A host closes the session after the page has looked at it and before the places are claimed."""

    def close_before_the_party_is_looked_for(execute, sql, params, many, context):
        if "submission_key" in sql and "WHERE" in sql:
            with context["connection"].cursor() as cursor:
                cursor.cursor.execute(f"UPDATE bookings_toursession SET closed_at = starts_at WHERE id = {session.pk}")
        return execute(sql, params, many, context)

    given = answers(access_needs="A wheelchair.")
    with connection.execute_wrapper(close_before_the_party_is_looked_for):
        response = client.post(path(session), given)
    assert response.status_code == 422
    assert "Nothing has been sent yet Sign-up for this session is closed." in words(response)
    assert "A wheelchair." in response.content.decode()
    assert (standing(), owed()) == ([], [])


# The same person, the same submit


def test_an_address_in_capitals_with_a_tag_is_the_same_person(client, session):
    client.post(path(session), answers())
    client.post(path(session), answers(email="XiaoYun+Tour@Visitors.EXAMPLE"))
    assert len(standing()) == 1
    assert owed() == [NoticeKind.PROVE, NoticeKind.ALREADY_IN]


def test_a_double_click_is_one_sign_up(client, session):
    given = answers()
    first, second = client.post(path(session), given), client.post(path(session), given)
    assert first["Location"] == second["Location"]
    assert (len(standing()), owed()) == (1, [NoticeKind.PROVE])


def test_two_tabs_are_one_party(client, session):
    client.post(path(session), answers())
    client.post(path(session), answers(size="3", name_3="Chen", age_3="18-"))
    assert standing() == [("xiaoyun@visitors.example", "offered", 2)]
    assert owed() == [NoticeKind.PROVE, NoticeKind.ALREADY_IN]


def test_back_and_another_address_is_another_party(client, session):
    """The form that Back shows still has its key; what it asks for now is asked by somebody else."""
    given = answers()
    client.post(path(session), given)
    client.post(path(session), given | {"email": "wei@visitors.example", "lead_name": "Wei"})
    assert [email for email, _status, _places in standing()] == ["xiaoyun@visitors.example", "wei@visitors.example"]


def without_token(response):
    secrets = r'(name="csrfmiddlewaretoken"|name="submission_key") value="[^"]+"'
    headers = {name: value for name, value in response.items() if name != "Set-Cookie"}
    return response.status_code, headers, re.sub(secrets, "", response.content.decode())


def test_known_and_unknown_addresses_read_the_same(session):
    make_sign_up(session, email="known@visitors.example")
    seen = []
    for email in ("known@visitors.example", "fresh@visitors.example"):
        client = Client()
        sent = client.post(path(session), answers(email=email))
        seen.append((without_token(sent), without_token(client.get(sent["Location"]))))
    assert seen[0] == seen[1]


# Sessions in which nothing can be asked for


def refused(client, session):
    response = client.get(path(session))
    posted = client.post(path(session), answers())
    told = words(posted).replace("Your form was not taken. ", "", 1)
    assert (posted.status_code, told, standing()) == (response.status_code, words(response), [])
    assert "Your form was not taken. " in words(posted)
    assert "csrfmiddlewaretoken" not in response.content.decode()
    return response.status_code, words(response)


def test_a_closed_session(client):
    session = make_session(closed_at=NOON - HOUR)
    with_room = make_session(starts_at=START + DAY, season=session.season)
    status, told = refused(client, session)
    assert status == 410
    assert "Sign-up for this session has closed." in told
    assert "Sunday 14 February" in told, with_room


def test_a_session_whose_roster_has_locked(client):
    status, told = refused(client, make_session(roster_locks_at=NOON))
    assert (status, "The list of visitors is fixed" in told) == (410, True)


def test_a_past_session(client):
    status, told = refused(
        client, make_session(starts_at=NOON - 10 * DAY, season=make_season(opens_at=NOON - 30 * DAY))
    )
    assert (status, "This session is over." in told) == (410, True)


def test_a_session_that_was_called_off(client):
    status, told = refused(client, make_session(called_off_at=NOON - HOUR))
    assert (status, "This session will not take place." in told) == (410, True)


def test_a_session_that_is_not_open_yet(client):
    status, told = refused(client, make_session(season=make_season(opens_at=NOON + DAY)))
    assert (status, "Come back then: this page becomes the form." in told) == (200, True)


def test_a_session_of_a_ballot_is_not_asked_for_here(client):
    status, told = refused(client, make_session(season=make_season(mode=SeasonMode.BALLOT)))
    assert (status, "Nothing can be asked for here" in told) == (410, True)


def test_an_unknown_or_unpublished_session(client):
    hidden = make_session(season=make_season(published=False))
    for pk in (hidden.pk, 999_999):
        for response in (
            client.get(f"/en/sessions/{pk}/sign-up/"),
            client.post(f"/en/sessions/{pk}/sign-up/", answers()),
            client.get(f"/en/sessions/{pk}/asked/"),
        ):
            assert (response.status_code, "There is no such session." in words(response)) == (404, True)
    assert client.get("/en/sessions/99999999999999999999999999/sign-up/").status_code == 404


def test_a_full_session_offers_its_waitlist(client):
    session = make_session(capacity=2)
    make_booking(session)
    make_waiting(session)
    page = words(client.get(path(session)))
    assert "All places are taken. About 1 party is waiting." in page
    assert "Join the waitlist" in page


# What is asked of the server


def test_a_body_of_ten_megabytes_is_not_read(client, session):
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        response = client.generic("POST", path(session), b"a" * 10_000_000, content_type=content_type)
        assert (response.status_code, "That was more than we can take." in words(response)) == (413, True)


def test_too_many_fields(client, session):
    body = "&".join(f"a{number}=" for number in range(1001))
    response = client.generic("POST", path(session), body, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, "We could not read this request." in words(response)) == (400, True)


def test_a_form_without_its_token_is_told_so(session):
    response = Client(enforce_csrf_checks=True).post(path(session), answers())
    assert (response.status_code, "Nothing has been sent yet." in words(response)) == (403, True)


def test_an_empty_body_and_nul_bytes(client, session):
    empty = client.post(path(session), {})
    assert (empty.status_code, "need another look" in words(empty)) == (422, True)
    nul = client.post(path(session), answers(size="\x00", lead_age="\x00", other_2="\x00", smallest_size="\x00"))
    assert nul.status_code == 422


def test_a_program_that_fills_in_everything_is_stopped(client, session):
    response = client.post(path(session), answers(leave_empty="x"))
    assert (response.status_code, standing()) == (422, [])


def test_other_methods_are_not_allowed(client, session):
    assert client.put(path(session)).status_code == 405
    assert client.post(f"/en/sessions/{session.pk}/asked/").status_code == 405


@pytest.mark.parametrize("others", [1, 8])
def test_the_page_asks_as_much_with_many_sessions(client, session, django_assert_num_queries, others):
    for number in range(others):
        make_session(season=session.season, venue=session.venue, starts_at=START + (number + 1) * DAY)
    with django_assert_num_queries(4):  # sessions of the season, consents, house, tour in the head
        client.get(path(session))


# After asking


def test_the_page_after_asking_says_what_happens_next(client, session, settings):
    settings.MAIL_FROM = "Northgate <visits@works.example>"
    response = client.get(f"/en/sessions/{session.pk}/asked/")
    page = words(response)
    assert response.status_code == 200
    told = [
        "within 30 minutes",
        "within 24 hours",
        "visits@works.example",
        "Ask once more",
        "Saturday 13 February, 09:30",
    ]
    assert [fact for fact in told if fact not in page] == []
    assert not response.cookies


def test_where_a_line_stands_the_page_after_speaks_of_it(client):
    session = make_session(capacity=2)
    make_booking(session)
    page = words(client.get(f"/en/sessions/{session.pk}/asked/"))
    assert ("Your number counts from the moment you asked." in page, "within 30 minutes" in page) == (True, True)


def test_where_no_mailbox_is_proven_nothing_is_to_be_pressed(client):
    session = make_session(season=make_season(proves_mailbox=False))
    page = words(client.get(f"/en/sessions/{session.pk}/asked/"))
    assert ("Your answer is in our mail." in page, "press" in page) == (True, False)


def test_the_page_after_stays_when_the_session_has_closed(client):
    session = make_session(closed_at=NOON - timedelta(seconds=1))
    assert client.get(f"/en/sessions/{session.pk}/asked/").status_code == 200
