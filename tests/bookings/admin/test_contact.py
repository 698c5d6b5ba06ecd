"""A host corrects what a lead is called and how it is reached."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bookings.models import Member, Party
from tests.acts import owed
from tests.factories import NOON, make_booking, make_party, make_session

pytestmark = pytest.mark.django_db

YEARS_AHEAD = NOON.replace(year=2100)


def correct(client: Client, party: Party, **given: str) -> Any:
    data = {name: getattr(party, name) for name in ("lead_name", "email", "phone", "language")} | given
    for prefix in ("bookings", "members", "notices"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    return client.post(reverse("admin:bookings_party_change", args=[party.pk]), data, follow=True)


def messages(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_a_new_address_is_sent_a_link_of_its_own(host):
    party = make_party(email="old@visitors.example")

    answer = correct(host, party, email="new@visitors.example")

    assert owed(party) == [("link", party.pk)]
    assert messages(answer)[0].startswith("The links sent to the old address have ended.")


def test_another_phone_number_ends_no_link_and_sends_nothing(host):
    party = make_party()
    correct(host, party, phone="+86 10 5550 0118")
    changed = Party.objects.get()
    assert (changed.phone, changed.link_version, owed(party)) == ("+86 10 5550 0118", party.link_version, [])


def test_a_name_is_corrected_by_the_rules_and_everybody_else_stays(host):
    booking = make_booking(make_session(starts_at=YEARS_AHEAD), companions=["Zhu Ge"], lead_name="Ou Yang")

    correct(host, booking.party, lead_name="Ouyang Mingzhu")

    assert Party.objects.get().lead_name == "Ouyang Mingzhu"
    assert [member.name for member in Member.objects.all()] == ["Zhu Ge"]
    event = booking.events.latest("pk")
    assert (event.who, event.why) == ("host:lin", "names changed")
    assert owed(booking.party) == [("changed", booking.party_id)]


def test_a_name_stays_once_the_roster_is_locked_and_so_does_all_else_on_the_page(host):
    session = make_session(starts_at=YEARS_AHEAD, roster_locks_at=NOON.replace(year=2020))
    booking = make_booking(session, lead_name="Ou Yang", email="old@visitors.example")

    answer = correct(host, booking.party, lead_name="Somebody Else", email="new@visitors.example")

    assert "The roster is locked: names stay as they are." in messages(answer)[0]
    kept = Party.objects.get()
    assert (kept.lead_name, kept.email, owed(kept)) == ("Ou Yang", "old@visitors.example", [])


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"email": ""}, "Write an address: without one the party hears of nothing."),
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"lead_name": "   "}, "Name everybody who comes."),
    ],
)
def test_what_no_party_can_do_without_is_asked_for(host, given, refusal):
    party = make_party()
    answer = correct(host, party, **given)
    assert [error for errors in answer.context["errors"] for error in errors] == [refusal]
    assert Party.objects.get().email == party.email


def test_of_an_erased_party_nothing_can_be_typed(host):
    party = make_party(erased_at=NOON, ended_at=NOON)
    page = host.get(reverse("admin:bookings_party_change", args=[party.pk]))
    assert list(page.context["adminform"].form.fields) == []
    assert "_save" not in page.content.decode()
