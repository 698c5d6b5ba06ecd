"""The line itself, in the Redis that web processes share: one script, so that nobody sees it half changed."""

from collections.abc import Mapping
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from redis import Redis
from redis.exceptions import NoScriptError

from portal import proxies, shared
from portal.waiting_room import pace
from portal.waiting_room.load import Told
from portal.waiting_room.tickets import Ticket

KEYS = [f"waiting-room:{name}" for name in ("line", "turns", "inside", "due", "pace", "processes")]
LINE, TURNS, INSIDE, DUE, PACE, PROCESSES = KEYS

_constants = {
    "PACE_OF_A_PROCESS": pace.PACE_OF_A_PROCESS,
    "PROCESSES_AT_LEAST": pace.PROCESSES_AT_LEAST,
    "UNHEARD": pace.UNHEARD,
    "SLOWEST": pace.SLOWEST,
    "FASTEST": pace.FASTEST,
    "BURST": pace.BURST,
    "BURST_AT_LEAST": pace.BURST_AT_LEAST,
    "JUDGED_EVERY": pace.JUDGED_EVERY,
    "FASTER_AT_FIRST": pace.FASTER_AT_FIRST,
    "FASTER_BY": pace.FASTER_BY,
    "BACK_AT_ONCE": pace.BACK_AT_ONCE,
    "SEEN_OVER": pace.SEEN_OVER,
    "FORGOTTEN": pace.FORGOTTEN,
    "SLOW_ONES_MAY_BE": pace.SLOW_ONES_MAY_BE,
    "AS_MANY_AS_COME_BACK": pace.AS_MANY_AS_COME_BACK,
    "SO_THAT_LATE_ONES_END": pace.SO_THAT_LATE_ONES_END,
    "TURNS_WHILE_FEW_COME": pace.TURNS_WHILE_FEW_COME,
    "CLOCKS_DIFFER_BY": pace.CLOCKS_DIFFER_BY,
    "UNDER_WAY_AT_MOST": pace.UNDER_WAY_AT_MOST,
    "SLOWER_AT_MOST_BY": pace.SLOWER_AT_MOST_BY,
    "SLOWER_BY": pace.SLOWER_BY,
    "CROWD_BEFORE_OPENING": pace.CROWD_BEFORE_OPENING,
    "TIME_FOR_THE_FORM": pace.TIME_FOR_THE_FORM,
    "TURN_KEPT": pace.TURN_KEPT,
    "TICKET_GOOD_FOR": pace.TICKET_GOOD_FOR,
    "AWAY_AFTER": pace.AWAY_AFTER,
    "LAST_LOOK_BEFORE": 1.5 * pace.LONGEST_BEFORE_OPENING,
    "OF_ONE": pace.OF_ONE[0],
    "SHARE_OF_ONE": pace.OF_ONE[1],
    "OF_A_NETWORK": pace.OF_A_NETWORK[0],
    "SHARE_OF_A_NETWORK": pace.OF_A_NETWORK[1],
    "TIMES_WHEN_QUIET": pace.TIMES_WHEN_QUIET,
    "LOST_ONES_MAY_BE": pace.LOST_ONES_MAY_BE,
    "MARKS_OF_A_VIEW": pace.MARKS_OF_A_VIEW,
}
ENTER = "".join(f"local {name} = {value}\n" for name, value in _constants.items()) + Path(__file__).with_name(
    "enter.lua"
).read_text(encoding="utf-8")


class Marks(NamedTuple):
    """Of a long line: how many wait, and the places of the first, the last, and those at even steps between."""

    waiting: int
    places: list[float]


class Brought(NamedTuple):
    """By a question, beside its own: whether it wants marks, and who was here meanwhile without asking, with the moment
    by which each page looks again."""

    wants_marks: bool
    looked: Mapping[str, float]


NOTHING = Brought(False, {})


class Answer(NamedTuple):
    """``verdict`` is one of

    in: take the form          again: the form that used the ticket up      spent: the ticket is used up, draw another
    wait: ``place`` of ``among`` are before      before: the same, the season is not open       early: few are here yet
    many: the network has its share              sending: another form is being sent with this ticket
    """

    verdict: str
    place: int
    among: int
    pace: float
    processes: int  # of the web, that share the looks
    let_in_until: float
    marks: Marks | None = None
    perhaps_less: int = 0  # by so many ``place`` may be too high


