"""One party's claim on one session, from the first ask to the day itself."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from bookings.models.compiled import Given, compiled, compiled_update
from bookings.models.parties import Party
from bookings.models.tours import TourSession

# An offer from sign-up stands this long from the hand-over of the mail that asks to prove the mailbox ...
SIGN_UP_OFFER = timedelta(minutes=30)
# ... and this long from the sign-up if that mail cannot be handed over.
SIGN_UP_OFFER_AT_MOST = timedelta(hours=6)
# A change of very many rows writes so many of them in one statement.
ROWS_A_STATEMENT = 1000

Row = TypeVar("Row")


class BookingStatus(models.TextChoices):
    ENTERED = "entered", _("entered")
    WAITING = "waiting", _("waiting")
    OFFERED = "offered", _("offered")
    CONFIRMED = "confirmed", _("confirmed")
    CHECKED_IN = "checked in", _("checked in")
    NO_SHOW = "no-show", _("no-show")
    WITHDRAWN = "withdrawn", _("withdrawn")
    DECLINED = "declined", _("declined")
    LAPSED = "lapsed", _("lapsed")
    CANCELLED = "cancelled", _("cancelled")
    SUPERSEDED = "superseded", _("superseded")
    DROPPED = "dropped", _("dropped")
    CLOSED = "closed", _("closed")
    EXCLUDED = "excluded", _("excluded")
    CALLED_OFF = "called off", _("called off")


HOLDS_PLACES = frozenset({BookingStatus.OFFERED, BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN})
ENDED = frozenset(
    {
        BookingStatus.WITHDRAWN,
        BookingStatus.DECLINED,
        BookingStatus.LAPSED,
        BookingStatus.CANCELLED,
        BookingStatus.SUPERSEDED,
        BookingStatus.DROPPED,
        BookingStatus.CLOSED,
        BookingStatus.EXCLUDED,
        BookingStatus.CALLED_OFF,
    }
)
LIVE = frozenset(BookingStatus) - ENDED

NEXT_STATUSES: dict[BookingStatus, frozenset[BookingStatus]] = {
    BookingStatus.ENTERED: frozenset(
        {
            BookingStatus.OFFERED,
            BookingStatus.WAITING,
            BookingStatus.WITHDRAWN,
            BookingStatus.EXCLUDED,
            BookingStatus.CALLED_OFF,
        }
    ),
    BookingStatus.WAITING: frozenset(
        {
            BookingStatus.OFFERED,
            BookingStatus.WITHDRAWN,
            BookingStatus.SUPERSEDED,
            BookingStatus.DROPPED,
            BookingStatus.CLOSED,
            BookingStatus.LAPSED,
            BookingStatus.CALLED_OFF,
        }
    ),
    BookingStatus.OFFERED: frozenset(
        {
            BookingStatus.CONFIRMED,
            BookingStatus.DECLINED,
            BookingStatus.LAPSED,
            BookingStatus.WAITING,
            BookingStatus.WITHDRAWN,
            BookingStatus.CALLED_OFF,
        }
    ),
    BookingStatus.CONFIRMED: frozenset(
        {
            BookingStatus.CHECKED_IN,
            BookingStatus.NO_SHOW,
            BookingStatus.CANCELLED,
            BookingStatus.SUPERSEDED,
            BookingStatus.CALLED_OFF,
        }
    ),
    BookingStatus.CHECKED_IN: frozenset({BookingStatus.CONFIRMED, BookingStatus.CALLED_OFF}),
    BookingStatus.NO_SHOW: frozenset({BookingStatus.CHECKED_IN}),
}


class OfferSource(models.TextChoices):
    SIGN_UP = "sign-up", _("sign-up")
    WAITLIST = "waitlist", _("waitlist")
    DRAW = "draw", _("draw")


class BookingMoved(Exception):
    """Somebody else changed the booking first; the caller's picture of it is old."""


def in_batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + ROWS_A_STATEMENT] for start in range(0, len(rows), ROWS_A_STATEMENT))


