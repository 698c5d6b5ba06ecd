"""What a sign-up asks of the database, statement by statement, from the form to the confirmed place.

Transaction control is counted too, so these tests run outside of one. The answers are the same however many have asked
before.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings import outbox
from bookings.models import Party, TourSession
from portal.forms.stamp import new_stamp
from tests.factories import DAY, HOUR, NOON, START, make_booking, make_session, make_waiting
from tests.portal.visits import address, enter, link

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock", "house")]

ASKS = [
    # What was chosen, whether this submit is known, whether the person is in, what its network holds.
    "SELECT toursession",
    "BEGIN",
    "UPDATE toursession",  # the claim
    "INSERT party",
    "INSERT member",
    "INSERT booking",
    "INSERT bookingevent",
    "INSERT notice",
    "COMMIT",
]
JOINS_THE_LINE = [
    "SELECT toursession",
    "BEGIN",
    "SELECT toursession",  # locked
    "INSERT party",
    "INSERT member",
    "UPDATE toursession",  # its number
    "INSERT booking",
    "INSERT bookingevent",
    "INSERT notice",
    "COMMIT",
]
PROVES = [
    "BEGIN",
    "SELECT toursession",  # locked
    "SELECT party",  # locked, and whether the link is its present one
    "SELECT booking",
    "UPDATE party",
    "UPDATE booking",
    "UPDATE toursession",
    "INSERT bookingevent",
    "INSERT notice",
    "COMMIT",
]
PARTY_PAGE = ["SELECT booking"]  # the party with who comes, its bookings and their history
# Whether anything is due in any lane is asked on the row of the mail server.
CLAIMS = [
    *("SELECT breaker", "UPDATE sender"),
    *("BEGIN", "SELECT notice", "UPDATE notice", "COMMIT"),
]
# That the server took one is written at most every five seconds.
ENDS = ["UPDATE sender"]


@pytest.fixture
def client() -> Client:
    """Somebody outside the house, whose network is counted."""
    return Client(REMOTE_ADDR="198.51.100.7")


@contextmanager
def asked() -> Iterator[list[str]]:
    """In order, what was asked of which table meanwhile."""
    told: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield told
    told += [in_short(query["sql"]) for query in captured]


def in_short(sql: str) -> str:
    verb = sql.split()[0].upper()
    if verb not in {"SELECT", "UPDATE", "INSERT", "DELETE"}:
        return verb
    if verb == "SELECT":
        return f"{verb} {outermost(sql)}"
    table = re.search(r'"bookings_(\w+)"', sql)
    assert table
    return f"{verb} {table[1]}"


def outermost(sql: str) -> str:
    """The table of the FROM that stands in no brackets."""
    depth = 0
    for found in re.finditer(r'[()]|FROM "bookings_(\w+)"', sql):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[1] and not depth:
            return found[1]
    raise AssertionError(sql)


def a_session(others: int) -> TourSession:
    """With so many parties that asked before, and as many other sessions as a season may have."""
    session = make_session(capacity=100)
    for number in range(others):
        make_booking(session, size=1)
        make_session(season=session.season, venue=session.venue, starts_at=START + (number + 1) * DAY)
    return session


def read_by_another(session: TourSession) -> None:
    """The page of a confirmed party: what hosts wrote is kept for the next one."""
    party = make_booking(session, size=1).party
    assert enter(Client(), party).get(address(party)).status_code == 200


def answers(**given: str) -> dict[str, str]:
    return {
        "size": "2",
        "lead_name": "Lin Xiaoyun",
        "lead_age": "18-",
        "email": "xiaoyun@visitors.example",
        "name_2": "Wei Jun",
        "age_2": "6-17",
        "submission_key": new_stamp(now=NOON - HOUR),
    } | given


def form_of(session: TourSession) -> str:
    return f"/en/sessions/{session.pk}/sign-up/"


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize("others", [1, 12])
def test_the_way_to_a_confirmed_place(client, others):
    session = a_session(others)
    client.get(form_of(session))
    with asked() as form:
        client.get(form_of(session))
    with asked() as submit:
        assert client.post(form_of(session), answers()).status_code == 303
    party = Party.objects.get(email="xiaoyun@visitors.example")
    with asked() as by_link:
        client.get(link(party))
    read_by_another(session)
    with asked() as page:
        client.get(address(party))
    with asked() as prove:
        client.post(address(party, "prove/"))
    with asked() as confirmed:
        assert "confirmed" in client.get(address(party)).content.decode()
    assert (form, submit, by_link, page, prove, confirmed) == (
        [],
        ASKS,
        ["SELECT party"],
        PARTY_PAGE,
        PROVES,
        PARTY_PAGE,
    )
    assert sum(map(len, (form, submit, by_link, page, prove, confirmed))) == 22


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize("others", [1, 12])
def test_the_way_into_a_line(client, others):
    session = a_session(others)
    TourSession.objects.filter(pk=session.pk).update(sell_limit=session.places_held)
    for _waiting in range(others):
        make_waiting(session)
    client.get(form_of(session))
    with asked() as submit:
        assert client.post(form_of(session), answers()).status_code == 303
    assert submit == JOINS_THE_LINE


@pytest.mark.parametrize("others", [1, 12])
def test_two_mails_of_a_sign_up(client, others):
    """Each as the only one that is owed; of many at once, twenty share what stands before its first try and after."""
    session = a_session(others)
    client.post(form_of(session), answers(email="first@visitors.example"))
    outbox.send_a_slice(now=NOON)  # It makes the rows of the sender and of the mail server.
    client.post(form_of(session), answers())
    with asked() as proof:
        outbox.send_a_slice(now=NOON)
    party = Party.objects.get(email="xiaoyun@visitors.example")
    client.get(link(party))
    client.post(address(party, "prove/"))
    with asked() as news:
        outbox.send_a_slice(now=NOON)
    assert len(mail.outbox) == 3
    assert without_building(proof) == [
        *CLAIMS,
        *("UPDATE notice", "UPDATE booking", "UPDATE notice"),  # begun, its clock starts, handed over
        *ENDS,
    ]
    assert without_building(news) == [*CLAIMS, "UPDATE notice", "UPDATE notice", *ENDS]
    assert (len(proof), len(news)) == (19, 16)


def without_building(asked: list[str]) -> list[str]:
    """What a mail is built of, and the first look at what its address has had, is read once for twenty mails."""
    claimed = asked.index("COMMIT") + 1
    begun = asked.index("UPDATE notice", claimed)
    assert all(told.startswith("SELECT") for told in asked[claimed:begun])
    return asked[:claimed] + asked[begun:]
