"""One network holds few places before mailboxes are proven; more of its parties prove first and then have them."""

import uuid

import pytest
from django.test import override_settings

from bookings.domain import visit
from bookings.domain.holds import LOOKED_AT_FIRST
from bookings.domain.invariants import broken_promises
from bookings.domain.retention import erase
from bookings.models import Party
from tests.acts import ask, ledger, statuses, told_to_prove_first
from tests.factories import DAY, HOUR, NOON, START, make_season, make_session

pytestmark = pytest.mark.django_db

SCHOOL = "203.0.113.0/24"


def stands(*parties):
    return [party.bookings.order_by("preference").values_list("status", flat=True)[0] for party in parties]


def test_the_third_party_of_a_network_proves_first_and_is_offered_its_places_then():
    session = make_session()
    first, second, third = (ask(session, network=SCHOOL) for _ in range(3))
    elsewhere, unknown = ask(session, network="198.51.100.0/24"), ask(session)
    assert stands(first, second, third, elsewhere, unknown) == ["offered", "offered", "waiting", "offered", "offered"]
    assert ledger(session) == {"places": 8, "parties": 4, "offered": 4, "waiting": 0}
    visit.prove_mailbox(third.pk, now=NOON + HOUR)
    assert stands(third) == ["offered"]
    assert list(broken_promises(now=NOON + HOUR)) == []


def test_whoever_presses_twice_is_told_the_same_twice():
    session = make_session()
    keys = [uuid.uuid4() for _ in range(4)]
    told = [[told_to_prove_first(session, network=SCHOOL, submission_key=key) for key in keys] for _ in range(2)]
    assert told == [[False, False, True, True]] * 2
    visit.prove_mailbox(Party.objects.get(submission_key=keys[0]).pk, now=NOON)
    assert not told_to_prove_first(session, network=SCHOOL, submission_key=keys[0])


def test_a_tenth_of_a_large_session_is_more():
    session = make_session(capacity=120, max_parties=40)
    parties = [ask(session, network=SCHOOL) for _ in range(5)]
    assert stands(*parties) == ["offered"] * 4 + ["waiting"]


@override_settings(UNPROVEN_PARTIES_A_NETWORK=LOOKED_AT_FIRST + 6)
def test_a_network_with_many_holds_has_every_one_of_them():
    session = make_session(capacity=120, max_parties=40)
    parties = [ask(session, network=SCHOOL) for _ in range(LOOKED_AT_FIRST + 7)]
    assert stands(*parties) == ["offered"] * (LOOKED_AT_FIRST + 6) + ["waiting"]


def test_a_proven_mailbox_and_a_party_that_ended_make_room():
    session = make_session()
    proven, ended = ask(session, network=SCHOOL), ask(session, network=SCHOOL)
    visit.prove_mailbox(proven.pk, now=NOON)
    erase(ended.pk, now=NOON)
    after = [ask(session, network=SCHOOL) for _ in range(3)]
    assert stands(*after) == ["offered", "offered", "waiting"]
    assert list(Party.objects.filter(pk__in=[proven.pk, ended.pk]).values_list("network_hold", flat=True)) == [None] * 2


def test_a_dearer_choice_with_room_is_not_given_up_for_want_of_a_hold():
    season = make_season(choices_allowed=2)
    dearest, other = make_session(season=season), make_session(season=season, starts_at=START + DAY)
    for _ in range(2):
        ask(dearest, network=SCHOOL)
    party = ask(dearest, other, network=SCHOOL)
    assert list(party.bookings.order_by("preference").values_list("session", "status")) == [
        (dearest.pk, "waiting"),
        (other.pk, "waiting"),
    ]


def test_whoever_is_to_prove_first_holds_nothing_where_mailboxes_are_proven():
    session, trusting = make_session(), make_session(season=make_season(proves_mailbox=False))
    assert stands(ask(session, proves_first=True), ask(trusting, proves_first=True, network=SCHOOL)) == [
        "waiting",
        "confirmed",
    ]
    assert sorted(statuses(session, trusting).values()) == ["confirmed", "waiting"]


def test_two_sessions_do_not_tell_that_it_was_one_network():
    first, second = (ask(make_session(), network=SCHOOL) for _ in range(2))
    names = [str(party.network_hold).partition(":")[0] for party in (first, second)]
    assert [len(name) for name in names] == [40, 40]
    assert names[0] != names[1]


@override_settings(UNPROVEN_PARTIES_A_NETWORK=1)
def test_how_many_is_a_setting():
    session = make_session(capacity=6)
    assert stands(*(ask(session, network=SCHOOL) for _ in range(2))) == ["offered", "waiting"]
