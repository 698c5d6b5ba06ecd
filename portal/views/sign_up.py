"""A party asks for places, and reads what happens next."""

from datetime import datetime
from email.utils import parseaddr

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from bookings.domain.errors import BookingError
from bookings.domain.sign_up import PROVE_WITHIN, request_places
from bookings.models import SIGN_UP_OFFER, SeasonMode, SessionState, TourSession
from portal import limits
from portal.forms.blank import KEY, NOTE, TOKEN, blank_form
from portal.forms.sign_up import SignUpForm
from portal.forms.stamp import new_stamp
from portal.proxies import network_of
from portal.views import session_words
from portal.views.answers import see_other
from portal.views.asking import Asking, asking_for
from portal.views.caching import kept_by_nobody, kept_for_a_second, mark_as_kept
from portal.views.refusals import said_to_wait, too_many, too_many_words
from portal.views.sessions import others_with_room

GONE = 410
NEEDS_ANOTHER_LOOK = 422


@require_http_methods(["GET", "HEAD", "POST"])
@kept_by_nobody
def sign_up(request: HttpRequest, session_pk: int) -> HttpResponse:
    now = timezone.now()
    wait = limits.before_sign_up(request, now=now) if request.method == "POST" else 0
    if wait and limits.is_flood(request, now=now):
        return too_many(wait)
    asking = asking_for(session_pk)
    session = asking.sessions[session_pk] if asking else _public_session(session_pk)
    if session is None:
        return _unknown(request, now=now)
    if asking is None or not session.takes_sign_ups(now) or session.season.mode != SeasonMode.FIRST_COME:
        return _not_possible(request, session, now=now)
    if request.method == "POST":
        return _asked_for(request, session, asking, wait=wait, now=now)
    page = asking.pages.get(request.get_full_path())
    if page is None:
        blank = blank_form(session, asking.others(session, now=now), state=session.state(now), now=now)
        context = _context(session, now=now) | {"blank_form": blank, "csrf_token": TOKEN, "let_in_note": NOTE}
        page = render_to_string("portal/sign_up.html", context, request)
        asking.keep_page(request.get_full_path(), page)
    own = {TOKEN: get_token(request), KEY: new_stamp(now=now), NOTE: _let_in_note(request, session)}
    for mark, value in own.items():
        page = page.replace(mark, value)
    return HttpResponse(page)


def _asked_for(request: HttpRequest, session: TourSession, asking: Asking, *, wait: int, now: datetime) -> HttpResponse:
    """``wait`` is for how many seconds so many sign-ups are not looked at; what was typed comes back."""
    form = SignUpForm(session, asking.others(session, now=now), request.POST, state=session.state(now), now=now)
    if form.is_valid() and not wait:
        try:
            proves_first = request_places(**form.asked(), network=network_of(request), now=now)
        except BookingError as refusal:
            form.add_error(None, str(refusal))
        else:
            return see_other("asked_first" if proves_first else "asked", session_pk=session.pk)
    if wait:
        form.add_error(None, too_many_words(wait))
    context = _context(session, now=now) | {"form": form, "let_in_note": _let_in_note(request, session)}
    response = render(request, "portal/sign_up.html", context, status=NEEDS_ANOTHER_LOOK)
    return said_to_wait(response, wait) if wait else response


def _let_in_note(request: HttpRequest, session: TourSession) -> SafeString:
    """Until when whoever waited for the form may send it."""
    until = getattr(request, "let_in_until", None)
    if until is None:
        return SafeString()
    return render_to_string("portal/_let_in.html", {"session": session, "until": until})


def _context(session: TourSession, *, now: datetime) -> dict[str, object]:
    return {
        "session": session,
        "tour": session.season.tour,
        "words": session_words.describe(session, now=now),
        "length": session_words.length(session),
        "button_words": _button_words(session, now=now),
        "asks_work": settings.PROOF_OF_WORK,
        "section": "sessions",
    }


@require_safe
@kept_for_a_second
def asked(request: HttpRequest, session_pk: int, *, proves_first: bool = False) -> HttpResponse:
    """Depends on the session, and on whether places are kept for who asks before the mailbox is proven: nobody learns
    here whether an address is known."""
    now = timezone.now()
    session = _public_session(session_pk)
    if session is None:
        return _unknown(request, now=now)
    context = {
        "session": session,
        "tour": session.season.tour,
        "has_line": session.state(now) == SessionState.WAITLIST,
        "proves_first": proves_first and session.season.proves_mailbox,
        "proves_mailbox": session.season.proves_mailbox,
        "kept_minutes": int(SIGN_UP_OFFER.total_seconds() // 60),
        "prove_hours": int(PROVE_WITHIN.total_seconds() // 3600),
        "sender": parseaddr(settings.MAIL_FROM)[1],
        "section": "sessions",
    }
    return render(request, "portal/asked.html", context)


def _public_session(pk: int) -> TourSession | None:
    return TourSession.objects.public().select_related("season__tour", "venue").filter(pk=pk).first()


def _unknown(request: HttpRequest, *, now: datetime) -> HttpResponse:
    context = {"others": others_with_room(now=now)}
    return _for_everybody(request, render(request, "portal/session_unknown.html", context, status=404))


def _not_possible(request: HttpRequest, session: TourSession, *, now: datetime) -> HttpResponse:
    """What is closed stays closed; what opens later is no error."""
    words = session_words.describe(session, now=now)
    context = {
        "session": session,
        "tour": session.season.tour,
        "words": words,
        "others": others_with_room(now=now, besides=session),
        "section": "sessions",
    }
    status = 200 if words.state == SessionState.NOT_YET else GONE
    return _for_everybody(request, render(request, "portal/sign_up_not_possible.html", context, status=status))


def _for_everybody(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Where there is no form, whoever only looks gets what others got a moment ago."""
    return response if request.method == "POST" else mark_as_kept(request, response)


def _button_words(session: TourSession, *, now: datetime) -> list[str]:
    """What the button says for a party of one, of two and so on, where a script can tell which."""
    if session.state(now) != SessionState.PLACES:
        return []
    sizes = range(1, session.season.tour.largest_party + 1)
    return [ngettext("Ask for %(n)s place", "Ask for %(n)s places", size) % {"n": size} for size in sizes]
