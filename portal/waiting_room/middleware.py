"""Who asks for the sign-up form takes it, or waits. Above sessions, languages and forms: a look costs little."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from math import ceil
from random import SystemRandom

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.utils import timezone
from django.utils.crypto import salted_hmac

from bookings.models import TourSession
from portal.overload import seconds_waited
from portal.page_cache import without_mark
from portal.waiting_room import line
from portal.waiting_room.doors import Doors
from portal.waiting_room.load import Load
from portal.waiting_room.pace import TIME_FOR_THE_FORM, interval, interval_before_opening
from portal.waiting_room.pages import Pages, Place, answer, refresh
from portal.waiting_room.tickets import BEGINNING, Ticket, seconds, tear
from portal.waiting_room.view import View

LANGUAGES = "|".join(re.escape(code) for code, _name in settings.LANGUAGES)
# Also with zeros before the number, as urls.py reads it.
SIGN_UP = re.compile(rf"/({LANGUAGES})/sessions/0*([0-9]{{1,18}})/sign-up/")
HAS_THE_FORM = 200
TAKEN = 303
NEEDS_ANOTHER_LOOK = 422
TOO_MANY = 503
IN_USE = 409
# As enter.lua knows it: sent, but nobody can say which.
NO_FORM = "-"

doors = Doors()
pages = Pages()
load = Load()
view = View()


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
        self.form = form_sent(request) if self.is_sent else ""
        # What was typed comes back with every page that does not take it.
        self.sent = list(flat(request.POST)) if self.form not in {"", NO_FORM} else None
        self.brought = Ticket.read(request, self.season_pk, now=self.seconds)
        self.ticket = self._at_opening(self.brought) if self.brought else self._draw()

    def answer(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        found = self._enter()
        if found and found.verdict == "spent":
            self.brought, self.ticket = None, self._draw()
            found = self._enter()
        if found is None:
            return self._without_a_line(get_response)
        match found.verdict:
            case "in":
                self.ticket = self.ticket.let_in(found.let_in_until)
                return self._let_in(get_response)
            case "again":
                return self._counted(get_response)
            case "early":
                # As everybody sees it, but with this visitor's ticket and its own time to look again.
                response = without_mark(get_response(self.request))
                response["Cache-Control"] = "private, no-store"
                response["Refresh"] = refresh(self._again_before_opening(found), path=self.request.path)
                self._give_ticket(response)
                return response
            case "many":
                again_in = spread(20)
                page = pages.many(self.session, self.language, again_in, sent=self.sent, now=self.now)
                return self._turned_away(page, again_in)
            case "sending":
                again_in = spread(10)
                page = pages.sending(self.session, self.language, again_in, sent=self.sent, now=self.now)
                return self._answer(page, again_in, status=IN_USE)
        if found.verdict == "before":
            again_in = self._again_before_opening(found)
            page = pages.before_opening(self.session, self.language, again_in, sent=self.sent, now=self.now)
        else:
            surely = found.place - found.perhaps_less
            again_in = spread(interval(surely, waiting=found.among, pace=found.pace, processes=found.processes))
            place = Place(found.place, found.pace, again_in)
            page = pages.waiting(self.session, self.language, place, sent=self.sent, now=self.now)
        response = self._turned_away(page, again_in)
        self._give_ticket(response)
        return response

    def _enter(self) -> line.Answer | None:
        """Who only looks again may be told what this process has seen of the line; everybody else asks it."""
        looks_again = self.brought and not self.is_sent and self.seconds >= self.opens_at
        if looks_again and (seen := view.place(self.ticket, now=self.seconds)):
            return seen
        is_moved = self.brought is not None and self.ticket.place != self.brought.place
        arrival = line.Arrival(self.ticket, is_moved, self.opens_at, self.form, *line.one_and_network(self.request))
        return view.asking(
            lambda brought: line.enter(arrival, now=self.seconds, told=load.take(), brought=brought), now=self.seconds
        )

    def _let_in(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        if self.ticket.has_waited:
            # The page of the form says it.
            vars(self.request)["let_in_until"] = BEGINNING + timedelta(seconds=self.ticket.let_in_until)
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
        """No Redis: whoever was let in stays so, and of the others as many are let in as this process can serve."""
        is_let_in = self.ticket.let_in_until > self.seconds
        if is_let_in or not load.is_full(at_once=settings.SIGN_UPS_AT_ONCE):
            response = self._counted(get_response)
            if self.is_sent and response.status_code == TAKEN:
                tear(response, self.season_pk)
            elif self.seconds >= self.opens_at and self._has_the_form(response, is_let_in=is_let_in):
                self.ticket = self.ticket.let_in(self.seconds + TIME_FOR_THE_FORM)
                self._give_ticket(response)
            return response
        again_in = spread(20)
        page = pages.too_many(self.session, self.language, again_in, sent=self.sent, now=self.now)
        return self._answer(page, again_in, status=TOO_MANY)

    def _has_the_form(self, response: HttpResponse, *, is_let_in: bool) -> bool:
        """For the first time, or once more with something to put right."""
        if self.is_sent:
            return response.status_code == NEEDS_ANOTHER_LOOK
        return response.status_code == HAS_THE_FORM and not is_let_in

    def _counted(self, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
        with load.one_more(at_once=settings.SIGN_UPS_AT_ONCE, waited=seconds_waited(self.request)):
            response = get_response(self.request)
        if response.status_code == TOO_MANY:
            load.turned_away()
        return response

    def _turned_away(self, page: str, again_in: int) -> HttpResponse:
        """Who looks is told where it stands; who sent a form, that it was not taken."""
        return self._answer(page, again_in, status=TOO_MANY if self.is_sent else 200)

    def _answer(self, page: str, again_in: int, *, status: int) -> HttpResponse:
        holds_form = self.sent is not None
        return answer(page, path=self.request.path, again_in=again_in, holds_form=holds_form, status=status)

    def _again_before_opening(self, found: line.Answer) -> int:
        left = self.opens_at - self.seconds
        asked = interval_before_opening(
            found.place, left=left, early=found.among, pace=found.pace, processes=found.processes
        )
        # Never a moment too early.
        return spread(asked) if asked < left else ceil(asked + SystemRandom().random())

    def _draw(self) -> Ticket:
        return Ticket.draw(self.season_pk, opens_at=self.opens_at, now=self.seconds)

    def _at_opening(self, ticket: Ticket) -> Ticket:
        return ticket.at_opening(self.season_pk, opens_at=self.opens_at, now=self.seconds)

    def _give_ticket(self, response: HttpResponse) -> None:
        if self.ticket != self.brought:
            self.ticket.write(response, self.season_pk)


def spread(asked: float) -> int:
    """Whole seconds, a little different for each: pages that came together do not look together."""
    return max(1, round(asked * SystemRandom().uniform(0.9, 1.1)))


def flat(sent: QueryDict) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, values in sent.lists() for value in values)


def form_sent(request: HttpRequest) -> str:
    """Which form of which person this is: sent twice, it is no second sign-up.

    A body that is too long is left to who refuses it.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return NO_FORM
    try:
        key, email = request.POST.get("submission_key", ""), request.POST.get("email", "")
    except UnreadablePostError:
        return NO_FORM
    if not key:
        return NO_FORM
    return salted_hmac("portal.waiting_room.form", f"{key} {email.strip().lower()}", algorithm="sha256").hexdigest()[
        :24
    ]