class BookingQuerySet(models.QuerySet["Booking"]):
    def live(self) -> Self:
        return self.filter(status__in=LIVE)

    def waiting(self) -> Self:
        return self.filter(status=BookingStatus.WAITING).order_by("queue_number")

    def holding(self) -> Self:
        return self.filter(status__in=HOLDS_PLACES)

    def in_line(self) -> Self:
        """The line: waiting bookings of proven parties that hold no live offer, in order; first call goes first."""
        return self.filter(in_line=True).order_by("-first_call", "queue_number")

    def first_that_fits(self, session: TourSession, *, places: int) -> "Booking | None":
        """The first in line that would come with ``places``: first call, then short notice, then number."""
        candidates = self._first_of_each_kind(session, places=places)
        return candidates.order_by("-first_call", "-short_notice", "queue_number").first()

    def head_of(self, session: TourSession) -> "Booking | None":
        """The first in the session's line, with its party, that the session's limit lets come at all: for who never
        can, nothing is saved."""
        head = next(iter(_first_in_line(session=session.pk)), None)
        if head is None or head.least <= session.sell_limit:
            return head
        candidates = self._first_of_each_kind(session, places=session.sell_limit).select_related("party")
        return candidates.order_by("-first_call", "queue_number").first()

    def is_in_line(self, booking: "Booking") -> bool:
        """Now, whatever was read of it before."""
        return bool(_still_in_line(pk=booking.pk))

    def _first_of_each_kind(self, session: TourSession, *, places: int) -> Self:
        """Of those in the session's line that would come with ``places``, the first of each class and size.

        One seek in an index for each, however many larger parties stand before it.
        """
        line = Booking.objects.filter(session=session, in_line=True).order_by("queue_number")
        largest = session.season.tour.largest_party
        sizes = [Q(least=size) for size in range(1, min(places, largest) + 1)]
        if places > largest:
            sizes.append(Q(least__gt=largest, least__lte=places))
        first_of_each = [
            Q(pk=models.Subquery(line.filter(size, first_call=first_call, short_notice=short_notice).values("pk")[:1]))
            for size in sizes
            for first_call in (True, False)
            for short_notice in (True, False)
        ]
        return self.filter(reduce(or_, first_of_each)) if first_of_each else self.none()

    def offers_due(self, now: datetime) -> Self:
        return self.filter(status=BookingStatus.OFFERED, offer_expires_at__lte=now)

    def start_sign_up_clock(self, *, handed_over_at: datetime) -> int:
        """The proof mail has left: the offers it speaks of end 30 minutes from now, unless they end earlier anyway."""
        ends = handed_over_at + SIGN_UP_OFFER
        return self.sign_up_offers_beyond(ends).update(offer_expires_at=ends)

    def sign_up_offers_beyond(self, ends: datetime | models.Expression) -> Self:
        return self.filter(status=BookingStatus.OFFERED, offer_source=OfferSource.SIGN_UP, offer_expires_at__gt=ends)

    def end_all(self, status: BookingStatus, *, now: datetime, who: str, why: str = "") -> "list[Booking]":
        """The second door, for many rows at once: end all these bookings as ``Booking.move_to`` would one by one.

        The caller holds the locks of their sessions and parties, and of the sessions in which a party that is offered
        one of them waits. Returns the bookings as they were. Raises BookingMoved if a row is no longer as read; then
        nothing is changed.
        """
        with transaction.atomic():
            ending = list(self.select_related("party").order_by("status", "pk"))
            for before in {BookingStatus(booking.status) for booking in ending}:
                if status not in ENDED or status not in NEXT_STATUSES[before]:
                    raise BookingMoved(f"{before} cannot become {status} for many at once")
            for batch in in_batches(ending):
                _end(batch, status, now=now)
            _take_from_ledgers(ending)
            offered = [booking.party_id for booking in ending if booking.status == BookingStatus.OFFERED]
            for parties in in_batches(offered):
                waiting = Booking.objects.filter(party__in=parties, status=BookingStatus.WAITING)
                waiting.filter(party__mailbox_proven_at__isnull=False).update(in_line=True)
            BookingEvent.objects.bulk_create(
                (
                    BookingEvent(
                        booking=booking, from_status=booking.status, to_status=status, happened_at=now, who=who, why=why
                    )
                    for booking in ending
                ),
                batch_size=ROWS_A_STATEMENT,
            )
            for parties in in_batches(sorted({booking.party_id for booking in ending})):
                live = Exists(Booking.objects.live().filter(party=OuterRef("pk")))
                over = Party.objects.filter(~live, pk__in=parties, ended_at=None, first_call_until=None)
                over.update(ended_at=now)
        return ending


