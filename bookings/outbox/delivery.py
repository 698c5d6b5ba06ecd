"""Handing over what is due: a few rows at a time, each with its own words and its own fate, over one connection."""

import logging
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from email.generator import BytesGenerator
from email.policy import Compat32
from io import BytesIO
from secrets import token_hex
from time import monotonic

from celery.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import DatabaseError

from bookings.emails import build
from bookings.models import Breaker, House, Lane, Notice, NoticeStatus
from bookings.outbox.breaker import lanes_to_try, mails_allowed, open_breaker, strike, took_mail
from bookings.outbox.caps import (
    Tries,
    all_capped_until,
    capped_meanwhile,
    capped_until,
    is_capped,
    is_surely_free,
    tries_by_person,
)
from bookings.outbox.claims import (
    MOST_ATTEMPTS,
    SENT_AGAIN,
    begin,
    bounce,
    claim,
    leave_open,
    load,
    mark_sent,
    put_off,
    release,
    settle,
)
from bookings.outbox.dialogue import Broken, Refused, Stage, close_line, drop_line, hand_over, open_line
from bookings.outbox.failures import BACK_OFF, Verdict, verdict
from bookings.outbox.order import Look, look
from bookings.outbox.truth import still_true

logger = logging.getLogger(__name__)

# Rows are claimed so many at a time, and the lanes read again after that: an offer waits for no more than these.
AT_ONCE = 20
# One run of the clock takes at most so many notices and starts none after so many seconds.
BATCH = 200
BATCH_SECONDS = 30
# What a row told this long ago is read again before its mail is built.
STALE = timedelta(seconds=1)
# A mail that was tried while the server took nothing rests so long, uncharged: it may be the only one that is refused.
# Should the server take another one before, it goes a minute after that.
REST_OF_A_PROBE = timedelta(minutes=15)

# RFC 5322 would have lines of a header no longer than 78; this is surely less than what anybody breaks.
SHORT = 74

Clock = Callable[[], datetime]


class ServerTrouble(Exception):
    """The server takes no mail at all now; trying the next row would fail in the same way."""


def deliver_due(
    now: datetime,
    limit: int = BATCH,
    seconds: float = BATCH_SECONDS,
    *,
    looked: Look | None = None,
    until_emptied: bool = True,
) -> int:
    """Hand over what is due, the most urgent lane first, over one connection; returns how many the server took.

    ``looked`` is what was just seen of it. Without ``until_emptied`` it ends after a claim that was not full: what is
    owed meanwhile leaves with what comes after it, in one look for many.
    """
    clock = _clock_from(now)
    work = _Work(clock, ends=now + timedelta(seconds=seconds))
    seen = 0
    try:
        looked = looked or look(now=now)
        allowed = mails_allowed(min(AT_ONCE, limit), now=now, server=looked.server) if looked.lanes else 0
        while allowed and (claimed := work.some(allowed, looked)):
            seen += claimed
            if work.is_over or seen >= limit or clock() >= work.ends:
                break
            if claimed < allowed and not until_emptied:
                break
            looked = look(now=clock())
            if not looked.lanes:
                break
            if allowed > 1 or work.has_probed:
                allowed = mails_allowed(min(AT_ONCE, limit - seen), now=clock(), server=looked.server)
    finally:
        close_line(work.line)
    return work.sent


def _clock_from(now: datetime) -> Clock:
    """The time as it goes on from ``now`` while a batch is at work."""
    started = monotonic()
    return lambda: now + timedelta(seconds=monotonic() - started)


