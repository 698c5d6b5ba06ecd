"""Rows that show every page in every state, dated from now, as the pages ask the clock themselves."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bookings.domain.reconfirming import SILENT, plan_asks
from bookings.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    Consent,
    Notice,
    NoticeKind,
    Party,
    Season,
    Tour,
    TourSession,
    TourStop,
)
from tests.factories import (
    DAY,
    HOUR,
    both,
    make_booking,
    make_house,
    make_offered,
    make_party,
    make_season,
    make_session,
    make_sign_up,
    make_tour,
    make_venue,
    make_waiting,
)

# How a booking ends and how the party's page then stands.
ENDINGS = {
    BookingStatus.WITHDRAWN: "withdrawn",
    BookingStatus.DECLINED: "declined",
    BookingStatus.LAPSED: "lapsed",
    BookingStatus.CANCELLED: "cancelled",
    BookingStatus.DROPPED: "dropped",
    BookingStatus.CLOSED: "line_closed",
}


@dataclass
class Example:
    """A house with three seasons; ``sessions`` and ``parties`` by the state they show."""

    now: datetime
    tour: Tour = field(init=False)
    season: Season = field(init=False)
    sessions: dict[str, TourSession] = field(default_factory=dict)
    parties: dict[str, Party] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_house(address=both("18 Foundry Road, Northgate", "北门市铸造路 18 号"), phone="+86 10 5550 0199")
        self.venue = make_venue(getting_in=both("Metro line 4 to Foundry Road, exit B.", "地铁 4 号线铸造路站 B 口。"))
        self._write_tour()
        self._write_sessions()
        self._write_parties()

    def session(self, name: str, *, days: float, **given: Any) -> None:
        starts_at = (self.now + days * DAY).replace(second=0, microsecond=0)
        values = {"season": self.season, "venue": self.venue, "starts_at": starts_at}
        self.sessions[name] = make_session(**values | given)

    def _write_tour(self) -> None:
        self.tour = make_tour(
            slug="line",
            story=both("Twelve steps from a coil of steel to a car.", "从一卷钢板到一辆车，十二步。"),
            price=both("Free", "免费"),
            photography=both("Not inside the halls.", "车间内请勿拍照。"),
            lockers=both("At the gate.", "门口有储物柜。"),
            accessibility=both("Step-free.", "全程无台阶。"),
        )
        for position, drawing in enumerate(["press", "body", "paint", "assembly"], start=1):
            TourStop.objects.create(
                tour=self.tour,
                position=position,
                title=both("Press shop", "冲压车间"),
                text=both("A blank becomes a door.", "一块板料变成车门。"),
                minutes=10,
                drawing=drawing,
            )
        Consent.objects.create(
            tour=self.tour, position=1, text=both("We walk on the yellow line only.", "我们只走黄线。")
        )

    def _write_sessions(self) -> None:
        now = self.now
        common: dict[str, Any] = {"tour": self.tour, "asks_phone": True}
        # Long before the sessions: the confirmed party is asked whether it is still coming.
        self.season = make_season(
            opens_at=now - 30 * DAY, closes_at=now + 90 * DAY, asks_again_days=44, releases_silent=True, **common
        )
        self.session("places", days=40, label=both("New Year · day 5", "新春 · 初五"))
        self.session("few", days=41, max_parties=3, language="en")
        self.session("waitlist", days=42, max_parties=2)
        self.session("full", days=42.5, max_parties=1)
        self.session("closed by a host", days=43, closed_at=now - HOUR)
        reason = both("The hall is being rebuilt.", "车间改造。")
        self.session("called off", days=44, called_off_at=now - HOUR, call_off_reason=reason)
        self.session("locked", days=1)
        self.session("running", days=-1 / 24)
        self.session("over", days=-5)
        small = make_tour(slug="evening", largest_party=1, minimum_age=0)
        not_yet = make_season(tour=small, opens_at=now + 5 * DAY, closes_at=now + 90 * DAY)
        self.session("not yet", days=50, season=not_yet, capacity=12)
        shut = make_season(opens_at=now - 60 * DAY, closes_at=now - DAY, title=both("Spring", "春季"))
        self.session("season closed", days=20, season=shut)

    def booking(self, session: str, status: str, **given: Any) -> Booking:
        values = {"status_since": self.now - 3 * DAY, "asked_at": self.now - 4 * DAY}
        return make_booking(self.sessions[session], status, **values | given)

    def _write_parties(self) -> None:
        now, parties = self.now, self.parties
        confirmed = self.booking("waitlist", BookingStatus.CONFIRMED, access_needs="A wheelchair", size=3)
        parties["confirmed"] = confirmed.party
        parties["offered"] = make_offered(
            self.sessions["waitlist"], offer_expires_at=now + 2 * HOUR, status_since=now - HOUR
        ).party
        self.booking("full", BookingStatus.CONFIRMED)
        make_waiting(self.sessions["full"], party=parties["offered"], preference=2, status_since=now - DAY)
        parties["prove_places"] = make_sign_up(
            self.sessions["places"], offer_expires_at=now + HOUR / 2, status_since=now, asked_at=now
        ).party
        parties["prove_line"] = make_waiting(
            self.sessions["waitlist"], proven=False, prove_by=now + 20 * HOUR, status_since=now, asked_at=now
        ).party
        parties["waiting"] = self.booking("waitlist", BookingStatus.WAITING, size=3).party
        requeued = self.booking("waitlist", BookingStatus.WAITING)
        BookingEvent.objects.create(
            booking=requeued,
            from_status="offered",
            to_status="waiting",
            happened_at=now - HOUR,
            who="clock",
            why="lapsed",
        )
        parties["requeued"] = requeued.party
        here = self.booking("running", BookingStatus.CHECKED_IN, arrived=2)
        parties["checked_in"] = here.party
        self.booking("running", BookingStatus.CONFIRMED, size=3, access_needs="A quieter place in the group")
        parties["no_show"] = self.booking("running", BookingStatus.NO_SHOW).party
        parties["over"] = self.booking("over", BookingStatus.CHECKED_IN, arrived=2).party
        for status, state in ENDINGS.items():
            parties[state] = self.booking("few", status, ended_at=now - HOUR).party
        by_host = self.booking("few", BookingStatus.CANCELLED, ended_at=now - HOUR)
        BookingEvent.objects.filter(booking=by_host).update(who="host:lin")
        parties["by_host"] = by_host.party
        silent = self.booking("few", BookingStatus.CANCELLED, ended_at=now - HOUR)
        BookingEvent.objects.filter(booking=silent).update(who="clock", why=SILENT)
        parties["silent"] = silent.party
        parties["called_off"] = self.booking("called off", BookingStatus.CALLED_OFF, ended_at=now - HOUR).party
        erased = make_party(season=self.season, lead_name="", email="", person_key=None, companions=[], size=1)
        Party.objects.filter(pk=erased.pk).update(erased_at=now, ended_at=now - DAY)
        parties["erased"] = erased
        self.notice = Notice.objects.create(
            kind=NoticeKind.CONFIRMED,
            party=confirmed.party,
            booking=confirmed,
            lane=2,
            dedupe_key="shown",
            created_at=now - timedelta(hours=3),
            next_attempt_at=now,
        )
        plan_asks(now=now)