def _end(bookings: "Sequence[Booking]", status: BookingStatus, *, now: datetime) -> None:
    """Write the rows, each only if its status is still the one that was read."""
    alike = defaultdict(list)
    for booking in bookings:
        alike[booking.status].append(booking.pk)
    for before, pks in alike.items():
        as_read = Booking.objects.filter(pk__in=pks, status=before)
        ended = as_read.update(status=status, status_since=now, offer_expires_at=None, in_line=False, arrived=None)
        if ended != len(pks):
            raise BookingMoved(f"{len(pks) - ended} bookings are no longer {before}")


def _take_from_ledgers(bookings: "Sequence[Booking]") -> None:
    """What the bookings, as they still were, counted for in their sessions."""
    of_session = defaultdict(list)
    for booking in bookings:
        of_session[booking.session_id].append(booking)
    for session, ended in sorted(of_session.items()):
        held = [booking for booking in ended if booking.holds_places]
        offered = [booking for booking in held if booking.status == BookingStatus.OFFERED]
        waiting = [b for b in ended if b.status == BookingStatus.WAITING and b.party.is_proven]
        TourSession.objects.filter(pk=session).update(
            places_held=F("places_held") - sum(booking.places for booking in held),
            parties_held=F("parties_held") - len(held),
            parties_offered=F("parties_offered") - len(offered),
            parties_waiting=F("parties_waiting") - len(waiting),
        )


