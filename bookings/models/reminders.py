"""When a season reminds its parties, and how far each reminder has been planned."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from bookings.models.tours import Season, TourSession

MOST_DAYS = 60
MOST_HOURS = 72


class ReminderPlan(models.Model):
    """One reminder of all sessions of a season, in one of three shapes.

    Days alone: at the time of day at which the session starts; days and a time: at that time of day, both by the clock
    at the venue; hours alone: so long before the start, whatever the clock shows.
    """

    season = models.ForeignKey(
        Season, on_delete=models.CASCADE, related_name="reminder_plans", verbose_name=_("season")
    )
    days = models.PositiveSmallIntegerField(
        _("days before"), null=True, blank=True, validators=[MaxValueValidator(MOST_DAYS)]
    )
    at = models.TimeField(
        _("at (venue time)"),
        null=True,
        blank=True,
        help_text=_("Empty: the time of day at which the session starts."),
    )
    hours = models.PositiveSmallIntegerField(
        _("or hours before"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_HOURS)],
    )
    # A reminder that was due before there was a plan for it is nobody's.
    since = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = _("reminder")
        verbose_name_plural = _("reminders")
        constraints = [
            models.CheckConstraint(
                name="reminder_plan_has_one_shape",
                # Said of each column: a comparison with NULL is no refusal.
                condition=Q(days__isnull=False, days__range=(1, MOST_DAYS), at__isnull=True, hours__isnull=True)
                | Q(days__isnull=False, days__range=(0, MOST_DAYS), at__isnull=False, hours__isnull=True)
                | Q(days__isnull=True, at__isnull=True, hours__isnull=False, hours__range=(1, MOST_HOURS)),
                violation_error_message=_(
                    "Write days before, or days before and a time of day, or hours before. A reminder on the day "
                    "itself (0 days before) needs a time of day or hours."
                ),
            ),
            models.UniqueConstraint(
                fields=["season", "days"],
                condition=Q(at__isnull=True, hours__isnull=True),
                name="reminder_plan_days_once",
                violation_error_message=_("This reminder is planned already."),
            ),
            models.UniqueConstraint(
                fields=["season", "days", "at"],
                condition=Q(at__isnull=False),
                name="reminder_plan_time_once",
                violation_error_message=_("This reminder is planned already."),
            ),
            models.UniqueConstraint(
                fields=["season", "hours"],
                condition=Q(hours__isnull=False),
                name="reminder_plan_hours_once",
                violation_error_message=_("This reminder is planned already."),
            ),
        ]

    def __str__(self) -> str:
        if self.hours is not None:
            return ngettext("%(n)d hour before", "%(n)d hours before", self.hours) % {"n": self.hours}
        days = self.days or 0
        if self.at is None:
            return ngettext("%(n)d day before", "%(n)d days before", days) % {"n": days}
        time = f"{self.at:%H:%M}"
        if days == 0:
            return gettext("on the day at %(time)s") % {"time": time}
        told = ngettext("the day before at %(time)s", "%(n)d days before at %(time)s", days)
        return told % {"n": days, "time": time}


class PlannedReminder(models.Model):
    """One reminder of a session at its time, and how far it is planned: what saves the planner from looking again.

    Nothing rests on it but the cost: whoever plans a reminder again finds the notices there by their keys.
    """

    session = models.ForeignKey(TourSession, on_delete=models.CASCADE, related_name="planned_reminders")
    starts_at = models.DateTimeField()
    which = models.CharField(max_length=12)
    planned_at = models.DateTimeField()
    is_complete = models.BooleanField()

    class Meta:
        verbose_name = _("planned reminder")
        verbose_name_plural = _("planned reminders")
        constraints = [
            models.UniqueConstraint(fields=["session", "starts_at", "which"], name="planned_reminder_once"),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} {self.which}"
