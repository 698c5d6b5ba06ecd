"""Where the operator asks for work, a form that shows none holds nothing before its mailbox is proven."""

import base64
import hashlib
import json

import pytest

from bookings.models import Booking
from portal.forms.stamp import new_stamp
from tests.factories import HOUR, NOON, make_house, make_session
from tests.portal.pages import words
from tests.portal.test_limits import answers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def session(settings):
    settings.PROOF_OF_WORK = True
    make_house()
    return make_session()


def solved(client, stamp, **given):
    """The work, done as a browser does it."""
    task = client.get(f"/proof/{stamp}").json()
    for number in range(task["maxnumber"] + 1):
        if hashlib.sha256(f"{task['salt']}{number}".encode()).hexdigest() == task["challenge"]:
            return base64.b64encode(json.dumps(task | {"number": number} | given).encode()).decode()
    raise AssertionError("no number has that hash")


def ask(client, session, stamp, proof):
    sent = client.post(
        f"/en/sessions/{session.pk}/sign-up/", answers("lin@visitors.example", submission_key=stamp, proof=proof)
    )
    return sent["Location"].removeprefix(f"/en/sessions/{session.pk}/"), Booking.objects.get().status


def test_shown_work_holds_places_at_once(client, session):
    stamp = new_stamp(now=NOON - HOUR)
    assert ask(client, session, stamp, solved(client, stamp)) == ("asked/", "offered")


def other_stamps(client, stamp):
    return solved(client, new_stamp(now=NOON - HOUR))


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda _client, _stamp: "", id="without JavaScript"),
        pytest.param(lambda _client, _stamp: "x" * 2000, id="too long"),
        pytest.param(lambda _client, _stamp: "bm90IGpzb24=", id="not JSON"),
        pytest.param(lambda _client, _stamp: "W10=", id="a list"),
        pytest.param(lambda client, stamp: solved(client, stamp, number=-1), id="another number"),
        pytest.param(other_stamps, id="of another form"),
    ],
)
def test_without_it_the_mailbox_is_proven_first_and_the_page_says_so(client, session, made):
    stamp = new_stamp(now=NOON - HOUR)
    assert ask(client, session, stamp, made(client, stamp)) == ("asked/first/", "waiting")
    page = words(client.get(f"/en/sessions/{session.pk}/asked/first/"))
    assert "we keep places for your party only once you have pressed the button in our mail" in page
    assert "Kept places" not in page


def test_the_form_says_what_follows_without_javascript_where_work_is_asked_for(client, session, settings):
    page = client.get(f"/en/sessions/{session.pk}/sign-up/").content.decode()
    assert (
        'data-challenge="/proof/"' in page,
        "We could not tell whether a person or a program fills in this form" in page,
    ) == (
        True,
        True,
    )
    settings.PROOF_OF_WORK = False
    page = client.get(f"/en/sessions/{session.pk}/sign-up/").content.decode()
    assert ("proof" in page, "no-proof" in page) == (False, False)


def test_a_task_is_given_for_a_stamp_of_ours_only(client, session):
    assert client.get("/proof/x").status_code == 404
    task = client.get(f"/proof/{new_stamp(now=NOON)}")
    assert (task.status_code, task["Cache-Control"]) == (200, "private, no-store")
