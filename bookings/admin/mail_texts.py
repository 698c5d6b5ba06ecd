"""Words that hosts write into the mails of a season: checked on saving, shown with real data, tried on oneself."""

import logging
import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.mime.image import MIMEImage
from typing import Any

from csp.constants import SELF
from csp.decorators import csp, csp_update
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMultiAlternatives
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone, translation
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.clickjacking import xframe_options_sameorigin

from bookings import outbox
from bookings.admin.reading import MAIL_POLICY, with_pictures, without_secret
from bookings.emails import build
from bookings.emails.own_words import faults_of_subject, faults_of_words, filled_with_samples, placeholders_of
from bookings.models import Booking, BookingStatus, MailText, Notice, NoticeKind

logger = logging.getLogger(__name__)

TESTS_AN_HOUR = 10
HOUR = timedelta(hours=1)
# How the history names a test; by it they are counted.
TEST_MAIL = gettext_noop("test mail")

# With which booking a mail is shown that nobody has had yet.
FITTING = {
    NoticeKind.PROVE: BookingStatus.OFFERED,
    NoticeKind.OFFER: BookingStatus.OFFERED,
    NoticeKind.IN_LINE: BookingStatus.WAITING,
    NoticeKind.RECALLED: BookingStatus.WAITING,
    NoticeKind.OFFER_LAPSED: BookingStatus.WAITING,
    NoticeKind.CANCELLED: BookingStatus.CANCELLED,
    NoticeKind.CALLED_OFF: BookingStatus.CALLED_OFF,
    NoticeKind.LINE_CLOSED: BookingStatus.CLOSED,
}


class MailTextForm(forms.ModelForm):
    class Meta:
        model = MailText
        fields = ["season", "kind", "language", "subject", "words", "in_use"]
        widgets = {
            "subject": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "words": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 12}),
        }
        help_texts = {
            "subject": gettext_lazy("One line. Empty: the usual subject."),
            "words": gettext_lazy(
                "They stand between the first lines of the mail and its facts; an empty line begins a new paragraph. "
                "Empty: the usual words. Button, facts and foot stay as they are."
            ),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind = cleaned.get("kind") or self.instance.kind
        if kind:
            for field, faults_of in (("subject", faults_of_subject), ("words", faults_of_words)):
                for fault in faults_of(cleaned.get(field) or "", kind):
                    self.add_error(field, fault)
        return cleaned


@dataclass(frozen=True)
class Shown:
    """The mail as a host sees it, without the party's secret; with invented data where nobody fits."""

    subject: str
    text: str
    html: str
    pictures: list[MIMEImage]
    html_as_sent: str
    is_invented: bool


@admin.register(MailText)
class MailTextAdmin(admin.ModelAdmin):
    form = MailTextForm
    list_display = ["kind", "language", "in_use", "season", "changed_at", "changed_by"]
    list_filter = ["in_use", "season", "kind", "language"]
    list_select_related = ["season"]
    readonly_fields = ["placeholders", "changed_at", "changed_by"]
    fields = ["season", "kind", "language", "subject", "words", "in_use", "placeholders", "changed_at", "changed_by"]
    change_form_template = "admin/bookings/mailtext/change_form.html"

    def get_readonly_fields(self, request: HttpRequest, obj: MailText | None = None) -> list[str]:
        """A text stays what it is for."""
        return [*self.readonly_fields, *(["season", "kind", "language"] if obj else [])]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/preview/", view(self.preview), name="bookings_mailtext_preview"),
            path("<int:pk>/preview/html/", view(self.preview_html), name="bookings_mailtext_html"),
            path("<int:pk>/test/", view(self.send_test), name="bookings_mailtext_test"),
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MailText]:
        return super().get_queryset(request).select_related("season")

    def save_model(self, request: HttpRequest, obj: MailText, form: Any, change: bool) -> None:
        obj.changed_at, obj.changed_by = timezone.now(), request.user.get_username()
        super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("placeholders"))
    def placeholders(self, text: MailText) -> SafeString:
        if text._state.adding:
            names = {name: one for kind in NoticeKind for name, one in placeholders_of(kind).items()}
            note = _("Not every mail has them all; saving tells which are missing or too many.")
        else:
            names, note = placeholders_of(text.kind), ""
        rows = (("{" + name + "}", one.means, one.sample) for name, one in names.items())
        shown = format_html_join("", "<div><dt><code>{}</code></dt><dd>{} · <i>{}</i></dd></div>", rows)
        return format_html('<dl class="placeholders">{}</dl><p class="help">{}</p>', shown, note)

    @method_decorator(csp_update({"frame-src": [SELF]}))
    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        text = self._readable(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("How the mail reads"),
            "opts": self.opts,
            "text": text,
            "shown": shown(text, now=timezone.now()),
            "html_url": reverse("admin:bookings_mailtext_html", args=[pk]),
            "may_test": self.has_change_permission(request, text),
        }
        return TemplateResponse(request, "admin/bookings/mailtext/preview.html", context)

    @method_decorator([xframe_options_sameorigin, csp(MAIL_POLICY)])
    def preview_html(self, request: HttpRequest, pk: int) -> HttpResponse:
        return HttpResponse(shown(self._readable(request, pk), now=timezone.now()).html)

    def send_test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """To whoever presses, and to nobody else: the address is that of the account."""
        text = self._readable(request, pk)
        if not self.has_change_permission(request, text):
            raise PermissionDenied
        now = timezone.now()
        if request.method != "POST":
            pass  # An address that was opened sends nothing.
        elif refusal := self._no_test_now(request, now=now):
            self.message_user(request, refusal, messages.ERROR)
        else:
            self._send_test(request, text, now=now)
        return HttpResponseRedirect(reverse("admin:bookings_mailtext_preview", args=[pk]))

    def _no_test_now(self, request: HttpRequest, *, now: datetime) -> str:
        if not getattr(request.user, "email", ""):
            return _("Your account has no email address; whoever manages the accounts can add it.")
        sent = LogEntry.objects.filter(
            user=request.user.pk,
            content_type=ContentType.objects.get_for_model(MailText),
            action_time__gt=now - HOUR,
            change_message__contains=f'"{TEST_MAIL}"',
        )
        if sent.count() >= TESTS_AN_HOUR:
            return _("%(n)d tests in an hour are enough. Try again later.") % {"n": TESTS_AN_HOUR}
        if not outbox.mails_allowed(1, now=now):
            return _("The mail server takes nothing now. Try again later.")
        return ""

    def _send_test(self, request: HttpRequest, text: MailText, *, now: datetime) -> None:
        address = str(getattr(request.user, "email", ""))
        # Counted before it leaves: a server that takes it and does not say so has taken it.
        self.log_addition(request, text, [{"added": {"name": TEST_MAIL, "object": address}}])
        try:
            test_of(text, to=address, now=now).send()
        except (OSError, smtplib.SMTPException) as error:
            logger.warning("The test of mail text %s failed: %s", text.pk, type(error).__name__)
            self.message_user(request, _("The mail server did not take the test. Try again later."), messages.ERROR)
        else:
            outbox.took_mail(now=now)
            told = _("The test is on its way to %(address)s.") % {"address": address}
            self.message_user(request, told, messages.SUCCESS)

    def _readable(self, request: HttpRequest, pk: int) -> MailText:
        text: MailText | None = self.get_object(request, str(pk))
        if text is None:
            raise Http404
        # It shows the data of a party.
        if not (self.has_view_permission(request, text) and request.user.has_perm("bookings.view_notice")):
            raise PermissionDenied
        return text


