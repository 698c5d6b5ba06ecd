"""The mails of a season on one page: planned, sent, waiting, failed; how long each lane waits; mails an hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, Min, QuerySet, Value, When
from django.db.models.functions import TruncHour
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from bookings import outbox
from bookings.admin.standing import machinery
from bookings.domain.reminders import reminders_of
from bookings.durations import time_left
from bookings.models import Lane, Notice, NoticeKind, NoticeStatus, Season, TourSession
from bookings.outbox.silence import LONGEST_WAIT, WAITS_AT_MOST

HOURS = 24
HOUR = timedelta(hours=1)
# So many of the reminders to come are shown, the next first.
REMINDERS_SHOWN = 10
STATES = ["planned", "waiting", "failed", "unknown"]

# The chart, in units of its own: bars 10 wide and 4 apart, the highest 96 high, words below.
BAR, STEP, HIGHEST, BASE = 10, 14, 96, 112


class KindLine(NamedTuple):
    """What is still to come or went wrong, of one kind of mail."""

    kind: str
    planned: int
    next_at: datetime | None
    waiting: int
    failed: int
    unknown: int


class ReminderLine(NamedTuple):
    """A reminder that is written when its time has nearly come, and how many parties would get it as things stand."""

    at: datetime
    session: TourSession
    parties: int


class LaneLine(NamedTuple):
    """How long the first mail of a lane has waited, in the whole outbox: lanes are shared by all seasons."""

    lane: Lane
    since: datetime | None
    words: str  # how long it may wait
    is_late: bool


class Bar(NamedTuple):
    at: datetime
    mails: int
    x: int
    y: int
    height: int
    words: str  # below every sixth bar: its hour


@dataclass(frozen=True)
class SeasonMails:
    planned: int
    waiting: int
    sent: int
    failed: int
    unknown: int
    not_sent: int  # no longer true, or too late
    kinds: Sequence[KindLine]
    reminders: Sequence[ReminderLine]  # all that are to come
    lanes: Sequence[LaneLine]
    bars: Sequence[Bar]

    @property
    def next_reminders(self) -> Sequence[ReminderLine]:
        return self.reminders[:REMINDERS_SHOWN]

    @property
    def reminders_after_that(self) -> int:
        return max(0, len(self.reminders) - REMINDERS_SHOWN)

    @property
    def busiest(self) -> int:
        return max(bar.mails for bar in self.bars)

    @property
    def of_a_day(self) -> int:
        return sum(bar.mails for bar in self.bars)


def season_mails(season: Season, *, now: datetime, zone: ZoneInfo) -> SeasonMails:
    """Five queries, and one a lane: however many mails the season has."""
    mails = Notice.objects.filter(party__season=season)
    counted: dict[str, int] = dict(mails.order_by().values_list("status").annotate(Count("pk")))
    kinds = _kinds(mails, now=now)
    return SeasonMails(
        planned=sum(line.planned for line in kinds),
        waiting=sum(line.waiting for line in kinds),
        sent=counted.get(NoticeStatus.SENT, 0),
        failed=counted.get(NoticeStatus.BOUNCED, 0) + counted.get(NoticeStatus.DEAD, 0),
        unknown=counted.get(NoticeStatus.UNKNOWN, 0),
        not_sent=counted.get(NoticeStatus.VOID, 0) + counted.get(NoticeStatus.EXPIRED, 0),
        kinds=kinds,
        reminders=_reminders(season, now=now),
        lanes=_lanes(now=now),
        bars=_bars(mails, now=now, zone=zone),
    )


def _kinds(mails: QuerySet[Notice], *, now: datetime) -> list[KindLine]:
    """Of what is settled well nothing is read: these rows are few, or not yet due."""
    state = Case(
        When(status=NoticeStatus.QUEUED, next_attempt_at__gt=now, last_error="", then=Value("planned")),
        When(status__in=[NoticeStatus.QUEUED, NoticeStatus.SENDING], then=Value("waiting")),
        When(status=NoticeStatus.UNKNOWN, then=Value("unknown")),
        default=Value("failed"),
    )
    of_note = [
        NoticeStatus.QUEUED,
        NoticeStatus.SENDING,
        NoticeStatus.UNKNOWN,
        NoticeStatus.BOUNCED,
        NoticeStatus.DEAD,
    ]
    rows = mails.filter(status__in=of_note).order_by().annotate(state=state).values("kind", "state")
    found: dict[tuple[str, str], dict[str, Any]]
    found = {
        (row["kind"], row["state"]): dict(row) for row in rows.annotate(n=Count("pk"), first=Min("next_attempt_at"))
    }
    lines = []
    for kind in NoticeKind:
        n = {state: found.get((kind.value, state), {}).get("n", 0) for state in STATES}
        if any(n.values()):
            next_at = found.get((kind.value, "planned"), {}).get("first")
            lines.append(KindLine(str(kind.label), n["planned"], next_at, n["waiting"], n["failed"], n["unknown"]))
    return lines


def _reminders(season: Season, *, now: datetime) -> list[ReminderLine]:
    """Rows tell only of the next minutes: a reminder is written when its time has nearly come."""
    sessions = season.sessions.filter(called_off_at=None, starts_at__gt=now).select_related("venue")
    lines = [
        ReminderLine(due.at, session, session.parties_confirmed)
        for session in sessions.prefetch_related("season__reminder_plans")
        for due in reminders_of(session)
        if max(now, due.since) < due.at
    ]
    return sorted(lines, key=lambda line: (line.at, line.session.pk))


def _lanes(*, now: datetime) -> list[LaneLine]:
    waiting = outbox.oldest_waiting(now)
    lines = []
    for lane in Lane:
        since, at_most = waiting.get(lane), WAITS_AT_MOST.get(lane, LONGEST_WAIT)
        lines.append(LaneLine(lane, since, time_left(now + at_most, now=now), bool(since and now - since > at_most)))
    return lines


def _bars(mails: QuerySet[Notice], *, now: datetime, zone: ZoneInfo) -> list[Bar]:
    """The last hours, this one last, each as long as every other also when the clocks change."""
    this_hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - n * HOUR for n in reversed(range(HOURS))]
    sent = mails.filter(sent_at__gte=hours[0], sent_at__lt=this_hour + HOUR).order_by()
    rows = sent.annotate(hour=TruncHour("sent_at", tzinfo=UTC)).values_list("hour").annotate(Count("pk"))
    counted: dict[datetime, int] = dict(rows)
    highest = max(counted.values(), default=0)
    bars = []
    for n, hour in enumerate(hours):
        number = counted.get(hour, 0)
        height = max(2, round(HIGHEST * number / highest)) if number else 0
        words = f"{hour.astimezone(zone):%H:%M}" if n % 6 == 0 else ""
        bars.append(Bar(hour, number, n * STEP, BASE - height, height, words))
    return bars


def mails(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    season = Season.objects.select_related("tour").filter(pk=pk).first()
    if season is None:
        raise Http404
    if not (model_admin.has_view_permission(request, season) and request.user.has_perm("bookings.view_notice")):
        raise PermissionDenied
    now = timezone.now()
    first = season.sessions.select_related("venue").order_by("starts_at", "pk").first()
    zone = first.venue.zone if first else ZoneInfo("UTC")
    with timezone.override(zone):
        context = {
            "season": season,
            "mails": season_mails(season, now=now, zone=zone),
            "machinery": machinery(now=now),
            "zone": str(first.venue.time_zone_name) or str(zone) if first else "UTC",
            "now": now,
            "bar": {"width": BAR, "base": BASE, "chart_width": HOURS * STEP, "chart_height": BASE + 16},
        }
        return TemplateResponse(request, "admin/bookings/season/mails.html", context).render()
