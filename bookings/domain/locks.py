"""Transactions that wait their turn: sessions by primary key, then parties by primary key, then their bookings."""

import functools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from random import SystemRandom
from typing import NamedTuple, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet

from bookings.models import LIVE, Booking, BookingMoved, Party, TourSession
from bookings.models.compiled import Given, compiled, given_each

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

MOST_TRIES = 8
# A visitor waits for the answer: with others in the way, and while a database that was there is gone.
SECONDS_BEHIND_OTHERS = 10.0
SECONDS_WITHOUT_DATABASE = 3.0
# Deadlock, serialization failure and lock timeout: the whole transaction may simply be run again.
WORTH_ANOTHER_TRY = frozenset({"40P01", "40001", "55P03"})


class StaleLocks(Exception):
    """Between choosing what to lock and locking it, a party joined another session."""


class Stage(Enum):
    """How far a transaction had come when it failed."""

    CONNECTING = auto()
    CHANGING = auto()
    COMMITTING = auto()


# Shut down by its operator, ended after a crash, not up yet; beside these the whole class 08.
NOT_THERE = ("57P01", "57P02", "57P03", "08")

# What is raised where another transaction may have been in the way.
IN_THE_WAY = (StaleLocks, BookingMoved, OperationalError)


def is_worth_another_try(error: Exception) -> bool:
    """Whether another transaction was in the way; of a database that is in trouble itself it is not said."""
    return not isinstance(error, OperationalError) or getattr(error.__cause__, "sqlstate", None) in WORTH_ANOTHER_TRY


class Locked(NamedTuple):
    party: Party
    sessions: dict[int, TourSession]
    read: list[Booking]  # the live bookings of the party under the locks, by preference

    def bookings(self) -> list[Booking]:
        """The party's bookings that are still live, by preference, tied to the locked rows. Nobody but the holder of
        the locks changes them: they were read once. One that the holder has written since is not among them."""
        return [booking for booking in self.read if booking.status in LIVE]


def lock_party(party_pk: int, *, also: Iterable[int] = (), rows_alone: bool = False) -> Locked:
    """Lock the party and every session it has a live booking in, and the sessions in ``also``.

    Raises StaleLocks if the party joined a session meanwhile; ``in_one_transaction`` then starts over. With
    ``rows_alone`` what hosts wrote of them is read when somebody asks for it.
    """
    sessions = lock_sessions_of([party_pk], also=also, rows_alone=rows_alone)
    return lock_parties([party_pk], sessions=sessions, rows_alone=rows_alone)[party_pk]


def lock_sessions_of(
    party_pks: Iterable[int], *, also: Iterable[int] = (), rows_alone: bool = False
) -> dict[int, TourSession]:
    """The first half of locking parties: every session one of them has a live booking in, and those in ``also``."""
    pks = sorted(set(party_pks))
    if others := set(also):
        joined = Booking.objects.live().filter(party__in=pks).values_list("session", flat=True)
        return TourSession.objects.lock({*joined, *others}, rows_alone=rows_alone)
    return {session.pk: session for session in _sessions_locked(len(pks), rows_alone, parties=pks)}


@compiled
def _sessions_locked(parties: int, rows_alone: bool) -> QuerySet[TourSession]:
    joined = Booking.objects.live().filter(party__pk__in=given_each("parties", parties)).values("session")
    return TourSession.objects.locked(joined, rows_alone=rows_alone)


def lock_parties(
    party_pks: Iterable[int], *, sessions: dict[int, TourSession], rows_alone: bool = False
) -> dict[int, Locked]:
    """The second half: the parties by primary key. Raises StaleLocks if one of them is in a session not locked."""
    pks = sorted(set(party_pks))
    return _with_bookings([Party.objects.lock(pk, row_alone=rows_alone) for pk in pks], sessions)


def lock_party_of_code(code: str) -> Locked | None:
    """As ``lock_party`` with ``rows_alone``, of the party that has this code."""
    sessions = {session.pk: session for session in _sessions_of_code(code=code)}
    parties = _party_of_code(code=code)
    return _with_bookings(parties, sessions)[parties[0].pk] if parties else None


