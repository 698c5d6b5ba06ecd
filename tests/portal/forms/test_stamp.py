"""When a form was handed out: too early, in time, too late, and never by us."""

import uuid
from datetime import timedelta

import pytest
from django.http import QueryDict

from bookings.models import person_key
from portal.forms.sign_up import SignUpForm
from portal.forms.stamp import new_stamp, read_stamp
from tests.factories import DAY, HOUR, NOON, make_session
from tests.portal.forms.test_sign_up_form import answers

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
KEY = uuid.UUID(int=7)
TOO_FAST = "That was faster than people read. Look over what you wrote, and press once more."
TOO_LATE = "This page was open for a long time. Look over what you wrote, and press once more."


def sent(stamp, *, now):
    """What the form says, and the stamp it is shown again with."""
    data = QueryDict(mutable=True)
    data.update(answers(submission_key=stamp))
    form = SignUpForm(make_session(), [], data, now=now)
    return form.errors.get("submission_key", []), form.data["submission_key"]


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (-SECOND, [TOO_FAST]),
        (0 * SECOND, [TOO_FAST]),
        (2.9 * SECOND, [TOO_FAST]),
        (3 * SECOND, []),
        (DAY, []),
    ],
)
def test_a_form_is_taken_from_three_seconds_to_a_day_and_keeps_its_stamp(age, told):
    stamp = new_stamp(now=NOON - age, key=KEY)
    assert sent(stamp, now=NOON) == (told, stamp)


def test_whoever_was_too_fast_only_presses_again():
    stamp = new_stamp(now=NOON)
    assert [sent(stamp, now=NOON + seconds * SECOND)[0] for seconds in (1, 4)] == [[TOO_FAST], []]


def test_a_page_of_yesterday_gets_a_fresh_stamp_with_its_key_and_counts_as_read():
    told, fresh = sent(new_stamp(now=NOON - DAY - SECOND, key=KEY), now=NOON)
    assert told == [TOO_LATE]
    read = read_stamp(fresh)
    assert read
    assert read.key == KEY
    assert sent(fresh, now=NOON) == ([], fresh)


@pytest.mark.parametrize("stamp", ["", "x", "\x00", str(KEY), new_stamp(now=NOON - HOUR, key=KEY)[:-1] + "="])
def test_what_we_never_signed_gets_a_stamp_that_is_new(stamp):
    told, fresh = sent(stamp, now=NOON)
    assert told == [TOO_LATE]
    assert [sent(fresh, now=NOON + seconds * SECOND)[0] for seconds in (0, 3)] == [[TOO_FAST], []]


def test_the_key_in_the_stamp_is_that_of_the_submission():
    form = SignUpForm(make_session(), [], answers(submission_key=new_stamp(now=NOON - HOUR, key=KEY)), now=NOON)
    assert form.is_valid(), form.errors
    assert form.asked()["submission_key"] == uuid.uuid5(KEY, person_key("xiaoyun@visitors.example"))


def test_each_page_has_a_stamp_of_its_own_and_nothing_else_of_its_own():
    session = make_session()
    pages = [SignUpForm(session, [], now=NOON) for _ in range(2)]
    stamps = [page["submission_key"].value() for page in pages]
    assert stamps[0] != stamps[1]
    shown = [page.as_p().replace(stamp, "") for page, stamp in zip(pages, stamps, strict=True)]
    assert shown[0] == shown[1]