class _Work:
    """One line to the server, and what it has carried."""

    def __init__(self, clock: Clock, *, ends: datetime) -> None:
        self.clock = clock
        self.ends = ends
        self.line = get_connection()
        self.line_is_fresh = False
        self.has_probed = False  # the server was offered a mail and did not refuse it for the mailbox or the text
        self.is_over = False
        self.sent = 0
        self.sent_and_told = 0  # of them, those of which the breaker knows
        self.has_struck = False  # so what was seen of the breaker is older than that
        self.house: House | None = None
        self.all_capped_until: datetime | None = None
        self.tries: Tries = {}  # of the addresses of what is loaded
        self.mine: frozenset[int] = frozenset()  # what is claimed and was not yet begun with

    def some(self, most: int, looked: Look) -> int:
        """Claim some rows and hand them over; the rest goes back untouched. Returns how many were claimed."""
        claimed_at = self.clock()
        order = lanes_to_try(looked.server, now=claimed_at) if most == 1 else Lane.values
        left = claim(most, now=claimed_at, lanes=[lane for lane in order if lane in looked.lanes])
        number, error = len(left), ""
        try:
            self._each(left, claimed_at)
        except ServerTrouble as trouble:
            self.is_over, error = True, str(trouble)
            open_breaker(error, now=self.clock())
        except SoftTimeLimitExceeded:
            logger.warning("The time of a slice was up; %s notices go back", len(left))
            self.is_over = True
        finally:
            if left:
                release(left, claimed_at=claimed_at, error=error)
        if not error:
            self._tell_of_success(None if self.has_struck else looked.server)
        return number

    def _each(self, left: list[int], claimed_at: datetime) -> None:
        """Takes from ``left`` each row it has begun with. Raises ServerTrouble."""
        loaded: list[Notice] = []
        touched: set[int] = set()
        read_at = claimed_at
        while left and self.clock() < self.ends:
            if not loaded or self.clock() - read_at > STALE or loaded[0].party_id in touched:
                read_at, touched = self.clock(), set()
                loaded = load(left, claimed_at=claimed_at)
                left[:] = [notice.pk for notice in loaded]
                self.mine = frozenset(left)
                if not loaded:
                    return
                self.house = House.objects.first()
                capped = [notice for notice in loaded if is_capped(notice)]
                self.all_capped_until = all_capped_until(now=read_at) if capped else None
                self.tries = tries_by_person(capped, now=read_at)
            notice = loaded.pop(0)
            touched.add(notice.party_id)
            is_to_leave = self._is_to_leave(notice)
            if is_to_leave:
                self._connect()
            left.pop(0)
            if is_to_leave:
                self.sent += self._one(notice)

    def _connect(self) -> None:
        try:
            self.line_is_fresh = open_line(self.line)
        except (Refused, Broken) as failure:
            drop_line(self.line)
            raise ServerTrouble(str(failure)) from failure

    def _is_to_leave(self, notice: Notice) -> bool:
        """Whether it may and should leave now; settles or puts off what is not. It needs no server."""
        now = self.clock()
        if notice.expires_at and notice.expires_at <= now:
            settle(notice, NoticeStatus.EXPIRED)
        elif not still_true(notice, now):
            settle(notice, NoticeStatus.VOID)
        elif until := self._capped_until(notice, now=now):
            put_off(notice, until)
        else:
            return True
        return False

    def _one(self, notice: Notice) -> bool:
        """Build, hand over, mark. Raises ServerTrouble with the row queued again."""
        if self.line_is_fresh and not self._is_to_leave(notice):
            return False  # The server took long to greet us.
        built = _built(notice, house=self.house, now=self.clock())
        return built is not None and self._handed_over(notice, *built)

    def _capped_until(self, notice: Notice, *, now: datetime) -> datetime | None:
        if not is_capped(notice):
            return None
        return self.all_capped_until or capped_until(notice, self.tries, now=now)

    def _handed_over(self, notice: Notice, message: EmailMultiAlternatives, text: bytes) -> bool:
        begun = False

        def begin_now() -> bool:
            nonlocal begun
            begun = begin(notice, now=self.clock())
            now = self.clock()
            if not begun or not is_capped(notice) or is_surely_free(notice, self.tries, now=now):
                return begun
            if until := capped_meanwhile(notice, tries_by_person([notice], now=now), mine=self.mine, now=now):
                put_off(notice, until)
                return False
            return True

        self.has_probed = True
        try:
            try:
                taken = hand_over(self.line, message, text, begin=begin_now)
            except (Refused, Broken) as failure:
                if self.line_is_fresh or begun or not _closed_meanwhile(failure):
                    raise
                drop_line(self.line)
                self._connect()
                taken = hand_over(self.line, message, text, begin=begin_now)
        except (Refused, Broken) as failure:
            self._failed(notice, failure)
            return False
        except (ServerTrouble, SoftTimeLimitExceeded) as reason:
            drop_line(self.line)
            self._fate_unknown(notice, type(reason).__name__) if begun else put_off(notice, self.clock())
            raise
        if taken:
            mark_sent(notice, handed_over_at=self.clock())
        return taken

    def _failed(self, notice: Notice, failure: Refused | Broken) -> None:
        short, now, tries = str(failure), self.clock(), notice.attempts + 1
        logger.warning("Notice %s (%s): %s", notice.pk, notice.kind, short)
        if isinstance(failure, Broken) or failure.code == 421:
            drop_line(self.line)
        match verdict(failure):
            case Verdict.SERVER:
                put_off(notice, now, error=short)
                raise ServerTrouble(short)
            case Verdict.ADDRESS:
                status = failure.enhanced or str(failure.code) if isinstance(failure, Refused) else ""
                bounce(notice, status=status, now=now, error=short, attempts=tries, begun_at=now)
                self.has_probed = False  # The server is at work; only the next mail can tell whether it takes any.
            case Verdict.MAIL:
                settle(notice, NoticeStatus.DEAD, error=short, attempts=tries)
                self.has_probed = False
            case Verdict.WAIT:
                self._later(notice, NoticeStatus.DEAD, short)
            case Verdict.SUSPECT:
                self._tell_of_success()
                if Breaker.now_standing().opened_at:
                    put_off(notice, now + REST_OF_A_PROBE, error=short, rests_for_server=True)
                    raise ServerTrouble(short)
                is_for_good = isinstance(failure, Refused) and failure.code >= 500
                self._later(notice, NoticeStatus.BOUNCED if is_for_good else NoticeStatus.DEAD, short)
                self._strike(notice, short)
            case Verdict.UNKNOWN:
                self._fate_unknown(notice, short)
                self._strike(notice, short)

    def _later(self, notice: Notice, at_last: NoticeStatus, short: str) -> None:
        tries, now = notice.attempts + 1, self.clock()
        if tries >= MOST_ATTEMPTS:
            settle(notice, at_last, error=short, attempts=tries)
        else:
            settle(notice, NoticeStatus.QUEUED, error=short, attempts=tries, next_attempt_at=now + _rest(tries))

    def _fate_unknown(self, notice: Notice, short: str) -> None:
        tries = notice.attempts + 1
        if notice.kind not in SENT_AGAIN:
            leave_open(notice, NoticeStatus.UNKNOWN, error=short)
        elif tries >= MOST_ATTEMPTS:
            leave_open(notice, NoticeStatus.DEAD, error=short)
        else:
            leave_open(notice, NoticeStatus.QUEUED, error=short, next_attempt_at=self.clock() + _rest(tries))

    def _strike(self, notice: Notice, short: str) -> None:
        """Perhaps the server's failure; what it took in between says no."""
        self._tell_of_success()
        self.has_struck = True
        if strike(notice, short, now=self.clock()):
            raise ServerTrouble(short)

    def _tell_of_success(self, seen: Breaker | None = None) -> None:
        if self.sent > self.sent_and_told:
            self.sent_and_told = self.sent
            took_mail(now=self.clock(), seen=seen)


