"""What a host presses: from a list or on the page of a row, with a reason, and never more than was chosen."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bookings.domain import visit
from bookings.domain.people import Person
from bookings.models import Booking, BookingEvent
from tests.acts import statuses
from tests.factories import NOON, make_booking, make_party, make_session, make_waiting

pytestmark = pytest.mark.django_db

# The pages of the admin site read the real clock; these sessions lie behind or ahead of it whenever the tests run.
YEARS_AGO, YEARS_AHEAD = NOON.replace(year=2020), NOON.replace(year=2100)


def press(client: Client, action: str, row: Any, **given: str) -> Any:
    address = reverse(f"admin:bookings_{row._meta.model_name}_changelist")
    return client.post(address, {"action": action, "_selected_action": [row.pk], **given}, follow=True)


def test_cancelling_one_booking_leaves_what_the_party_holds_elsewhere(host):
    held = make_booking(make_session(starts_at=YEARS_AHEAD))
    waiting = make_waiting(make_session(season=held.party.season, starts_at=YEARS_AHEAD), party=held.party)

    answer = press(host, "cancel", waiting, confirmed="1", reason="Chosen by mistake")

    assert statuses(held.session, waiting.session) == {held: "confirmed", waiting: "waiting"}
    assert "You hold no places that could be given up." in answer.content.decode()


def test_the_page_of_a_party_offers_what_its_list_offers(host):
    party = make_booking().party
    page = host.get(reverse("admin:bookings_party_change", args=[party.pk]))
    assert [name for name, _words in page.context["acts"]] == [
        "cancel_places",
        "leave_lines",
        "send_link",
        "revoke_links",
        "erase_now",
    ]


def test_an_act_pressed_on_a_page_asks_why_and_leads_back_to_the_page(host):
    booking = make_booking(make_session(starts_at=YEARS_AHEAD))
    page = reverse("admin:bookings_party_change", args=[booking.party_id])

    asked = press(host, "cancel_places", booking.party, from_page=str(booking.party_id))
    assert f'name="from_page" value="{booking.party_id}"' in asked.content.decode()

    given = {"from_page": str(booking.party_id), "confirmed": "1", "reason": "Phoned"}
    answer = press(host, "cancel_places", booking.party, **given)
    assert answer.redirect_chain == [(page, 302)]
    assert Booking.objects.get().status == "cancelled"


@pytest.mark.parametrize("page", ["//elsewhere.example", "1/../../", ""])
def test_an_act_leads_nowhere_but_to_a_page_of_its_list(host, page):
    party = make_party()
    answer = press(host, "send_link", party, from_page=page)
    assert answer.redirect_chain == [(reverse("admin:bookings_party_changelist"), 302)]


def test_a_check_in_years_ahead_is_refused_in_words(host):
    booking = make_booking(make_session(starts_at=YEARS_AHEAD))

    answer = press(host, "check_in", booking, confirmed="1", reason="Pressed by mistake")

    assert statuses(booking.session) == {booking: "confirmed"}
    assert "check-in for this session opens on Monday 18 January." in answer.content.decode()


def test_a_row_is_called_by_what_a_host_knows(host):
    booking = make_booking(make_session(starts_at=YEARS_AHEAD))
    words = f"{booking.party.code_in_words} · {booking.session} · confirmed"
    assert f"<li>{words}<input" in press(host, "cancel", booking).content.decode()


def test_who_and_why_are_told_in_words_and_what_a_host_wrote_as_it_was_written(host):
    booking = make_booking(make_session(starts_at=YEARS_AGO))
    BookingEvent.objects.update(happened_at=NOON.replace(year=2020), who="line", why="cancelled")
    press(host, "check_in", booking, confirmed="1", reason="left")

    page = host.get(reverse("admin:bookings_party_change", args=[booking.party_id])).content.decode()

    told = page.split('<ol class="history">')[1].split("</ol>")[0].split("</li>")
    assert told[0] == f"<li>2020-01-18 20:00 · {booking.session} · – → confirmed · the line · a party cancelled"
    assert told[1].endswith("confirmed → checked in · host lin · left")


def test_how_many_come_since_a_change_is_told_in_words(host):
    booking = make_booking(make_session(starts_at=YEARS_AHEAD), size=3)
    lead, companion, _left_out = [Person(*told) for told in booking.party.people()]
    visit.come_with_fewer(booking.party_id, lead=lead, companions=[companion], now=NOON)

    page = host.get(reverse("admin:bookings_party_change", args=[booking.party_id])).content.decode()

    assert "confirmed → confirmed · the party · comes as 2 people" in page
