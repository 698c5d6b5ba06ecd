"""The people who come together. All personal data of the house lives here."""

import contextlib
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from bookings.models.compiled import Given, compiled
from bookings.models.tours import Season

# No vowels and no look-alikes: a code is read aloud at a gate and spells no word.
CODE_ALPHABET = "23456789BCDFGHJKMNPQRTVWXYZ"
CODE_LENGTH = 8


# What is known of an address, and of whoever reads there, besides the address.
OF_THE_ADDRESS = ("mail_failed_at", "mail_failure", "complained_at", "wants_no_news_at")


def new_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def person_key(email: str) -> str:
    """A keyed hash by which the house knows an address again without keeping it.

    NFKC, lower case, IDNA domain, quotes and ``+tag`` dropped, nothing else: dots and the like are the mailbox owner's
    business. Of a name in quotes each sign may have a backslash before it that means nothing (RFC 5321, 4.1.2).
    """
    local, _at, domain = unicodedata.normalize("NFKC", email).strip().lower().rpartition("@")
    if len(local) > 2 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    with contextlib.suppress(UnicodeError):  # No host name any resolver takes is still the same text the next time.
        domain = domain.encode("idna").decode("ascii")
    address = f"{local.partition('+')[0] or local}@{domain}"
    return hmac.new(settings.PERSON_KEY.encode(), address.encode(), hashlib.sha256).hexdigest()


class PartyQuerySet(models.QuerySet["Party"]):
    def live(self) -> Self:
        return self.filter(ended_at=None)

    def wanting_news(self) -> Self:
        """Who may be sent what no visit depends on: parties that still come or wait, whose mailbox is proven and takes
        mail, and of whose person no party has asked for silence, in whatever season."""
        silent = Party.objects.filter(person_key=OuterRef("person_key"), wants_no_news_at__isnull=False)
        reached = self.live().filter(mailbox_proven_at__isnull=False, erased_at=None, mail_failed_at=None)
        return reached.exclude(email="").exclude(Exists(silent))

    def lock(self, pk: int, *, row_alone: bool = False) -> "Party":
        """Lock the party, after its sessions and before its bookings; with ``row_alone`` without season and tour."""
        for party in _locked(row_alone, pk=pk):
            return party
        raise self.model.DoesNotExist

    def lock_all(self) -> list[int]:
        """Lock every party asked for, in primary-key order, in one statement."""
        locked = self.order_by("pk").select_for_update(no_key=True, of=("self",))
        return list(locked.values_list("pk", flat=True))


