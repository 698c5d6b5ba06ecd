from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings.models import Booking, BookingEvent, BookingStatus, Notice, NoticeKind, Party
from tests.factories import NOON, make_booking, make_offered, make_party, make_session, make_waiting

pytestmark = pytest.mark.django_db

# The pages of the admin site read the real clock.
YEARS_AGO, YEARS_AHEAD = NOON.replace(year=2020), NOON.replace(year=2100)


def act(client: Client, rows: list[Any], action: str, **given: str) -> Any:
    """Press the action of a list and, if a reason is given, the button of the page that asks for it."""
    address = reverse(f"admin:bookings_{rows[0]._meta.model_name}_changelist")
    data: dict[str, Any] = {"action": action, "_selected_action": [row.pk for row in rows], **given}
    if given:
        data["confirmed"] = "1"
    return client.post(address, data, follow=True)


@pytest.mark.parametrize("term", ["code", "code with dash", "lead", "member", "email"])
def test_a_party_is_found_by_code_name_and_email(host, term):
    party = make_party(lead_name="Ou Yang", companions=["Zhu Ge"], email="ou@visitors.example")
    make_party(lead_name="Somebody Else", companions=["Another"])
    terms = {
        "code": party.code,
        "code with dash": party.code_in_words.lower(),
        "lead": "Ou Yang",
        "member": "Zhu",
        "email": "ou@visitors",
    }

    answer = host.get(reverse("admin:bookings_party_changelist"), {"q": terms[term]})

    assert [found.pk for found in answer.context["cl"].result_list] == [party.pk]


def test_the_page_of_a_party_tells_its_history(host):
    booking = make_booking()

    page = host.get(reverse("admin:bookings_party_change", args=[booking.party_id])).content.decode()

    told = page.split('<ol class="history">')[1].split("</ol>")[0]
    assert told == f"<li>2027-01-17 20:00 · {booking.session} · – → confirmed · the party</li>"


def test_cancelling_asks_why_first_and_keeps_the_answer(host):
    booking = make_booking(make_session(starts_at=NOON.replace(year=2100)))

    asked = act(host, [booking.party], "cancel_places")
    assert "Why?" in asked.content.decode()
    assert Booking.objects.get().status == BookingStatus.CONFIRMED

    act(host, [booking.party], "cancel_places", reason="Phoned and asked")
    event = BookingEvent.objects.latest("pk")
    assert (event.to_status, event.who, event.why) == ("cancelled", "host:lin", "Phoned and asked")


def test_an_empty_reason_changes_nothing(host):
    booking = make_booking(make_session(starts_at=NOON.replace(year=2100)))
    answer = act(host, [booking.party], "cancel_places", reason="   ")
    assert "Say why" in answer.content.decode()
    assert Booking.objects.get().status == BookingStatus.CONFIRMED


def test_a_refusal_is_shown_and_the_others_go_on(host):
    session = make_session(starts_at=NOON.replace(year=2100))
    waiting, confirmed = make_waiting(session), make_booking(session)

    answer = act(host, [waiting.party, confirmed.party], "cancel_places", reason="Closed")

    assert "You hold no places" in answer.content.decode()
    assert Booking.objects.get(pk=confirmed.pk).status == BookingStatus.CANCELLED


@pytest.mark.parametrize(
    ("action", "make", "starts_at", "after"),
    [
        ("accept", make_offered, YEARS_AHEAD, "confirmed"),
        ("decline", make_offered, YEARS_AHEAD, "declined"),
        ("cancel", make_booking, YEARS_AHEAD, "cancelled"),
        ("check_in", make_booking, YEARS_AGO, "checked in"),
    ],
)
def test_a_booking_changes_through_its_action_with_a_reason(host, action, make, starts_at, after):
    given = {"offer_expires_at": YEARS_AHEAD} if make is make_offered else {}
    booking = make(make_session(starts_at=starts_at), **given)

    act(host, [booking], action, reason="At the desk")

    event = BookingEvent.objects.latest("pk")
    assert (event.to_status, event.who, event.why) == (after, "host:lin", "At the desk")


def test_saving_the_page_of_a_booking_writes_nothing_back(host):
    booking = make_booking()
    Booking.objects.filter(pk=booking.pk).update(places=1, least=1)
    host.post(reverse("admin:bookings_booking_change", args=[booking.pk]), {"places": "3", "status": "waiting"})
    assert (Booking.objects.get().places, Booking.objects.get().status) == (1, BookingStatus.CONFIRMED)


def test_a_new_address_ends_the_links_of_the_old_one(host):
    party = make_party(email="old@visitors.example")
    token = party.link_token

    host.post(
        reverse("admin:bookings_party_change", args=[party.pk]),
        contact(party, email="new@visitors.example", language="zh-hans"),
    )

    changed = Party.objects.get()
    assert (changed.email, changed.language, changed.link_token_is(token)) == ("new@visitors.example", "zh-hans", False)


def test_an_address_that_another_party_has_is_refused_kindly(host):
    party = make_party()
    make_party(season=party.season, email="taken@visitors.example")

    answer = host.post(
        reverse("admin:bookings_party_change", args=[party.pk]),
        contact(party, email="Taken+x@visitors.example"),
    )

    assert "Another party of this season has this address already." in answer.content.decode()


def contact(party: Party, **given: str) -> dict[str, str]:
    """What the form of a party sends."""
    data = {name: getattr(party, name) for name in ("lead_name", "email", "phone", "language")} | given
    for prefix in ("bookings", "members", "notices"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    return data


def test_links_end_and_personal_data_go_on_demand(host):
    booking = make_booking(make_session(starts_at=NOON.replace(year=2100)), lead_name="Ou Yang")
    token = booking.party.link_token

    act(host, [booking.party], "revoke_links", reason="Phone was stolen")
    assert not Party.objects.get().link_token_is(token)

    act(host, [booking.party], "erase_now", confirmed="1")
    party = Party.objects.get()
    assert (party.lead_name, party.email, party.members.get().name) == ("", "", "")


def test_erasing_asks_once_more_and_keeps_no_words_about_the_party(host):
    party = make_party(lead_name="Ou Yang")

    asked = act(host, [party], "erase_now").content.decode()
    assert Party.objects.get().lead_name == "Ou Yang"
    assert ('name="reason"' in asked, "This cannot be taken back." in asked) == (False, True)

    act(host, [party], "erase_now", confirmed="1", reason="Ou Yang asked for it by phone")
    kept = LogEntry.objects.values_list("user__username", "object_id", "object_repr", "change_message")
    assert list(kept) == [("lin", str(party.pk), party.code_in_words, "The personal data was erased.")]


def test_the_link_is_sent_again(host):
    party = make_party()
    act(host, [party], "send_link")
    assert list(Notice.objects.values_list("kind", "party")) == [(NoticeKind.LINK, party.pk)]


def test_nothing_is_added_or_deleted_by_hand(host):
    booking = make_booking()
    for model in ("party", "booking", "notice"):
        assert host.get(reverse(f"admin:bookings_{model}_add")).status_code == 403
    for model, pk in (("party", booking.party_id), ("booking", booking.pk)):
        assert host.post(reverse(f"admin:bookings_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    assert Booking.objects.filter(pk=booking.pk).exists()


@pytest.mark.parametrize("model", ["party", "booking", "notice"])
def test_lists_take_the_same_number_of_queries_at_two_sizes(host, model):
    session = make_session()
    make_booking(session)
    address = reverse(f"admin:bookings_{model}_changelist")
    host.get(address)
    few = queries(host, address)
    for _ in range(12):
        make_booking(session)
    assert queries(host, address) == few


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)
