"""What is shown and when: the house, its venues and tours, the seasons and their sessions."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from i18nfield.fields import I18nCharField, I18nTextField

from bookings.models.compiled import Given, compiled, compiled_update, given_each

# The last call begins this long before the roster locks: see docs/decisions/0012-a-last-call-of-one-day.md.
LAST_CALL = timedelta(hours=24)
# Languages a guide can speak on a tour. The names are written in the language itself, as visitors look for them.
GUIDE_LANGUAGES = {
    "zh-hans": "中文",
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "ja": "日本語",
    "ko": "한국어",
}


def validate_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(
            _("“%(name)s” is no IANA time zone. Write one like Asia/Shanghai."), code="time_zone", params={"name": name}
        )


class House(models.Model):
    """Who opens the door: one row, named in the head and foot of every page and mail."""

    name = I18nCharField(_("name"))
    strapline = I18nCharField(_("strapline"), blank=True)
    address = I18nCharField(_("address"), blank=True)
    email = models.EmailField(_("email for questions"))
    phone = models.CharField(_("phone for questions"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("house")
        verbose_name_plural = _("house")
        constraints = [models.CheckConstraint(name="house_is_one_row", condition=Q(pk=1))]

    def __str__(self) -> str:
        return str(self.name)


class Venue(models.Model):
    name = I18nCharField(_("name"))
    address = I18nTextField(_("address"))
    time_zone = models.CharField(
        _("time zone"), max_length=64, validators=[validate_time_zone], default="Asia/Shanghai"
    )
    time_zone_name = I18nCharField(
        _("name of the time"), help_text=_("As visitors call it, like “Beijing time”."), blank=True
    )
    gate = I18nCharField(_("gate"), help_text=_("Where a party meets its guide, like “Gate 3”."))
    getting_in = I18nTextField(_("how to get in"), blank=True)
    arrive_before = models.PositiveSmallIntegerField(_("be there before the start (minutes)"), default=15)

    class Meta:
        verbose_name = _("venue")
        verbose_name_plural = _("venues")

    def __str__(self) -> str:
        return str(self.name)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Drawing(models.TextChoices):
    """The house's own drawings of stops, files under ``static/portal/drawings/``."""

    PRESS = "press", _("press shop")
    BODY = "body", _("body shop")
    PAINT = "paint", _("paint shop")
    BATTERY = "battery", _("battery hall")
    ASSEMBLY = "assembly", _("assembly")
    DRIVE = "drive", _("first drive")
    GATE = "gate", _("gate")
    WORKSHOP = "workshop", _("workshop")
    TASTING = "tasting", _("tasting")


