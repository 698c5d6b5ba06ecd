"""What hosts write into the mails of a season in place of ours."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bookings.models.notices import NoticeKind
from bookings.models.tours import Season

LONGEST_SUBJECT = 120
# An announcement is a host's own words already.
HAVE_WORDS_OF_OURS = [(kind.value, kind.label) for kind in NoticeKind if kind != NoticeKind.ANNOUNCEMENT]


class MailText(models.Model):
    """Subject, words or both of one kind of mail in one language; what is left empty stays ours."""

    season = models.ForeignKey(Season, on_delete=models.CASCADE, related_name="mail_texts", verbose_name=_("season"))
    # An announcement is a host's own words already.
    kind = models.CharField(
        _("mail"),
        max_length=14,
        choices=[choice for choice in NoticeKind.choices if choice[0] != NoticeKind.ANNOUNCEMENT],
    )
    language = models.CharField(_("language"), max_length=12, choices=settings.LANGUAGES)
    subject = models.CharField(_("subject"), max_length=LONGEST_SUBJECT, blank=True)
    words = models.TextField(_("words"), max_length=3000, blank=True)
    in_use = models.BooleanField(
        _("in use"), default=False, help_text=_("Mails that leave from now on carry this text. Try it first.")
    )
    changed_at = models.DateTimeField(_("changed"), editable=False)
    changed_by = models.CharField(_("changed by"), max_length=160, editable=False)

    class Meta:
        verbose_name = _("mail text")
        verbose_name_plural = _("mail texts")
        ordering = ["season", "kind", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["season", "kind", "language"],
                name="mail_text_one_a_kind_and_language",
                violation_error_message=_("The season has a text for this mail in this language already."),
            ),
            models.CheckConstraint(
                name="mail_text_says_something",
                condition=~Q(subject="", words=""),
                violation_error_message=_("Write a subject, words, or both."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_language_display()}"
