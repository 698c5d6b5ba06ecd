"""News of a season, from its hosts to its parties."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from i18nfield.fields import I18nCharField, I18nTextField

from bookings.models.tours import Season


class Announcement(models.Model):
    """Written once for each language and sent once; whom it went to is told by its notices."""

    season = models.ForeignKey(Season, on_delete=models.PROTECT, related_name="announcements", verbose_name=_("season"))
    subject = I18nCharField(_("subject"), max_length=120)
    words = I18nTextField(_("words"), help_text=_("An empty line begins a new paragraph. Parties see it as written."))
    posted_at = models.DateTimeField(_("sent"), null=True, blank=True, editable=False)
    posted_by = models.CharField(_("sent by"), max_length=160, blank=True, editable=False)

    # When the last party was owed its mail: very many are owed in parts, so that nobody's sign-up waits for it.
    owed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("announcement")
        verbose_name_plural = _("announcements")
        constraints = [
            models.CheckConstraint(
                name="announcement_sent_by_somebody",
                condition=Q(posted_at=None, posted_by="") | (Q(posted_at__isnull=False) & ~Q(posted_by="")),
            )
        ]

    def __str__(self) -> str:
        return str(self.subject)