class Booking(models.Model):
    """One row from the first ask to the day itself.

    Its status changes through two doors: ``move_to``, and ``end_all`` for many rows at once.
    """

    party = models.ForeignKey(Party, on_delete=models.CASCADE, related_name="bookings", verbose_name=_("party"))
    session = models.ForeignKey(
        TourSession, on_delete=models.PROTECT, related_name="bookings", verbose_name=_("session")
    )
    preference = models.PositiveSmallIntegerField(_("choice"), default=1)
    places = models.PositiveSmallIntegerField(_("places"))
    status = models.CharField(_("status"), max_length=12, choices=BookingStatus.choices)
    status_since = models.DateTimeField(_("since"))
    queue_number = models.PositiveIntegerField(_("number in line"), null=True, blank=True)
    offer_expires_at = models.DateTimeField(_("offer ends"), null=True, blank=True)
    offer_source = models.CharField(_("offer from"), max_length=10, choices=OfferSource.choices, blank=True)
    arrived = models.PositiveSmallIntegerField(_("people who came"), null=True, blank=True)
    # When the party last said so; of a session that moved since, it says nothing: see bookings.domain.reconfirming.
    still_coming_at = models.DateTimeField(_("said that it is still coming"), null=True, blank=True, editable=False)

    # What the line is ordered and searched by, kept here so that serving it reads as many rows however long it is.
    in_line = models.BooleanField(_("in line"), default=False, editable=False)
    least = models.PositiveSmallIntegerField(_("fewest places it would take now"), default=1, editable=False)
    short_notice = models.BooleanField(_("can come at short notice"), default=False, editable=False)
    # Chosen while ``Party.first_call_until`` was ahead; who chose in time stands ahead in this line from then on. Who
    # lets an offer lapse stands at the end without; while its first call lasts it may use it here again.
    first_call = models.BooleanField(_("has first call"), default=False, editable=False)

    objects = BookingQuerySet.as_manager()

    class Meta:
        verbose_name = _("booking")
        verbose_name_plural = _("bookings")
        permissions = [("use_roster", _("Can read the roster and check parties in"))]
        constraints = [
            models.CheckConstraint(
                name="booking_deadline_iff_offered",
                condition=Q(status=BookingStatus.OFFERED, offer_expires_at__isnull=False)
                | (~Q(status=BookingStatus.OFFERED) & Q(offer_expires_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="booking_number_while_waiting",
                condition=~Q(status=BookingStatus.WAITING) | Q(queue_number__isnull=False),
            ),
            models.CheckConstraint(name="booking_has_places", condition=Q(places__gte=1)),
            models.CheckConstraint(
                name="booking_least_within_places", condition=Q(least__gte=1, least__lte=F("places"))
            ),
            models.CheckConstraint(
                name="booking_in_line_while_waiting", condition=Q(in_line=False) | Q(status=BookingStatus.WAITING)
            ),
            models.CheckConstraint(
                name="booking_arrived_within_places", condition=Q(arrived=None) | Q(arrived__lte=F("places"))
            ),
            models.UniqueConstraint(
                fields=["party", "session"],
                condition=Q(status__in=sorted(LIVE)),
                name="booking_one_live_per_party_and_session",
            ),
            models.UniqueConstraint(
                fields=["party"],
                condition=Q(status__in=[BookingStatus.CONFIRMED, BookingStatus.CHECKED_IN]),
                name="booking_one_confirmed_per_party",
            ),
            models.UniqueConstraint(
                fields=["party"], condition=Q(status=BookingStatus.OFFERED), name="booking_one_offer_per_party"
            ),
            models.UniqueConstraint(
                fields=["session", "queue_number"],
                condition=Q(queue_number__isnull=False),
                name="booking_number_once_a_session",
            ),
        ]
        indexes = [
            models.Index(
                fields=["session", "queue_number"], name="booking_waiting", condition=Q(status=BookingStatus.WAITING)
            ),
            models.Index(
                fields=["session", "-first_call", "queue_number"], name="booking_line", condition=Q(in_line=True)
            ),
            models.Index(
                fields=["session", "first_call", "short_notice", "least", "queue_number"],
                name="booking_line_by_size",
                condition=Q(in_line=True),
            ),
            models.Index(
                fields=["offer_expires_at"], name="booking_offers_due", condition=Q(status=BookingStatus.OFFERED)
            ),
            models.Index(fields=["session", "status"], name="booking_by_session_and_status"),
        ]

    def __str__(self) -> str:
        return f"{self.party.code_in_words}, {self.session}"

    @property
    def holds_places(self) -> bool:
        return self.status in HOLDS_PLACES

    @property
    def is_too_large(self) -> bool:
        """Whether the session gives out fewer places at all than the party would come with."""
        return self.least > self.session.sell_limit

    def offer_has_run_out(self, now: datetime) -> bool:
        """Never both taken and lapsed: taking asks for now < deadline, lapsing for the opposite."""
        return self.offer_expires_at is not None and now >= self.offer_expires_at

    def move_to(
        self,
        status: BookingStatus,
        *,
        now: datetime,
        who: str,
        why: str = "",
        offer_expires_at: datetime | None = None,
        offer_source: OfferSource | None = None,
        queue_number: int | None = None,
        places: int | None = None,
        least: int | None = None,
        arrived: int | None = None,
        party_goes_on: bool = False,
        waits_elsewhere: bool = True,
    ) -> None:
        """The door for a change of status: the row, the session's ledger and the event, together or not at all.

        The caller holds the locks of the session and the party. Raises BookingMoved if the row is no longer as read,
        and IntegrityError if the ledger would run over; then the caller's transaction is to be taken back as well.
        ``queue_number`` is given when a party joins the line anew, ``places`` when it is offered fewer than its size or
        waits for all of them again, ``party_goes_on`` when another booking follows in the same transaction, and
        ``waits_elsewhere`` is false where the caller has seen that the party waits in no other line.
        """
        before = BookingStatus(self.status)
        if status not in NEXT_STATUSES.get(before, frozenset()):
            raise BookingMoved(f"booking {self.pk}: {before} cannot become {status}")
        changes: dict[str, object] = {"status": status, "status_since": now, "offer_expires_at": offer_expires_at}
        if offer_source is not None:
            changes["offer_source"] = offer_source
        if queue_number is not None:
            changes["queue_number"] = queue_number
        if least is not None:
            changes["least"] = least
        changes["places"] = self.places if places is None else places
        changes["in_line"] = status == BookingStatus.WAITING and self.party.is_proven
        changes["arrived"] = arrived
        with transaction.atomic(savepoint=False):
            if _moved(*changes, pk=self.pk, before=before, **changes) != 1:
                raise BookingMoved(f"booking {self.pk} is no longer {before}")
            self._write_ledger(before, status, places=self.places if places is None else places)
            if waits_elsewhere and BookingStatus.OFFERED in {before, status}:
                self._write_other_lines(is_offered=status == BookingStatus.OFFERED)
            BookingEvent.objects.create(
                booking=self, from_status=before, to_status=status, happened_at=now, who=who, why=why
            )
            if (
                status in ENDED
                and not party_goes_on
                and not Booking.objects.live().filter(party=self.party_id).exists()
            ):
                Party.objects.filter(pk=self.party_id, ended_at=None, first_call_until=None).update(ended_at=now)
        for name, value in changes.items():
            setattr(self, name, value)

    def _write_other_lines(self, *, is_offered: bool) -> None:
        """While a party holds an offer it stands in none of its lines."""
        _others_written(party=self.party_id, pk=self.pk, in_line=self.party.is_proven and not is_offered)

    def _write_ledger(self, before: BookingStatus, after: BookingStatus, *, places: int) -> None:
        """``places`` are those of the booking from now on; ``self`` is still as before."""
        places_held = (places if after in HOLDS_PLACES else 0) - (self.places if before in HOLDS_PLACES else 0)
        held = int(after in HOLDS_PLACES) - int(before in HOLDS_PLACES)
        offered = int(after == BookingStatus.OFFERED) - int(before == BookingStatus.OFFERED)
        waiting = int(after == BookingStatus.WAITING) - int(before == BookingStatus.WAITING)
        if not self.party.is_proven:
            waiting = 0
        from_line = int(before == BookingStatus.WAITING and after == BookingStatus.OFFERED)
        if held or offered or waiting:
            _counted(
                pk=self.session_id,
                places_held=places_held,
                offers_made=from_line,
                parties_held=held,
                parties_offered=offered,
                parties_waiting=waiting,
            )


@compiled
def _first_in_line() -> models.QuerySet[Booking]:
    return Booking.objects.in_line().filter(session=Given("session")).select_related("party")[:1]


@compiled
def _still_in_line() -> models.QuerySet[Booking]:
    return Booking.objects.filter(pk=Given("pk"), in_line=True).only("pk")


@compiled_update
def _others_written() -> tuple[models.QuerySet[Booking], dict[str, Any]]:
    others = Booking.objects.filter(party=Given("party"), status=BookingStatus.WAITING).exclude(pk=Given("pk"))
    return others, {"in_line": Given("in_line")}


@compiled_update
def _moved(*columns: str) -> tuple[models.QuerySet[Booking], dict[str, Any]]:
    return Booking.objects.filter(pk=Given("pk"), status=Given("before")), {name: Given(name) for name in columns}


@compiled_update
def _counted() -> tuple[models.QuerySet[TourSession], dict[str, Any]]:
    counts = ("places_held", "offers_made", "parties_held", "parties_offered", "parties_waiting")
    added = {name: F(name) + Given(name, models.IntegerField()) for name in counts}
    return TourSession.objects.filter(pk=Given("pk")), added


class SwapWish(models.Model):
    """A confirmed party would exchange its places for as many in another session; two wishes that meet are a yes."""

    booking = models.ForeignKey(
        Booking, on_delete=models.CASCADE, related_name="swap_wishes", verbose_name=_("booking")
    )
    wanted = models.ForeignKey(
        TourSession, on_delete=models.CASCADE, related_name="swap_wishes", verbose_name=_("session wanted")
    )
    made_at = models.DateTimeField(_("since"))

    class Meta:
        verbose_name = _("wish to swap")
        verbose_name_plural = _("wishes to swap")
        constraints = [models.UniqueConstraint(fields=["booking", "wanted"], name="swap_wish_once")]
        indexes = [models.Index(fields=["wanted", "made_at"], name="swap_wish_oldest")]

    def __str__(self) -> str:
        return f"{self.booking_id} → {self.wanted_id}"


class BookingEvent(models.Model):
    """Append-only: each passage of a booking. ``who`` is "party", "clock", "line" or "host:<login>"."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="events", verbose_name=_("booking"))
    from_status = models.CharField(_("from"), max_length=12, choices=BookingStatus.choices, blank=True)
    to_status = models.CharField(_("to"), max_length=12, choices=BookingStatus.choices)
    happened_at = models.DateTimeField(_("when"))
    who = models.CharField(_("who"), max_length=160)
    why = models.CharField(_("why"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["happened_at", "pk"]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"


class DecisionTrigger(models.TextChoices):
    """What made a line be served."""

    CANCELLED = "cancelled", _("a party cancelled")
    FEWER = "fewer", _("a party comes with fewer")
    DECLINED = "declined", _("an offer was refused")
    LAPSED = "lapsed", _("an offer lapsed")
    LEFT = "left", _("a party left the line")
    JOINED = "joined", _("a party joined the line")
    MOVED = "moved", _("a party moved to another session")
    RECALLED = "recalled", _("offers were recalled")
    CAPACITY = "capacity", _("the capacity changed")
    SIGN_UP = "sign-up", _("a new party asked")
    FIRST_CALL = "first call", _("a first call was used, or is over")
    SCAN = "scan", _("the regular scan")


class DecisionReason(models.TextChoices):
    """Why the serving stopped."""

    OFFERED = "offered", _("offered to the next party")
    FULL = "full", _("nothing is free")
    SAVED = "saved", _("saved for the first in line until its size is free")
    KEPT = "kept", _("kept for parties whose session was called off")
    NOBODY = "nobody", _("nobody waits")
    NO_FIT = "no fit", _("nobody in line fits")
    TOO_LATE = "too late", _("too little time is left before the roster locks")
    NOT_OPEN = "not open", _("the session takes nobody now")


class Decision(models.Model):
    """Append-only: one serving of a line, so that no place stays free and nobody is passed over without a reason."""

    session = models.ForeignKey(
        TourSession, on_delete=models.CASCADE, related_name="decisions", verbose_name=_("session")
    )
    decided_at = models.DateTimeField(_("when"))
    trigger = models.CharField(_("trigger"), max_length=12, choices=DecisionTrigger.choices)
    places_free = models.PositiveIntegerField(_("places free"))
    parties_free = models.PositiveIntegerField(_("parties free"))
    offered_to = models.ForeignKey(
        Booking, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("offered to")
    )
    saved_for = models.ForeignKey(
        Booking, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("saved for")
    )
    places = models.PositiveSmallIntegerField(
        _("places"), null=True, blank=True, help_text=_("How many were offered, or are saved.")
    )
    reason = models.CharField(_("reason"), max_length=10, choices=DecisionReason.choices)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["decided_at", "pk"]
        indexes = [models.Index(fields=["session", "-decided_at"], name="decision_latest")]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.reason}"

    def says_the_same(self, other: "Decision") -> bool:
        told = ["places_free", "parties_free", "offered_to_id", "saved_for_id", "places", "reason"]
        return all(getattr(self, name) == getattr(other, name) for name in told)