@compiled
def _sessions_of_code() -> QuerySet[TourSession]:
    joined = Booking.objects.live().filter(party__code=Given("code")).values("session")
    return TourSession.objects.locked(joined, rows_alone=True)


@compiled
def _party_of_code() -> QuerySet[Party]:
    return Party.objects.filter(code=Given("code")).select_for_update(no_key=True, of=("self",)).order_by()


def _with_bookings(parties: Sequence[Party], sessions: dict[int, TourSession]) -> dict[int, Locked]:
    """Of parties that are locked. Raises StaleLocks if one of them is in a session that is not."""
    locked = {party.pk: Locked(party, sessions, []) for party in parties}
    for booking in _live_of(len(locked), parties=list(locked)):
        if booking.session_id not in sessions:
            raise StaleLocks
        of_party = locked[booking.party_id]
        booking.party, booking.session = of_party.party, sessions[booking.session_id]
        of_party.read.append(booking)
    return locked


@compiled
def _live_of(parties: int) -> QuerySet[Booking]:
    return Booking.objects.live().filter(party__pk__in=given_each("parties", parties)).order_by("preference", "pk")


def lock_everybody(
    bookings: QuerySet[Booking], *, session: int, elsewhere: QuerySet[Booking]
) -> dict[int, TourSession]:
    """Lock the session and those of the bookings in ``elsewhere``, then every party of ``bookings``.

    Raises StaleLocks if one of them stands elsewhere by now; ``in_one_transaction`` then starts over.
    """
    pks = elsewhere.order_by().values_list("session", flat=True).distinct()
    locked = TourSession.objects.lock({session, *pks})
    Party.objects.filter(pk__in=bookings.values("party")).lock_all()
    if not set(pks.all()) <= locked.keys():
        raise StaleLocks
    return locked


def connection_was_lost(error: Exception) -> bool:
    """Whether PostgreSQL went away, or could not be reached; SQLite is a file and does not."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    code = getattr(error.__cause__, "sqlstate", "")
    return code is None or code.startswith(NOT_THERE)  # None: the driver found out, the server said nothing.


def in_one_transaction(
    change: Callable[Parameters, Result], *, is_repeatable: bool = True
) -> Callable[Parameters, Result]:
    """Run the change whole or not at all; started over from the outside when another transaction was in its way, or
    when its connection was lost.

    A connection lost before the COMMIT was sent took everything back. Lost later, nobody knows what became of it; then
    it is run again as well, since it is conditional on rows that it would have changed: a sign-up meets its own
    submission key, a party that cancelled has nothing confirmed any more. ``is_repeatable=False`` is for what would be
    done twice; then that one case is raised.
    """

    @functools.wraps(change)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if connection.in_atomic_block:
            with transaction.atomic():
                return change(*args, **kwargs)
        began, was_lost = time.monotonic(), False
        for tries in range(1, MOST_TRIES + 1):
            stage = Stage.CONNECTING
            try:
                with transaction.atomic():
                    stage = Stage.CHANGING
                    result = change(*args, **kwargs)
                    stage = Stage.COMMITTING
                return result
            except (*IN_THE_WAY, InterfaceError) as error:
                if connection_was_lost(error):
                    connection.close()  # The next try gets another one.
                    # A database that was not there in the first place is not waited for.
                    was_lost = was_lost or stage != Stage.CONNECTING
                    may_try = was_lost and (is_repeatable or stage != Stage.COMMITTING)
                else:
                    may_try = is_worth_another_try(error)
                patience = SECONDS_WITHOUT_DATABASE if was_lost else SECONDS_BEHIND_OTHERS
                if not may_try or tries == MOST_TRIES or time.monotonic() - began > patience:
                    raise
            chance = SystemRandom()
            time.sleep(chance.uniform(0.1, 0.4) if was_lost else chance.uniform(0, 0.02 * tries))
        raise AssertionError("unreachable")

    return run


def for_each(pks: Iterable[int], change: Callable[[int], bool]) -> int:
    """Run the change for every row of a scan; one that fails is logged and does not stop the others.

    Returns for how many rows the change says it did something.
    """
    done = 0
    for pk in pks:
        try:
            done += change(pk)
        except Exception:
            logger.exception("%s failed for row %s", getattr(change, "__qualname__", change), pk)
    return done
