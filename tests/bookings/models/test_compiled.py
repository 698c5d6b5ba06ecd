"""A statement whose SQL is made once gives what the queryset gives, whatever it is told."""

import uuid
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking, BookingStatus, Party, TourSession
from bookings.models.compiled import Given, compiled, compiled_update, given_each
from tests.factories import HOUR, NOON, make_booking, make_party, make_session

pytestmark = pytest.mark.django_db


@compiled
def of_codes(number: int) -> QuerySet[Party]:
    submitted = Party.objects.filter(pk=OuterRef("pk"), submission_key=Given("key"))
    of_codes = Party.objects.filter(code__in=given_each("codes", number), asked_at__lte=Given("now"))
    return of_codes.annotate(is_that_one=Exists(submitted)).select_related("season__tour").order_by("-code")


@compiled
def locked() -> QuerySet[Party]:
    return Party.objects.select_for_update().filter(pk=Given("pk"))


@compiled_update
def moved(*columns: str) -> tuple[QuerySet[Booking], dict[str, Any]]:
    return Booking.objects.filter(pk=Given("pk"), status="confirmed"), {name: Given(name) for name in columns}


@compiled_update
def counted() -> tuple[QuerySet[TourSession], dict[str, Any]]:
    more = F("parties_held") + Given("more", models.IntegerField())
    return TourSession.objects.filter(pk=Given("pk")), {"parties_held": more}


def test_the_same_rows_as_of_the_queryset_with_other_values_each_time():
    key = uuid.uuid4()
    first, second, late = (make_party(asked_at=NOON + hours * HOUR) for hours in (0, 1, 3))
    Party.objects.filter(pk=second.pk).update(submission_key=key)
    codes = sorted((first.code, second.code), reverse=True)

    told = of_codes(3, codes=[first.code, second.code, late.code], key=key, now=NOON + 2 * HOUR)
    alone = of_codes(1, codes=[late.code], key=key, now=NOON + 3 * HOUR)

    assert [party.code for party in told] == codes
    assert {party.pk: vars(party)["is_that_one"] for party in told} == {first.pk: False, second.pk: True}
    assert [party.pk for party in alone] == [late.pk]
    assert of_codes(0, codes=[], key=key, now=NOON) == []
    with CaptureQueriesContext(connection) as captured:
        assert alone[0].season.tour == late.season.tour
    assert (len(captured), vars(alone[0])["asked_at"]) == (0, NOON + 3 * HOUR)


@pytest.mark.postgres
def test_the_sql_is_that_of_the_queryset():
    party = make_party()
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        [*Party.objects.select_for_update().filter(pk=party.pk)]
        locked(pk=party.pk)
    plain, ours = (query["sql"] for query in captured)
    assert plain.replace(f"= {party.pk}", f"= ({party.pk})") == ours


@pytest.mark.django_db(transaction=True)
def test_rows_are_not_locked_where_no_transaction_would_hold_the_lock():
    party = make_party()
    with transaction.atomic():
        assert locked(pk=party.pk) == [party]
    with pytest.raises(TransactionManagementError):
        locked(pk=party.pk)


def test_changes_say_how_many_rows_they_found():
    session = make_session()
    booking = make_booking(session, size=2)
    now = NOON + HOUR

    assert moved("status", "arrived", "status_since", pk=0, status="no-show", arrived=2, status_since=now) == 0
    assert moved("status", "arrived", "status_since", pk=booking.pk, status="no-show", arrived=2, status_since=now) == 1
    assert moved("arrived", pk=booking.pk, arrived=1) == 0  # It is confirmed no longer.
    assert counted(pk=session.pk, more=3) == 1

    booking.refresh_from_db()
    session.refresh_from_db()
    assert (booking.status, booking.arrived, booking.status_since) == (BookingStatus.NO_SHOW, 2, now)
    assert session.parties_held == 4
    assert moved("arrived", pk=booking.pk, arrived=None) == 0
