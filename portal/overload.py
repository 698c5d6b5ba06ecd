"""When more is asked than can be answered: said at once and in words, with 503, before it becomes a hang or a failure.

Nobody works for a visitor who has left or has waited for longer than a page is worth, and a database that is away or
has no connection free is not an error of ours. What was sent can be sent again: asking twice never counts twice.
"""

import logging
import select
import socket
import sqlite3
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from random import SystemRandom
from time import monotonic
from typing import NamedTuple

from django.db import InterfaceError, NotSupportedError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language_from_request, override

logger = logging.getLogger(__name__)

# Whoever still waits after so long is better told; proxies give up not much later.
SECONDS_WORTH_WAITING = 20.0
# When to come again; not all at the same moment.
SOONEST, LATEST = 3, 8
# Those who watch over us are always answered.
WATCHED = "/healthz"

# What the kernel says of a connection (struct tcp_info of linux/tcp.h): its state, and milliseconds since the last
# bytes came.
TCP_INFO = getattr(socket, "TCP_INFO", None)
STATE, LAST_DATA_RECEIVED = 0, 8 + 11 * 4
TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8
CLOSED_BEYOND = getattr(select, "POLLRDHUP", None)


class NoWorkInVain:
    """Turns away at the door who has left or waited too long, and says in words when the database can't be asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(WATCHED):
            connection = request.META.get("gunicorn.socket")
            if connection is not None and (why := not_worth_answering(connection)):
                return busy(request, why)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if is_of_another_schema(error):
            connection.connection.close()  # For good, so that the pool does not hand it out again.
            connection.close()
            return busy(request, reason(error))
        return busy(request, reason(error)) if cannot_be_asked(error) else None


def is_of_another_schema(error: BaseException | None) -> bool:
    """Whether a migration has changed what a prepared statement gives: in this connection it fails for ever."""
    return isinstance(error, NotSupportedError) and getattr(error.__cause__, "sqlstate", None) == "0A000"


def cannot_be_asked(error: BaseException | None) -> bool:
    """Whether the database is away, busy or out of connections: not what a mistake of ours looks like."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return bool(cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))
    return True


def reason(error: BaseException | None) -> str:
    """Never what the server said: it may quote what somebody typed."""
    cause = getattr(error, "__cause__", None) or error
    return " ".join(filter(None, [type(cause).__name__, getattr(cause, "sqlstate", None)]))


class ConnectionState(NamedTuple):
    """As the kernel knows it."""

    is_closed: bool  # at the visitor's end
    waited: float  # seconds since the request came in, the time before anybody took it included


def not_worth_answering(connection: socket.socket) -> str:
    """Why nobody reads the answer any more, as far as the server says it; empty where somebody does."""
    with suppress(OSError):  # closed meanwhile
        state = told_by_kernel(connection) or ConnectionState(is_closed_beyond(connection), 0.0)
        if state.is_closed:
            return "the visitor has left"
        if state.waited > SECONDS_WORTH_WAITING:
            return "waited for too long"
    return ""


def seconds_waited(request: HttpRequest) -> float | None:
    """How long it stood before anybody took it, until now; None where nobody can say."""
    with suppress(OSError):
        state = told_by_kernel(request.META.get("gunicorn.socket"))
        return state.waited if state else None
    return None


def told_by_kernel(connection: socket.socket | None) -> ConnectionState | None:
    """One question, for which no other thread gets the turn; None where the kernel says nothing."""
    if connection is None or TCP_INFO is None or connection.family == socket.AF_UNIX:
        return None
    told = connection.getsockopt(socket.IPPROTO_TCP, TCP_INFO, LAST_DATA_RECEIVED + 4)
    (milliseconds,) = struct.unpack_from("I", told, LAST_DATA_RECEIVED)
    return ConnectionState(told[STATE] in {TCP_CLOSE, TCP_CLOSE_WAIT}, milliseconds / 1000)


def is_closed_beyond(connection: socket.socket) -> bool:
    """Of any kind of socket."""
    if CLOSED_BEYOND is None:
        return False
    looking = select.poll()
    looking.register(connection, CLOSED_BEYOND)
    return bool(looking.poll(0))


def busy(request: HttpRequest, why: str) -> HttpResponse:
    """Asks nobody and costs next to nothing, as it is given to thousands."""
    Tally.count(why)
    language = get_language_from_request(request, check_path=True)
    answer = HttpResponse(page(language, is_form=request.method == "POST"), status=503)
    answer["Retry-After"] = str(SystemRandom().randint(SOONEST, LATEST))
    answer["Cache-Control"] = "no-store"
    answer["Content-Language"] = language
    return answer


@cache
def page(language: str, *, is_form: bool) -> bytes:
    """The same for everybody: without the request there are no context processors, which would ask the database."""
    with override(language):
        return render_to_string("503.html", {"is_form": is_form}).encode()


class Tally:
    """One line a second at most, however many are turned away."""

    since = 0.0
    number = 0

    @classmethod
    def count(cls, why: str) -> None:
        cls.number += 1
        if monotonic() - cls.since < 1.0:
            return
        cls.since, number, cls.number = monotonic(), cls.number, 0
        logger.warning("Told %s visitors to come again; the last: %s", number, why)
