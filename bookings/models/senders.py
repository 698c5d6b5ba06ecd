"""Who hands mail over, and whether the mail server takes any: shared by all workers, so it stands in rows."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

# A server that takes nothing is tried this often.
PROBE_EVERY = timedelta(minutes=1)


class Sender(models.Model):
    """One slot for handing mail over. Whoever takes it works for a moment and gives it back; a lost one runs out."""

    number = models.PositiveSmallIntegerField(unique=True)
    busy_until = models.DateTimeField(null=True, blank=True)
    # Who has it, as `bookings.outbox.workers` names processes.
    worker = models.CharField(max_length=200, blank=True, db_default="", default="", editable=False)

    class Meta:
        verbose_name = _("sender")
        verbose_name_plural = _("senders")

    def __str__(self) -> str:
        return str(self.number)


class Breaker(models.Model):
    """One row: open while the mail server takes nothing. Then one mail a minute is tried, and the rest wait."""

    opened_at = models.DateTimeField(_("takes nothing since"), null=True, blank=True)
    why = models.CharField(_("why"), max_length=200, blank=True)
    probe_at = models.DateTimeField(_("next try"), null=True, blank=True)
    # Failures in a row that may be the server's, each of another mail than the one before.
    strikes = models.PositiveSmallIntegerField(default=0)
    struck_by = models.PositiveBigIntegerField(null=True, blank=True)
    last_taken_at = models.DateTimeField(_("last took a mail"), null=True, blank=True)

    class Meta:
        verbose_name = _("mail server")
        verbose_name_plural = _("mail server")
        constraints = [
            models.CheckConstraint(name="breaker_is_one_row", condition=Q(pk=1)),
            models.CheckConstraint(
                name="breaker_open_has_a_next_try", condition=Q(opened_at=None) | Q(probe_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.why or "closed"

    @classmethod
    def now_standing(cls) -> Self:
        """The row, made where it is missing."""
        return cls.objects.filter(pk=1).first() or cls.objects.get_or_create(pk=1)[0]

    def may_be_tried(self, now: datetime) -> bool:
        """A time of the next try that is far ahead is of a clock that has been put back since."""
        return self.opened_at is None or self.probe_at is None or not now < self.probe_at <= now + 2 * PROBE_EVERY

    @classmethod
    def take_try(cls, now: datetime) -> bool:
        """``may_be_tried`` for one of many: true for whoever moves the next try on."""
        is_due = Q(probe_at__lte=now) | Q(probe_at__gt=now + 2 * PROBE_EVERY)
        tries = cls.objects.filter(is_due, pk=1, opened_at__isnull=False)
        return bool(tries.update(probe_at=now + PROBE_EVERY))
