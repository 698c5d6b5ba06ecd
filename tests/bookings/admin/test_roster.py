import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.models import Booking, BookingEvent, TourSession
from tests.factories import DAY, HOUR, make_booking, make_house, make_offered, make_season, make_waiting
from tests.factories import make_session as any_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def gate(client: Client) -> Client:
    user = User.objects.create_user("gate", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="use_roster"))
    client.force_login(user)
    make_house()
    return client


def make_session(**given: Any) -> TourSession:
    """One that began an hour ago by the real clock, which the pages read; ``begins_in`` to say when."""
    starts_at = timezone.now() + given.pop("begins_in", -HOUR)
    return any_session(starts_at=starts_at, ends_at=starts_at + 2 * HOUR, **given)


def show(client: Client, page: str, session: TourSession | None = None, **asked: str) -> Any:
    return client.get(reverse(f"admin:bookings_{page}", args=[session.pk] if session else []), asked)


def press(client: Client, booking: Booking, act: str, **typed: str) -> Any:
    return client.post(reverse("admin:bookings_check_in_act", args=[booking.pk, act]), typed)


def words(answer: Any) -> str:
    """The words of a page in a row, without markup."""
    main = answer.content.decode().split("<main")[1].split("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


def expected(answer: Any) -> list[Booking]:
    return list(answer.context["bookings"])


def state(booking: Booking) -> tuple[str, int | None]:
    booking = Booking.objects.get(pk=booking.pk)
    return booking.status, booking.arrived


def test_the_desk_lists_the_sessions_from_yesterday_on_for_a_week(gate):
    yesterday, now, soon = (make_session(begins_in=ahead) for ahead in (-23 * HOUR, -HOUR, 6 * DAY))
    make_session(begins_in=-25 * HOUR), make_session(begins_in=8 * DAY)
    make_session(begins_in=HOUR, called_off_at=timezone.now())

    assert list(show(gate, "desk").context["sessions"]) == [yesterday, now, soon]


def test_a_desk_without_sessions_says_so(gate):
    assert "No session in the days around today." in words(show(gate, "desk"))


def test_the_roster_lists_by_name_who_is_confirmed_with_ages_size_and_needs(gate):
    session = make_session()
    zhou = make_booking(session, size=2, lead_name="Zhou Min", companions=["Zhou Lan"], access_needs="A wheelchair")
    an = make_booking(session, size=1, lead_name="An Rui", companions=[], language="zh-hans")
    zhou.party.members.update(age_from=6, age_to=17)
    make_offered(session), make_waiting(session), make_booking(session, "cancelled")
    make_booking(make_session())

    answer = show(gate, "roster", session)

    assert expected(answer) == [an, zhou]
    assert (answer.context["parties"], answer.context["people"]) == (2, 3)
    assert "2 parties" in words(answer)
    assert "3 people" in words(answer)
    assert f"Zhou Min , Zhou Lan (6–17) {zhou.party.code_in_words} 2 English · A wheelchair" in words(answer)
    assert f"An Rui {an.party.code_in_words} 1 " in words(answer)


@pytest.mark.parametrize(
    ("begins_in", "says"), [(5 * DAY, "Not locked yet: names and parties can change until"), (HOUR, "Locked since")]
)
def test_the_roster_says_whether_it_is_locked(gate, begins_in, says):
    assert says in words(show(gate, "roster", make_session(begins_in=begins_in)))


def test_an_empty_roster_says_so(gate):
    assert "Nobody is confirmed for this session." in words(show(gate, "roster", make_session()))


def test_the_roster_and_check_in_keep_address_and_phone_to_themselves_and_are_stored_nowhere(gate):
    session = make_session()
    make_booking(session, email="lin@visitors.example", phone="+86 138 0000 0000")

    for page in ("desk", "roster", "check_in"):
        answer = show(gate, page, None if page == "desk" else session)
        text = answer.content.decode()
        assert (page, "visitors.example" in text, "0000" in text) == (page, False, False)
        assert (page, "no-store" in answer["Cache-Control"]) == (page, True)


def test_one_press_checks_the_whole_party_in(gate):
    session = make_session()
    booking, other = make_booking(session, size=3), make_booking(session, size=2)

    answer = press(gate, booking, "here")

    page = reverse("admin:bookings_check_in", args=[session.pk])
    assert (answer.status_code, answer["Location"]) == (303, f"{page}#party-{booking.pk}")
    assert (state(booking), state(other)) == (("checked in", 3), ("confirmed", None))
    event = BookingEvent.objects.latest("pk")
    assert (event.from_status, event.to_status, event.who) == ("confirmed", "checked in", "host:gate")
    shown = show(gate, "check_in", session).context
    figures = {name: shown[name] for name in ("parties", "people", "parties_here", "people_here")}
    assert figures == {"parties": 2, "people": 5, "parties_here": 1, "people_here": 3}


def test_a_second_press_changes_nothing(gate):
    booking = make_booking(make_session(), size=3)

    press(gate, booking, "here", arrived="2")
    press(gate, booking, "here")

    assert state(booking) == ("checked in", 2)
    assert BookingEvent.objects.filter(to_status="checked in").count() == 1


def test_fewer_of_a_party_may_come(gate):
    booking = make_booking(make_session(), size=3)

    press(gate, booking, "here", arrived="1")

    assert state(booking) == ("checked in", 1)
    assert "1 of 3 here" in words(show(gate, "check_in", booking.session))


def test_a_check_in_is_undone(gate):
    booking = make_booking(make_session(), size=3)
    press(gate, booking, "here")

    press(gate, booking, "undo")

    assert state(booking) == ("confirmed", None)


def test_a_party_that_is_missing_is_marked_and_may_still_come(gate):
    booking = make_booking(make_session(), size=2)

    press(gate, booking, "missing")
    assert state(booking) == ("no-show", None)
    assert "Marked as missing" in words(show(gate, "check_in", booking.session))

    press(gate, booking, "here")
    assert state(booking) == ("checked in", 2)


@pytest.mark.parametrize(
    ("status", "act", "typed", "refusal"),
    [
        ("confirmed", "here", {"arrived": "4"}, "More people than places are booked."),
        ("confirmed", "here", {"arrived": "0"}, "At least one person has to be here to check a party in."),
        ("confirmed", "here", {"arrived": "two"}, "Write how many came as a number."),
        ("confirmed", "here", {"arrived": "-1"}, "Write how many came as a number."),
        ("confirmed", "here", {"arrived": "9" * 5000}, "Write how many came as a number."),
        ("confirmed", "here", {"arrived": ""}, "Write how many came as a number."),
        ("confirmed", "here", {"arrived": "999999"}, "More people than places are booked."),
        ("cancelled", "here", {}, "This party is not on the roster of this session."),
        ("confirmed", "undo", {}, "This party is not on the roster of this session."),
        ("cancelled", "missing", {}, "This party is not on the roster of this session."),
    ],
)
def test_what_the_rules_refuse_is_said_on_the_page_and_changes_nothing(gate, status, act, typed, refusal):
    booking = make_booking(make_session(), status, size=3)

    answer = press(gate, booking, act, **typed)

    assert answer.status_code == 409
    assert refusal in words(answer)
    assert state(booking) == (status, None)


def test_nobody_is_missing_before_the_session_begins(gate):
    booking = make_booking(make_session(begins_in=HOUR))

    answer = press(gate, booking, "missing")

    assert (answer.status_code, state(booking)) == (409, ("confirmed", None))
    assert "Nobody came" not in words(show(gate, "check_in", booking.session))


def test_check_in_days_before_the_session_is_refused_and_has_no_button(gate):
    session = make_session(begins_in=3 * DAY)
    booking = make_booking(session, size=3)
    opens = f"check-in for this session opens on {session.be_there_at:%A} {session.be_there_at.day}"

    answer = press(gate, booking, "here")

    assert (answer.status_code, state(booking)) == (409, ("confirmed", None))
    assert f"It is too early: {opens}" in words(answer)
    shown = words(show(gate, "check_in", session))
    assert (opens in shown, "3 here" in shown, "Fewer came" in shown) == (True, False, False)


def test_the_desk_leads_to_check_in_on_the_day_and_says_before_when_it_opens(gate):
    today, later = make_session(), make_session(begins_in=3 * DAY)

    page = show(gate, "desk").content.decode()

    button = '<a class="btn btn-primary" href="{}">'
    addresses = [reverse("admin:bookings_check_in", args=[session.pk]) for session in (today, later)]
    assert [button.format(address) in page for address in addresses] == [True, False]
    assert f"Check-in opens on {later.be_there_at:%A} {later.be_there_at.day}" in page


def test_opening_the_address_of_a_press_changes_nothing(gate):
    booking = make_booking(make_session())

    answer = gate.get(reverse("admin:bookings_check_in_act", args=[booking.pk, "here"]))

    assert (answer.status_code, state(booking)) == (303, ("confirmed", None))


def test_unknown_sessions_parties_and_presses_are_not_found(gate):
    booking = make_booking(make_session())
    unknown = [
        reverse("admin:bookings_roster", args=[4711]),
        reverse("admin:bookings_check_in", args=[4711]),
        reverse("admin:bookings_check_in_act", args=[4711, "here"]),
        reverse("admin:bookings_check_in_act", args=[booking.pk, "dance"]),
    ]

    assert [gate.post(address).status_code for address in unknown] == [404] * 4


@pytest.mark.parametrize("asked", ["code", "code with dash", "lead", "companion", "part", "spaces", "chinese"])
def test_a_party_is_found_by_code_and_by_any_name_in_it(gate, asked):
    session = make_session()
    party = make_booking(session, size=3, lead_name="Ou Yang", companions=["Zhu Ge", "欧阳明"]).party
    make_booking(session, lead_name="Somebody Else", companions=["Another"])
    terms = {
        "code": party.code,
        "code with dash": party.code_in_words.lower(),
        "lead": "ou yang",
        "companion": "Zhu Ge",
        "part": "yang",
        "spaces": "  Ou   Yang ",
        "chinese": "欧阳",
    }

    answer = show(gate, "check_in", session, q=terms[asked])

    assert [booking.party for booking in expected(answer)] == [party]
    assert (answer.context["people"], answer.context["parties"]) == (5, 2)  # the figures stay those of the session


def test_nobody_found_is_said_with_a_way_back(gate):
    session = make_session()
    make_booking(session)

    answer = show(gate, "check_in", session, q="nobody of this name")

    assert (expected(answer), "Nobody found." in words(answer)) == ([], True)
    assert "Show everybody" in words(answer)


def test_a_press_after_a_search_comes_back_to_what_was_searched(gate):
    booking = make_booking(make_session(), lead_name="Ou Yang")

    answer = press(gate, booking, "here", q="Ou Yang")

    page = reverse("admin:bookings_check_in", args=[booking.session_id])
    assert answer["Location"] == f"{page}?q=Ou+Yang#party-{booking.pk}"


@pytest.mark.parametrize("page", ["desk", "roster", "check_in"])
def test_pages_of_the_day_take_the_same_number_of_queries_at_two_sizes(gate, page):
    season = make_season()
    session = make_session(season=season)

    def grow(parties: int) -> None:
        for number in range(parties):
            make_booking(session, size=3)
            make_session(season=season, begins_in=timedelta(hours=number))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert show(gate, page, None if page == "desk" else session).status_code == 200
        return len(captured)

    grow(1)
    few = queries()
    grow(8)
    assert queries() == few
