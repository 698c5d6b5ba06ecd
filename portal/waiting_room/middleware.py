"""Who asks for the sign-up form takes it, or waits. Above sessions, languages and forms: a look costs next to nothing."""

import random
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone

from bookings.models import TourSession
from portal.waiting_room import line
from portal.waiting_room.doors import Doors
from portal.waiting_room.load import Load
from portal.waiting_room.pace import TIME_FOR_THE_FORM, interval, interval_before_opening
from portal.waiting_room.pages import Pages, Place, answer
from portal.waiting_room.tickets import BEGINNING, Ticket, seconds, tear

LANGUAGES = "|".join(re.escape(code) for code, _name in settings.LANGUAGES)
SIGN_UP = re.compile(rf"/({LANGUAGES})/sessions/(\d{{1,18}})/sign-up/")
TAKEN = 303
NEEDS_ANOTHER_LOOK = 422
TOO_MANY = 503
IN_USE = 409

doors = Doors()
pages = Pages()
load = Load()


class WaitingRoom:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.WAITING_ROOM == "off":
            return self.get_response(request)
        found = SIGN_UP.fullmatch(request.path_info)
        if not found or request.method not in {"GET", "HEAD", "POST"}:
            return self.get_response(request)
        now = timezone.now()
        session = doors.guarded(int(found[2]), now=now)
        if session is None:
            return self.get_response(request)
        return Visit(request, session, found[1], now=now).answer(self.get_response)


class Visit:
    """One request for one form."""

    def __init__(self, request: HttpRequest, session: TourSession, language: str, *, now: datetime) -> None:
        self.request = request
        self.session = session
        self.language = language
        self.now = now
        self.seconds = seconds(now)
        self.season_pk = session.season_id
        self.opens_at = seconds(session.season.opens_at)
        self.is_sent = request.method == "POST"
        self.form = submission_key(request) if self.is_sent else ""
        self.brought = Ticket.read(request, self.season_pk, now=self.seconds)
        self.ticket = self._at_opening(self.brought) if self.brought else self._draw()

    def answer(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        found = self._enter(is_new=self.brought is None)
        if found and found.verdict == "spent":
            self.ticket = self._draw()
            found = self._enter(is_new=True)
        if found is None:
            return self._without_a_line(get_response)
        match found.verdict:
            case "in":
                self.ticket = self.ticket.let_in(found.let_in_until)
                return self._let_in(get_response)
            case "again":
                return self._counted(get_response)
            case "early":
                response = get_response(self.request)
                self._give_ticket(response)
                return response
            case "many":
                again_in = spread(20)
                page = pages.many(self.session, self.language, again_in, now=self.now)
                return self._turned_away(page, again_in)
            case "sending":
                again_in = spread(10)
                page = pages.sending(self.session, self.language, again_in, now=self.now)
                return answer(page, path=self.request.path, again_in=again_in, status=IN_USE)
        if found.verdict == "before":
            left = self.opens_at - self.seconds
            again_in = spread(
                interval_before_opening(found.place, left=left, early=found.among, pace=found.pace), at_least=left
            )
            page = pages.before_opening(self.session, self.language, again_in, now=self.now)
        else:
            again_in = spread(interval(found.place, waiting=found.among, pace=found.pace))
            place = Place(found.place, found.pace, again_in)
            page = pages.waiting(self.session, self.language, place, not_sent=self.is_sent, now=self.now)
        response = self._turned_away(page, again_in)
        self._give_ticket(response)
        return response

    def _enter(self, *, is_new: bool) -> line.Answer | None:
        one, network = line.one_and_network(self.request) if is_new else ("", "")
        is_moved = self.brought is not None and not is_new and self.ticket.place != self.brought.place
        arrival = line.Arrival(self.ticket, is_new, is_moved, self.opens_at, self.form, one, network)
        return line.enter(arrival, now=self.seconds, measured=load.take())

    def _let_in(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if self.ticket.has_waited:
            # The page of the form says it.
            self.request.let_in_until = BEGINNING + timedelta(seconds=self.ticket.let_in_until)  # type: ignore[attr-defined]
        response = self._counted(get_response)
        if self.is_sent and response.status_code == TAKEN:
            line.use_up(self.ticket, form=self.form)
            tear(response, self.season_pk)
            return response
        if self.is_sent:
            until = self.ticket.let_in_until
            if response.status_code == NEEDS_ANOTHER_LOOK:
                until = self.seconds + TIME_FOR_THE_FORM
            line.keep_on(self.ticket, until=until)
            self.ticket = self.ticket.let_in(until)
        self._give_ticket(response)
        return response

    def _without_a_line(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        """No Redis: whoever was let in stays so, and of the others as many are served as this process can."""
        is_let_in = self.ticket.let_in_until > self.seconds
        if is_let_in or not load.is_full(at_once=settings.SIGN_UPS_AT_ONCE):
            return self._counted(get_response)
        again_in = spread(20)
        page = pages.too_many(self.session, self.language, again_in, not_sent=self.is_sent, now=self.now)
        return answer(page, path=self.request.path, again_in=again_in, status=TOO_MANY)

    def _counted(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        with load.one_more(at_once=settings.SIGN_UPS_AT_ONCE):
            response = get_response(self.request)
        if response.status_code == TOO_MANY:
            load.turned_away()
        return response

    def _turned_away(self, page: str, again_in: int) -> HttpResponse:
        """Who looks is told where it stands; who sent a form, that it was not taken."""
        return answer(page, path=self.request.path, again_in=again_in, status=TOO_MANY if self.is_sent else 200)

    def _draw(self) -> Ticket:
        return Ticket.draw(self.season_pk, opens_at=self.opens_at, now=self.seconds)

    def _at_opening(self, ticket: Ticket) -> Ticket:
        return ticket.at_opening(self.season_pk, opens_at=self.opens_at, now=self.seconds)

    def _give_ticket(self, response: HttpResponse) -> None:
        if self.ticket != self.brought:
            self.ticket.write(response, self.season_pk)


def spread(interval: float, *, at_least: float = 0.0) -> int:
    """Whole seconds, a little different for each: pages that came together do not look together."""
    # Chance for manners, not for secrets.
    return max(1, round(max(interval * random.uniform(0.9, 1.1), at_least + 1)))  # noqa: S311


def submission_key(request: HttpRequest) -> str:
    """Which form this is, so that sending it twice is no second sign-up. A body that is too long is refused later."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return "-"
    try:
        return request.POST.get("submission_key", "")[:64] or "-"
    except UnreadablePostError:
        return "-"
