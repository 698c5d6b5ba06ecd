"""A visitor's place as a signed cookie: one for each season. The line can be lost, and is made anew from these."""

import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from typing import Self

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse

from portal.waiting_room.pace import TICKET_GOOD_FOR, TIME_FOR_THE_FORM

# Seconds are counted from here: smaller numbers leave more digits for what comes after the point.
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(moment: datetime) -> float:
    return (moment - BEGINNING).total_seconds()


@dataclass(frozen=True)
class Ticket:
    """``place`` is a moment: lower is before. ``let_in_until`` is 0 until its turn has come; ``has_waited`` tells
    whether that was later than it came."""

    number: str
    place: float
    let_in_until: float = 0.0
    has_waited: bool = False

    @classmethod
    def draw(cls, season_pk: int, *, opens_at: float, now: float) -> Self:
        """The number is chance of ours: nobody can choose one, nor know its luck before it is drawn."""
        number = token_hex(12)
        return cls(number, place_of(number, season_pk, opens_at=opens_at) if now < opens_at else now)

    @classmethod
    def read(cls, request: HttpRequest, season_pk: int, *, now: float) -> Self | None:
        try:
            said = _signer(season_pk).unsign(request.COOKIES[_name(season_pk)])
            number, place, let_in_until, *waited = said.split("~")
            ticket = cls(number, float(place), float(let_in_until), waited == ["waited"])
        except (KeyError, ValueError, BadSignature):
            return None
        return ticket if now < ticket.place + TICKET_GOOD_FOR else None

    def write(self, response: HttpResponse, season_pk: int) -> None:
        said = f"{self.number}~{self.place:.9f}~{self.let_in_until:.0f}" + "~waited" * self.has_waited
        value = _signer(season_pk).sign(said)
        response.set_cookie(
            _name(season_pk),
            value,
            max_age=2 * TICKET_GOOD_FOR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )

    def at_opening(self, season_pk: int, *, opens_at: float, now: float) -> Self:
        """The same, if the opening was moved since it was drawn."""
        if now < opens_at:
            return replace(self, place=place_of(self.number, season_pk, opens_at=opens_at))
        return replace(self, place=now) if self.place > now else self

    def let_in(self, until: float) -> Self:
        """A form that comes back has more time, and did not wait for it."""
        had_to_wait = until - TIME_FOR_THE_FORM > max(self.place, self.let_in_until) + 2
        return replace(self, let_in_until=float(round(until)), has_waited=self.has_waited or had_to_wait)


def tear(response: HttpResponse, season_pk: int) -> None:
    """It was good for one sign-up."""
    response.delete_cookie(_name(season_pk), samesite="Lax")


def place_of(number: str, season_pk: int, *, opens_at: float) -> float:
    """Those who came before the opening stand within its last second, in an order that only our key knows."""
    said = f"portal.waiting_room {season_pk} {opens_at:.3f} {number}"
    drawn = hmac.digest(settings.SECRET_KEY.encode(), said.encode(), sha256)
    return opens_at - 1 + int.from_bytes(drawn[:8]) / 2**64


def _name(season_pk: int) -> str:
    return f"waiting_room_{season_pk}"


def _signer(season_pk: int) -> Signer:
    return Signer(salt=f"portal.waiting_room.{season_pk}")
