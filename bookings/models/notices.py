"""One email owed to one party is one row; its text is built when it is sent."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bookings.models.bookings import Booking
from bookings.models.parties import Party


class NoticeKind(models.TextChoices):
    PROVE = "prove", _("prove your mailbox")
    IN_LINE = "in_line", _("you are in line")
    CONFIRMED = "confirmed", _("confirmed")
    OFFER = "offer", _("offer")
    OFFER_LAPSED = "offer_lapsed", _("offer lapsed")
    ALREADY_IN = "already_in", _("already in")
    LINK = "link", _("your link again")
    REMINDER = "reminder", _("reminder")
    STILL_COMING = "still_coming", _("still coming?")
    CHANGED = "changed", _("changed")
    CANCELLED = "cancelled", _("cancelled")
    CALLED_OFF = "called_off", _("called off")
    RECALLED = "recalled", _("offer recalled")
    SWAPPED = "swapped", _("swapped")
    LINE_CLOSED = "line_closed", _("the line has closed")
    ANNOUNCEMENT = "announcement", _("announcement")


# Kinds that can reach a mailbox nobody has proven: capped an address, see outbox.
UNPROVEN_KINDS = frozenset({NoticeKind.PROVE, NoticeKind.IN_LINE, NoticeKind.ALREADY_IN, NoticeKind.LINK})


# Kinds that may bring a calendar entry of the party, or take it away: they leave one after the other, see outbox.order.
CALENDAR_KINDS = frozenset(
    {NoticeKind.CONFIRMED, NoticeKind.SWAPPED, NoticeKind.CHANGED, NoticeKind.CANCELLED, NoticeKind.CALLED_OFF}
)


class Lane(models.IntegerChoices):
    """What goes first: a place that is held for minutes before one held for hours before news before reminders
    before announcements."""

    PROOF = 0, _("proof of held places")
    OFFER = 1, _("offers and links")
    NEWS = 2, _("confirmations and changes")
    REMINDER = 3, _("reminders")
    ANNOUNCEMENT = 4, _("announcements")


LANES: dict[NoticeKind, Lane] = {
    NoticeKind.PROVE: Lane.PROOF,
    NoticeKind.IN_LINE: Lane.OFFER,
    NoticeKind.OFFER: Lane.OFFER,
    NoticeKind.LINK: Lane.OFFER,
    NoticeKind.CONFIRMED: Lane.NEWS,
    NoticeKind.OFFER_LAPSED: Lane.NEWS,
    NoticeKind.ALREADY_IN: Lane.NEWS,
    NoticeKind.CHANGED: Lane.NEWS,
    NoticeKind.CANCELLED: Lane.NEWS,
    NoticeKind.CALLED_OFF: Lane.NEWS,
    NoticeKind.RECALLED: Lane.NEWS,
    NoticeKind.SWAPPED: Lane.NEWS,
    NoticeKind.LINE_CLOSED: Lane.NEWS,
    NoticeKind.REMINDER: Lane.REMINDER,
    NoticeKind.STILL_COMING: Lane.REMINDER,
    NoticeKind.ANNOUNCEMENT: Lane.ANNOUNCEMENT,
}


class NoticeStatus(models.TextChoices):
    QUEUED = "queued", _("waiting to be sent")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("handed over")
    UNKNOWN = "unknown", _("perhaps handed over")
    BOUNCED = "bounced", _("refused for this address")
    EXPIRED = "expired", _("too late, not sent")
    VOID = "void", _("no longer true, not sent")
    DEAD = "dead", _("set aside after many tries")


class SpeltOut(models.Func):
    """A word of ours that stands in the statement itself: SQLite takes a partial index only for words it can compare,
    not for parameters."""

    template = "'%(word)s'"
    arity = 0
    output_field = models.CharField()

    def __init__(self, word: NoticeKind | NoticeStatus) -> None:
        super().__init__(word=word.value)


# As the indexes `notice_owed` and `notice_unproven_begun` say it, word for word.
OWED = Q(status__in=[SpeltOut(NoticeStatus.QUEUED), SpeltOut(NoticeStatus.SENDING)])
OF_UNPROVEN_KIND = Q(kind__in=[SpeltOut(kind) for kind in sorted(UNPROVEN_KINDS)])


class NoticeQuerySet(models.QuerySet["Notice"]):
    def due(self, now: datetime | models.Expression) -> Self:
        """What can be claimed now, the most urgent first; a lease that ran out counts as not claimed.

        Of one lane this is a range of an index, whatever waits for later: a claim's ``next_attempt_at`` is its lease.
        """
        return self.unsettled().filter(next_attempt_at__lte=now).order_by("lane", "next_attempt_at", "pk")

    def unsettled(self) -> Self:
        return self.filter(OWED)

    def resting_for_the_server(self) -> Self:
        return self.filter(rests_for_server=True)


class Notice(models.Model):
    kind = models.CharField(_("kind"), max_length=14, choices=NoticeKind.choices)
    party = models.ForeignKey(Party, on_delete=models.CASCADE, related_name="notices", verbose_name=_("party"))
    booking = models.ForeignKey(
        Booking, null=True, blank=True, on_delete=models.CASCADE, related_name="notices", verbose_name=_("booking")
    )
    dedupe_key = models.CharField(max_length=120, unique=True, editable=False)
    lane = models.PositiveSmallIntegerField(_("lane"), choices=Lane.choices)
    # Of a calendar kind: the number of the party's entry when the mail was owed. The mail itself tells the present.
    calendar_sequence = models.PositiveIntegerField(null=True, blank=True, editable=False)
    facts = models.JSONField(_("facts"), default=dict, blank=True, help_text=_("Never personal data."))
    status = models.CharField(_("status"), max_length=10, choices=NoticeStatus.choices, default=NoticeStatus.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("tries"), default=0)
    created_at = models.DateTimeField(_("owed since"))
    next_attempt_at = models.DateTimeField(_("next try"))
    expires_at = models.DateTimeField(_("useless after"), null=True, blank=True)
    lease_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    # Since when it may have left: the server was asked to take the text, and has not clearly refused it.
    begun_at = models.DateTimeField(_("begun"), null=True, blank=True, editable=False)
    times_begun = models.PositiveSmallIntegerField(default=0, editable=False)
    # It was tried while the server took nothing, and rests, uncharged; see outbox.breaker.
    rests_for_server = models.BooleanField(default=False, db_default=False, editable=False)
    sent_at = models.DateTimeField(_("handed over"), null=True, blank=True)
    # When another mail server told that this mail did not arrive, or was called unwanted.
    reported_at = models.DateTimeField(_("reported back"), null=True, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            models.CheckConstraint(
                name="notice_lease_iff_sending",
                condition=Q(status=NoticeStatus.SENDING, lease_until__isnull=False)
                | (~Q(status=NoticeStatus.SENDING) & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="notice_sent_has_a_time", condition=~Q(status=NoticeStatus.SENT) | Q(sent_at__isnull=False)
            ),
        ]
        indexes = [
            models.Index(
                # With the key: all mails of a reminder share one moment, and are not to be sorted for every twenty.
                fields=["lane", "next_attempt_at", "id"],
                name="notice_owed",
                condition=Q(status__in=["queued", "sending"]),
            ),
            models.Index(fields=["party", "-created_at"], name="notice_of_party"),
            # What the hosts' page of mails counts: read from these alone, never from the rows.
            models.Index(fields=["party", "status"], name="notice_state"),
            models.Index(fields=["sent_at", "party"], name="notice_handed_over", condition=Q(sent_at__isnull=False)),
            models.Index(fields=["id"], name="notice_rests_for_server", condition=Q(rests_for_server=True)),
            models.Index(
                fields=["begun_at"], name="notice_unproven_begun", condition=Q(kind__in=sorted(UNPROVEN_KINDS))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class Heartbeat(models.Model):
    """When a part of the machinery was last seen alive; read by the banner of the admin site and by health checks."""

    name = models.CharField(max_length=40, unique=True)
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.name
