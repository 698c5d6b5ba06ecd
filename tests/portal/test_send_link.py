"""Send me my link again: neutral, and at most one mail an hour."""

import pytest

from bookings.models import Notice, NoticeKind
from tests.factories import make_booking

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "house")]


def test_the_link_is_owed_to_the_address_in_the_rows(client):
    party = make_booking(email="lin@visitors.example").party
    for written in ("lin@visitors.example", "LIN+again@visitors.example"):
        response = client.post("/en/link/", {"email": written})
        assert (response.status_code, response["Location"]) == (303, "/en/link/asked/")
    assert list(Notice.objects.values_list("kind", "party")) == [(NoticeKind.LINK, party.pk)]


def test_an_unknown_address_reads_the_same(client):
    known = make_booking(email="lin@visitors.example").party
    answers = [client.post("/en/link/", {"email": email}) for email in (known.email, "nobody@visitors.example")]
    assert len({(answer.status_code, tuple(answer.items()), answer.content) for answer in answers}) == 1
    assert Notice.objects.count() == 1
    after = client.get("/en/link/asked/")
    assert (after.status_code, b"If we know the address, the link is on its way." in after.content) == (200, True)


@pytest.mark.parametrize(
    "given", [{}, {"email": "lin"}, {"email": "\x00"}, {"email": "lin@visitors.example", "leave_empty": "x"}]
)
def test_what_cannot_be_read_is_told(client, given):
    make_booking(email="lin@visitors.example")
    response = client.post("/en/link/", given)
    assert response.status_code == 422
    assert b"error-summary" in response.content
    assert not Notice.objects.exists()


def test_the_page_is_for_nobody_to_keep(client):
    response = client.get("/en/link/")
    assert (response.status_code, response["Cache-Control"]) == (200, "private, no-store")


def test_every_page_leads_here(client):
    assert b'href="/en/link/"' in client.get("/en/privacy/").content