class Arrival(NamedTuple):
    ticket: Ticket
    is_moved: bool
    opens_at: float
    form: str  # which is sent; empty for a look
    one: str
    network: str


def enter(arrival: Arrival, *, now: float, told: Told, brought: Brought = NOTHING) -> Answer | None:
    """None without a Redis."""
    ticket = arrival.ticket
    keys = [
        *KEYS,
        _done(ticket),
        _sending(ticket),
        f"waiting-room:one:{arrival.one}",
        f"waiting-room:network:{arrival.network}",
    ]
    arguments: list[str | int | float] = [
        f"{now:.6f}",
        ticket.number,
        f"{ticket.place:.9f}",
        int(arrival.is_moved),
        int(bool(arrival.one)),
        arrival.opens_at,
        ticket.let_in_until,
        arrival.form,
        *told,
        settings.WAITING_ROOM,
        int(brought.wants_marks),
    ]
    for number, by in brought.looked.items():
        arguments += number, by
    found = shared.ask(lambda redis: _run(redis, keys, arguments), otherwise=None)
    if found is None:
        return None
    verdict, place, among, pace_now, processes, until, told_marks = found
    marks = Marks(told_marks[0], [float(each) for each in told_marks[1]]) if told_marks else None
    return Answer(verdict.decode(), int(place), int(among), float(pace_now), int(processes), float(until), marks)


def use_up(ticket: Ticket, *, form: str) -> None:
    """By a sign-up that was acknowledged."""

    def question(redis: Redis) -> bool:
        with redis.pipeline(transaction=True) as pipe:
            pipe.set(_done(ticket), form, ex=pace.TICKET_GOOD_FOR)
            pipe.zrem(INSIDE, ticket.number)
            pipe.delete(_sending(ticket))
            pipe.hincrby(PACE, "served", 1)
            pipe.execute()
        return True

    shared.ask(question, otherwise=False)


def keep_on(ticket: Ticket, *, until: float) -> None:
    """The form came back with something to put right, or for another try: it may be sent again until then."""

    def question(redis: Redis) -> bool:
        with redis.pipeline(transaction=True) as pipe:
            pipe.zadd(INSIDE, {ticket.number: until}, xx=True)
            pipe.delete(_sending(ticket))
            pipe.execute()
        return True

    shared.ask(question, otherwise=False)


class Standing(NamedTuple):
    waiting: int
    pace: float

    @property
    def a_minute(self) -> int:
        return round(self.pace * 60)


def standing(*, now: float) -> Standing | None:
    """How many wait; None where nobody does, or nobody can say."""

    def question(redis: Redis) -> Standing:
        waiting = int(redis.zcount(LINE, "-inf", now))
        return Standing(waiting, float(redis.hget(PACE, "pace") or pace.at_first(0)))

    found = shared.ask(question, otherwise=None)
    return found if found and found.waiting else None


def one_and_network(request: HttpRequest) -> tuple[str, str]:
    """Whose share of the line a ticket counts to, as hashes; both empty for nobody in particular."""
    one = proxies.one_of(request)
    return (_hashed(one), _hashed(proxies.network_of(request))) if one else ("", "")


def _hashed(address: str) -> str:
    key = sha256(f"portal.waiting_room.of {settings.SECRET_KEY}".encode()).digest()
    return blake2b(address.encode(), key=key, digest_size=12).hexdigest()


def _done(ticket: Ticket) -> str:
    return f"waiting-room:done:{ticket.number}"


def _sending(ticket: Ticket) -> str:
    return f"waiting-room:sending:{ticket.number}"


class _Script:
    """Its name on the server, which may forget it."""

    sha = ""


def _run(redis: Redis, keys: list[str], arguments: list[str | int | float]) -> list[Any]:
    try:
        if _Script.sha:
            return _called(redis, keys, arguments)
    except NoScriptError:
        pass
    _Script.sha = str(redis.script_load(ENTER))
    return _called(redis, keys, arguments)


def _called(redis: Redis, keys: list[str], arguments: list[str | int | float]) -> list[Any]:
    answer: list[Any] = redis.evalsha(_Script.sha, len(keys), *keys, *arguments)
    return answer