def shown(text: MailText, *, now: datetime) -> Shown:
    """The mail with this text, whether in use or not, as the newest party would read it that fits."""
    notice = _example(text, now=now)
    with translation.override(text.language):
        if notice is None:
            subject = filled_with_samples(text.subject, text.kind) or _("(the usual subject)")
            words = filled_with_samples(text.words, text.kind) or _("(the usual words of this mail)")
            return Shown(" ".join(subject.split()), words, "", [], "", is_invented=True)
        message = build(notice, now=now, tried=text)
        html = str(message.alternatives[0][0])
        return Shown(
            subject=str(message.subject),
            text=without_secret(str(message.body), notice),
            html=without_secret(with_pictures(message), notice),
            pictures=[one for one in message.attachments if isinstance(one, MIMEImage)],
            html_as_sent=without_secret(html, notice),
            is_invented=False,
        )


def test_of(text: MailText, *, to: str, now: datetime) -> EmailMultiAlternatives:
    """The mail as in the preview, to a host: without the party's link and without its calendar entry."""
    mail = shown(text, now=now)
    with translation.override(text.language):
        subject = _("Test: %(subject)s") % {"subject": mail.subject}
    message = EmailMultiAlternatives(
        subject, mail.text, settings.MAIL_FROM, [to], headers={"Auto-Submitted": "auto-generated"}
    )
    if mail.html_as_sent:
        message.attach_alternative(mail.html_as_sent, "text/html")
    for picture in mail.pictures:
        message.attach(picture)
    return message


def _example(text: MailText, *, now: datetime) -> Notice | None:
    """A mail of this kind that a party of the season had, or one that the newest fitting party could get."""
    had = Notice.objects.filter(kind=text.kind, party__season=text.season_id, party__erased_at=None)
    had = had.exclude(party__email="").select_related(
        "party__season__tour", "booking__session__venue", "booking__session__season__tour"
    )
    in_language = had.filter(party__language=text.language)
    notice = in_language.order_by("-pk").first() or had.order_by("-pk").first() or _could_be(text, now=now)
    if notice:
        notice.party.language = text.language  # For this page alone; nothing is saved.
    return notice


def _could_be(text: MailText, *, now: datetime) -> Notice | None:
    status = FITTING.get(NoticeKind(text.kind), BookingStatus.CONFIRMED)
    bookings = Booking.objects.filter(party__season=text.season_id, party__erased_at=None, status=status)
    booking = (
        bookings.exclude(party__email="")
        .select_related("party__season__tour", "session__venue", "session__season__tour")
        .order_by("-pk")
        .first()
    )
    if booking is None:
        return None
    start = booking.session.starts_at.isoformat()
    facts = {NoticeKind.CHANGED: {"names": True}, NoticeKind.SWAPPED: {"starts_at": start}}
    return Notice(
        pk=0,
        kind=text.kind,
        party=booking.party,
        booking=booking,
        facts=facts.get(NoticeKind(text.kind), {}),
        created_at=now,
        next_attempt_at=now,
        expires_at=booking.offer_expires_at,
    )