class Party(models.Model):
    season = models.ForeignKey(Season, on_delete=models.PROTECT, related_name="parties", verbose_name=_("season"))
    code = models.CharField(_("code"), max_length=CODE_LENGTH, unique=True, default=new_code, editable=False)
    link_version = models.PositiveIntegerField(default=1, editable=False)
    submission_key = models.UUIDField(unique=True, editable=False)
    person_key = models.CharField(max_length=64, null=True, blank=True, editable=False, db_index=True)  # noqa: DJ001
    lead_name = models.CharField(_("lead"), max_length=120, blank=True)
    lead_age_from = models.PositiveSmallIntegerField(_("lead's age from"), default=18)
    lead_age_to = models.PositiveSmallIntegerField(_("lead's age to"), null=True, blank=True)
    email = models.EmailField(_("email"), blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    language = models.CharField(_("language"), max_length=12, choices=settings.LANGUAGES)
    size = models.PositiveSmallIntegerField(_("people"), validators=[MinValueValidator(1)])
    smallest_size = models.PositiveSmallIntegerField(_("smallest size"), validators=[MinValueValidator(1)])
    short_notice = models.BooleanField(_("can come at short notice"), default=False)
    access_needs = models.TextField(_("what to prepare"), max_length=500, blank=True)
    consents = models.JSONField(_("consents given"), default=list, blank=True)
    asked_at = models.DateTimeField(_("asked"))
    prove_by = models.DateTimeField(_("mailbox to be proven by"), null=True, blank=True)
    mailbox_proven_at = models.DateTimeField(_("mailbox proven"), null=True, blank=True)
    lapses = models.PositiveSmallIntegerField(_("offers lapsed"), default=0)
    calendar_sequence = models.PositiveIntegerField(default=0, editable=False)
    first_call_until = models.DateTimeField(_("has first call until"), null=True, blank=True)
    # What is known of the address by reports of mail servers; a new address begins without.
    mail_failed_at = models.DateTimeField(_("mail did not arrive"), null=True, blank=True)
    mail_failure = models.CharField(_("as the mail server put it"), max_length=40, blank=True)
    # What the person said of our mail; it holds also where the address is spelt otherwise.
    complained_at = models.DateTimeField(_("called our mail unwanted"), null=True, blank=True)
    wants_no_news_at = models.DateTimeField(_("wants no announcements"), null=True, blank=True)
    # Which of the few holds of its network it uses until its mailbox is proven: see bookings.domain.holds.
    network_hold = models.CharField(max_length=80, null=True, blank=True, editable=False)  # noqa: DJ001
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True)

    objects = PartyQuerySet.as_manager()

    class Meta:
        verbose_name = _("party")
        verbose_name_plural = _("parties")
        constraints = [
            models.UniqueConstraint(
                fields=["season", "person_key"], condition=Q(ended_at=None), name="party_one_live_per_season_and_person"
            ),
            # What keeps the holds of a network within their number, however many ask at the same moment.
            models.UniqueConstraint(
                fields=["network_hold"],
                condition=Q(mailbox_proven_at=None, ended_at=None),
                name="party_one_unproven_for_each_hold",
            ),
            models.CheckConstraint(
                name="party_size_range", condition=Q(smallest_size__gte=1, smallest_size__lte=F("size"))
            ),
        ]
        indexes = [
            models.Index(
                fields=["prove_by"], name="party_to_be_proven", condition=Q(mailbox_proven_at=None, ended_at=None)
            ),
            models.Index(fields=["ended_at"], name="party_to_be_erased", condition=Q(erased_at=None)),
            models.Index(
                fields=["season", "first_call_until"],
                name="party_with_first_call",
                condition=Q(first_call_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.code_in_words

    @property
    def code_in_words(self) -> str:
        """The code as people read it: K7QM-2XPD."""
        return f"{self.code[:4]}-{self.code[4:]}"

    @property
    def link_token(self) -> str:
        """What makes the link in the party's mails unguessable; recomputed to check, so nothing secret is stored."""
        return salted_hmac("bookings.party.link", f"{self.code}:{self.link_version}", algorithm="sha256").hexdigest()[
            :43
        ]

    def link_token_is(self, token: str) -> bool:
        return constant_time_compare(token, self.link_token)

    @property
    def stop_token(self) -> str:
        """What makes the address that ends announcements unguessable. It travels through mail servers: it opens
        nothing else, and it goes on when links are ended, for as long as the person is known."""
        return salted_hmac("bookings.party.stop", f"{self.code}:{self.person_key}", algorithm="sha256").hexdigest()[:43]

    def stop_token_is(self, token: str) -> bool:
        return self.person_key is not None and constant_time_compare(token, self.stop_token)

    @property
    def is_proven(self) -> bool:
        return self.mailbox_proven_at is not None

    def know_nothing_of_the_address(self, *, is_same_person: bool) -> None:
        """Of a new one nothing is known yet; what a person said of our mail stays where only the spelling is another.
        The caller saves ``OF_THE_ADDRESS``."""
        self.mail_failed_at, self.mail_failure = None, ""
        if not is_same_person:
            self.complained_at = self.wants_no_news_at = None

    def raise_calendar_sequence(self) -> None:
        """The next calendar entry of this party replaces the one it has."""
        self.calendar_sequence += 1
        self.save(update_fields=["calendar_sequence"])

    def prove(self, *, now: datetime) -> None:
        self.mailbox_proven_at, self.network_hold = now, None
        self.save(update_fields=["mailbox_proven_at", "network_hold"])

    def use_first_call(self) -> None:
        """It has places again: what it was promised for those that were called off is kept."""
        if self.first_call_until:
            self.first_call_until = None
            self.save(update_fields=["first_call_until"])

    def people(self, members: "Iterable[Member] | None" = None) -> list[tuple[str, int, int | None]]:
        """Name and age band of everybody, the lead first. ``members`` where they were read already."""
        if members is None:
            members = self.members.all() if self.size > 1 else []
        companions = [(member.name, member.age_from, member.age_to) for member in members]
        return [(self.lead_name, self.lead_age_from, self.lead_age_to), *companions]


class Member(models.Model):
    """One named person who comes with the lead. Asked as an age on the day of the visit; no birth dates."""

    party = models.ForeignKey(Party, on_delete=models.CASCADE, related_name="members", verbose_name=_("party"))
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=120, blank=True)
    age_from = models.PositiveSmallIntegerField(_("age from"))
    age_to = models.PositiveSmallIntegerField(_("age to"), null=True, blank=True)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["party", "position"]
        constraints = [models.UniqueConstraint(fields=["party", "position"], name="member_position_once_a_party")]

    def __str__(self) -> str:
        return f"{self.party_id}/{self.position}"


@compiled
def parties_of_code() -> models.QuerySet[Party]:
    """One or none. Given: ``code``."""
    return Party.objects.filter(code=Given("code")).order_by()


@compiled
def _locked(row_alone: bool) -> models.QuerySet[Party]:
    locked = Party.objects.select_for_update(no_key=True, of=("self",)).filter(pk=Given("pk"))
    return locked if row_alone else locked.select_related("season__tour")