class Tour(models.Model):
    slug = models.SlugField(_("address on the site"), unique=True)
    title = I18nCharField(_("title"))
    summary = I18nTextField(_("summary"))
    story = I18nTextField(_("story"), blank=True)
    minimum_age = models.PositiveSmallIntegerField(_("minimum age"), default=0)
    adult_age = models.PositiveSmallIntegerField(_("adult age"), default=18)
    smallest_party = models.PositiveSmallIntegerField(_("smallest party"), default=1, validators=[MinValueValidator(1)])
    largest_party = models.PositiveSmallIntegerField(_("largest party"), default=3, validators=[MinValueValidator(1)])
    price = I18nCharField(_("price"), blank=True, help_text=_("In words, like “Free”."))
    clothing = I18nTextField(_("what to wear"), blank=True)
    photography = I18nTextField(_("photography"), blank=True)
    lockers = I18nTextField(_("lockers"), blank=True)
    identification = I18nTextField(_("ID"), blank=True)
    accessibility = I18nTextField(_("accessibility of the route"), blank=True)

    class Meta:
        verbose_name = _("tour")
        verbose_name_plural = _("tours")
        constraints = [
            models.CheckConstraint(
                name="tour_party_range",
                condition=Q(smallest_party__gte=1, smallest_party__lte=F("largest_party")),
                violation_error_message=_("The smallest party cannot be larger than the largest."),
            ),
            models.CheckConstraint(
                name="tour_adult_from_minimum",
                condition=Q(adult_age__gte=F("minimum_age")),
                violation_error_message=_("Adults cannot be younger than the minimum age."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.title)

    @property
    def age_bands(self) -> list[tuple[int, int | None]]:
        """Ages on the day of the visit, cut where a rule asks: below the minimum, children, adults (no upper end)."""
        cuts = sorted({0, self.minimum_age, self.adult_age})
        return [(low, high - 1) for low, high in pairwise(cuts)] + [(cuts[-1], None)]


class TourStop(models.Model):
    tour = models.ForeignKey(Tour, on_delete=models.CASCADE, related_name="stops", verbose_name=_("tour"))
    position = models.PositiveSmallIntegerField(_("position"))
    title = I18nCharField(_("title"))
    text = I18nTextField(_("text"))
    minutes = models.PositiveSmallIntegerField(_("minutes"), null=True, blank=True)
    drawing = models.CharField(_("drawing"), max_length=20, choices=Drawing.choices, blank=True)

    class Meta:
        verbose_name = _("stop")
        verbose_name_plural = _("stops")
        ordering = ["tour", "position"]
        constraints = [models.UniqueConstraint(fields=["tour", "position"], name="stop_position_once_a_tour")]

    def __str__(self) -> str:
        return str(self.title)


class Consent(models.Model):
    """One sentence a party agrees to before it asks."""

    tour = models.ForeignKey(Tour, on_delete=models.CASCADE, related_name="consents", verbose_name=_("tour"))
    position = models.PositiveSmallIntegerField(_("position"))
    text = I18nTextField(_("sentence"))
    required = models.BooleanField(_("required"), default=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["tour", "position"]
        constraints = [models.UniqueConstraint(fields=["tour", "position"], name="consent_position_once_a_tour")]

    def __str__(self) -> str:
        return str(self.text)


class SeasonMode(models.TextChoices):
    FIRST_COME = "first come", _("first come")
    BALLOT = "ballot", _("ballot")


class SeasonQuerySet(models.QuerySet["Season"]):
    def public(self) -> Self:
        return self.filter(published=True)


class Season(models.Model):
    """One published run of sessions with one sign-up rule and one opening moment."""

    tour = models.ForeignKey(Tour, on_delete=models.PROTECT, related_name="seasons", verbose_name=_("tour"))
    title = I18nCharField(_("title"))
    mode = models.CharField(_("mode"), max_length=12, choices=SeasonMode.choices, default=SeasonMode.FIRST_COME)
    published = models.BooleanField(_("published"), default=False)
    opens_at = models.DateTimeField(_("sign-up opens"))
    closes_at = models.DateTimeField(_("sign-up closes"))
    choices_allowed = models.PositiveSmallIntegerField(
        _("sessions a party may name"), default=3, validators=[MinValueValidator(1)]
    )
    proves_mailbox = models.BooleanField(_("the mailbox must be proven"), default=True)
    asks_phone = models.BooleanField(_("a phone number is asked"), default=False)
    asks_again_days = models.PositiveSmallIntegerField(
        _("asks “are you still coming?”, days before"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text=_(
            "Counted from the start of a session. Nobody is asked once the roster is locked. Empty: nobody is asked."
        ),
    )
    releases_silent = models.BooleanField(
        _("places of parties that do not answer are given up"),
        default=False,
        help_text=_(
            "Three days after the first of two mails, before the roster locks, and only where it is proven that both "
            "arrived. Otherwise the party is on your list, and nothing is taken from it."
        ),
    )
    # When the last of its parties' first calls ends: what is free in its sessions is kept for them until then.
    first_call_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = SeasonQuerySet.as_manager()

    class Meta:
        verbose_name = _("season")
        verbose_name_plural = _("seasons")
        ordering = ["opens_at", "pk"]
        constraints = [
            models.CheckConstraint(
                name="season_opens_before_it_closes",
                condition=Q(opens_at__lt=F("closes_at")),
                violation_error_message=_("Sign-up has to open before it closes."),
            ),
            models.CheckConstraint(name="season_takes_a_choice", condition=Q(choices_allowed__gte=1)),
            models.CheckConstraint(
                name="season_asks_a_day_before_or_more", condition=Q(asks_again_days=None) | Q(asks_again_days__gte=1)
            ),
            models.CheckConstraint(
                name="season_releases_only_whom_it_asks",
                condition=Q(releases_silent=False) | Q(asks_again_days__isnull=False),
                violation_error_message=_("Say how many days before the parties are asked."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.title)


class SessionState(models.TextChoices):
    """What a visitor can do with a session now."""

    NOT_YET = "not yet", _("Not yet open")
    PLACES = "places", _("Places")
    WAITLIST = "waitlist", _("Waitlist")
    CLOSED = "closed", _("Closed")
    CALLED_OFF = "called off", _("Called off")


LEDGER = [
    "places_held",
    "parties_held",
    "parties_offered",
    "parties_waiting",
    "next_queue_number",
    "offers_made",
    "keeps_for_first_call",
    "places_kept",
    "parties_kept",
]


class TourSessionQuerySet(models.QuerySet["TourSession"]):
    def public(self) -> Self:
        return self.filter(season__published=True)

    def lock(
        self, pks: "Collection[int] | models.QuerySet[Any, Any]", *, rows_alone: bool = False
    ) -> dict[int, "TourSession"]:
        """Lock the rows in primary-key order, the first in the order of locks: sessions, then party, then booking.

        ``no_key`` lets other transactions insert rows that point at the session meanwhile. With ``rows_alone`` season,
        tour and venue are read when somebody asks for them.
        """
        if isinstance(pks, models.QuerySet):
            rows: Iterable[TourSession] = self.locked(pks, rows_alone=rows_alone)
        else:
            rows = _locked(len(pks), rows_alone, pks=list(pks))
        return {each.pk: each for each in rows}

    def locked(self, pks: "Collection[int] | models.QuerySet[Any, Any]", *, rows_alone: bool = False) -> Self:
        """What ``lock`` reads."""
        rows = self.filter(pk__in=pks).order_by("pk").select_for_update(no_key=True, of=("self",))
        return rows if rows_alone else rows.select_related("season__tour", "venue")

    def with_idle_places(self, now: datetime | models.Expression) -> Self:
        return self.filter(
            called_off_at=None,
            roster_locks_at__gt=now,
            parties_waiting__gt=0,
            places_held__lt=F("sell_limit"),
            parties_held__lt=F("max_parties"),
        )

    def claim(self, pk: int, *, places: int) -> bool:
        """Offer one party its places if both limits allow it and nobody waits: one statement, no check before it."""
        return bool(_claimed(pk=pk, places=places))


@compiled
def _locked(number: int, rows_alone: bool) -> "models.QuerySet[TourSession]":
    return TourSession.objects.locked(given_each("pks", number), rows_alone=rows_alone)


@compiled_update
def _claimed() -> "tuple[models.QuerySet[TourSession], dict[str, Any]]":
    places = Given("places", models.IntegerField())
    rows = (
        TourSession.objects.filter(pk=Given("pk"), parties_waiting=0)
        .filter(places_held__lte=F("sell_limit") - F("places_kept") - places)
        .filter(parties_held__lt=F("max_parties") - F("parties_kept"))
        .filter(called_off_at=None, closed_at=None)
    )
    return rows, {
        "places_held": F("places_held") + places,
        "parties_held": F("parties_held") + 1,
        "parties_offered": F("parties_offered") + 1,
    }


class Free(NamedTuple):
    """What is free of a session's two limits."""

    places: int
    parties: int


class TourSession(models.Model):
    """One dated run of a tour, with the ledger of what is held in it.

    The ledger is changed by conditional updates and by the two doors of ``Booking`` only; the database refuses an
    overrun.
    """

    season = models.ForeignKey(Season, on_delete=models.CASCADE, related_name="sessions", verbose_name=_("season"))
    venue = models.ForeignKey(Venue, on_delete=models.PROTECT, related_name="sessions", verbose_name=_("venue"))
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    label = I18nCharField(_("label"), blank=True, help_text=_("Marks a festival day, like “New Year · day 5”."))
    language = models.CharField(
        _("language of the tour"), max_length=12, choices=list(GUIDE_LANGUAGES.items()), default="zh-hans"
    )
    capacity = models.PositiveIntegerField(_("capacity (places)"), validators=[MinValueValidator(1)])
    max_parties = models.PositiveIntegerField(_("most parties"), validators=[MinValueValidator(1)])
    sell_limit = models.PositiveIntegerField(
        _("places given out at most"),
        help_text=_("May be lower than what is held: then nothing new is given and nobody loses a place."),
    )
    roster_locks_at = models.DateTimeField(_("roster locks"))
    closed_at = models.DateTimeField(_("closed by a host"), null=True, blank=True, editable=False)
    called_off_at = models.DateTimeField(_("called off"), null=True, blank=True, editable=False)
    call_off_reason = I18nTextField(_("reason for calling off"), blank=True, editable=False)
    # When it got the start that it has, if not at first; how often its public calendar entry was replaced.
    moved_at = models.DateTimeField(null=True, blank=True, editable=False)
    calendar_sequence = models.PositiveIntegerField(default=0, editable=False)

    # The ledger.
    places_held = models.PositiveIntegerField(_("places held"), default=0, editable=False)
    parties_held = models.PositiveIntegerField(_("parties held"), default=0, editable=False)
    parties_offered = models.PositiveIntegerField(_("of them offered"), default=0, editable=False)
    parties_waiting = models.PositiveIntegerField(_("parties waiting"), default=0, editable=False)
    next_queue_number = models.PositiveIntegerField(_("next number in line"), default=1, editable=False)
    offers_made = models.PositiveIntegerField(_("offers made to its line"), default=0, editable=False)
    # What of the free places only a party with first call may have: see bookings.domain.first_call.
    keeps_for_first_call = models.BooleanField(default=False, editable=False)
    places_kept = models.PositiveIntegerField(_("places kept for first call"), default=0, editable=False)
    parties_kept = models.PositiveIntegerField(_("parties kept for first call"), default=0, editable=False)

    objects = TourSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["starts_at", "pk"]
        constraints = [
            models.CheckConstraint(
                name="session_places_within_capacity",
                condition=Q(places_held__lte=F("capacity")),
                violation_error_message=_("More places are held than that."),
            ),
            models.CheckConstraint(
                name="session_parties_within_limit",
                condition=Q(parties_held__lte=F("max_parties")),
                violation_error_message=_("More parties are held than that."),
            ),
            models.CheckConstraint(name="session_offers_are_held", condition=Q(parties_offered__lte=F("parties_held"))),
            models.CheckConstraint(
                name="session_sell_limit_in_capacity",
                condition=Q(sell_limit__lte=F("capacity")),
                violation_error_message=_("No more places can be given out than the capacity."),
            ),
            models.CheckConstraint(
                name="session_max_parties_in_capacity",
                condition=Q(max_parties__lte=F("capacity")),
                violation_error_message=_("There cannot be more parties than places."),
            ),
            models.CheckConstraint(
                name="session_starts_before_it_ends",
                condition=Q(starts_at__lt=F("ends_at")),
                violation_error_message=_("The session has to start before it ends."),
            ),
            models.CheckConstraint(
                name="session_locks_before_it_starts",
                condition=Q(roster_locks_at__lte=F("starts_at")),
                violation_error_message=_("The roster has to lock before the session starts."),
            ),
        ]
        indexes = [models.Index(fields=["roster_locks_at"], name="session_roster_locks")]

    def __str__(self) -> str:
        return f"{self.local_start:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("session", args=[self.pk])

    @property
    def local_start(self) -> datetime:
        return self.starts_at.astimezone(self.venue.zone)

    @property
    def local_end(self) -> datetime:
        return self.ends_at.astimezone(self.venue.zone)

    @property
    def be_there_at(self) -> datetime:
        """When the party should be at the gate, in venue time."""
        return self.local_start - timedelta(minutes=self.venue.arrive_before)

    @property
    def places_free(self) -> int:
        """For everybody; what is kept for first call is not among them."""
        return max(0, self.sell_limit - self.places_held - self.places_kept)

    @property
    def parties_free(self) -> int:
        return max(0, self.max_parties - self.parties_held - self.parties_kept)

    def free(self, *, first_call: bool = False) -> Free:
        """What a party may have: with first call also what is kept."""
        if not first_call:
            return Free(self.places_free, self.parties_free)
        return Free(max(0, self.sell_limit - self.places_held), max(0, self.max_parties - self.parties_held))

    @property
    def parties_confirmed(self) -> int:
        return self.parties_held - self.parties_offered

    def room_for(self, size: int, *, first_call: bool = False) -> int:
        """How many more parties of ``size`` people may come under both limits."""
        free = self.free(first_call=first_call)
        return min(free.parties, free.places // size)

    def may_be_claimed(self, places: int) -> bool:
        """Whether a claim is worth a try, by what was read; the claim itself looks again."""
        return self.parties_waiting == 0 and self.room_for(places) > 0

    def state(self, now: datetime, *, is_in: bool = False) -> SessionState:
        """As a newcomer finds it, or, with ``is_in``, a party of its season, to which sign-up does not close."""
        if self.called_off_at:
            return SessionState.CALLED_OFF
        closes_at = self.roster_locks_at if is_in else min(self.roster_locks_at, self.season.closes_at)
        if self.closed_at or now >= closes_at:
            return SessionState.CLOSED
        if now < self.season.opens_at:
            return SessionState.NOT_YET
        if self.parties_waiting == 0 and self.room_for(self.season.tour.smallest_party):
            return SessionState.PLACES
        return SessionState.WAITLIST

    def serves_its_line(self, now: datetime) -> bool:
        """Whether what becomes free is still offered. Closing sign-up does not close the line that stands."""
        return self.called_off_at is None and now < self.roster_locks_at

    def is_in_last_call(self, now: datetime) -> bool:
        return now >= self.roster_locks_at - LAST_CALL

    def refresh_ledger(self) -> None:
        self.refresh_from_db(fields=LEDGER)

    def take_queue_number(self) -> int:
        """The next number in line, once. The caller holds the lock and has read the session under it."""
        number = self.next_queue_number
        self.next_queue_number = number + 1
        TourSession.objects.filter(pk=self.pk).update(next_queue_number=self.next_queue_number)
        return number

    def count_in_line(self) -> None:
        """One more party of proven mailbox stands in line."""
        TourSession.objects.filter(pk=self.pk).update(parties_waiting=F("parties_waiting") + 1)

    def hold(self, places: int) -> None:
        """Keep the places of one party that is offered them. The caller holds the lock and has seen that they fit."""
        TourSession.objects.filter(pk=self.pk).update(
            places_held=F("places_held") + places,
            parties_held=F("parties_held") + 1,
            parties_offered=F("parties_offered") + 1,
        )

    def takes_sign_ups(self, now: datetime, *, is_in: bool = False) -> bool:
        return self.state(now, is_in=is_in) in {SessionState.PLACES, SessionState.WAITLIST}