def _closed_meanwhile(failure: Refused | Broken) -> bool:
    """Servers close a line that rested, or carried its fill; that is no failure of the mail that comes next."""
    if isinstance(failure, Refused):
        return failure.code == 421
    return failure.stage in {Stage.SENDER, Stage.RECIPIENT}


def _rest(tries: int) -> timedelta:
    return BACK_OFF[min(tries, len(BACK_OFF)) - 1]


def _built(notice: Notice, *, house: House | None, now: datetime) -> tuple[EmailMultiAlternatives, bytes] | None:
    """The message and its text, or nothing where it cannot be built: one such row must not hold up the others."""
    try:
        message = build(notice, now=now, house=house)
        return message, _as_sent(message)
    except (DatabaseError, SoftTimeLimitExceeded):
        raise  # Not the row's fault; the lease brings it back.
    except Exception as error:
        # Where, not what: the words of the error may hold a name or an address.
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("Notice %s (%s) cannot be built: %s\n%s", notice.pk, notice.kind, type(error).__name__, where)
        settle(notice, NoticeStatus.DEAD, error=type(error).__name__, attempts=notice.attempts + 1)
        return None


class _AsSent(Compat32):
    """A header that fits into its line is written as it is; to see that it fits took longer than to write the mail."""

    def fold_binary(self, name: str, value: str) -> bytes:
        line = f"{name}: {value}"
        if len(line) <= SHORT and line.isascii() and line.isprintable():
            return f"{line}{self.linesep}".encode()
        return super().fold_binary(name, value)


AS_SENT = _AsSent(mangle_from_=False, linesep="\r\n")


def _as_sent(message: EmailMultiAlternatives) -> bytes:
    """The text as it goes over the line: ended as SMTP ends lines, a line that begins with "From " left as it is."""
    text = BytesIO()
    made = message.message()
    for part in made.walk():
        # Left to itself, the generator looks through all of the text. 96 bits of chance are in none, and fit in a line.
        if part.is_multipart():
            part.set_boundary(token_hex(12))
    BytesGenerator(text, policy=AS_SENT).flatten(made)
    return text.getvalue()
