"""An opening in virtual time: more visitors than this machine could bring, on more machines than there are here.

What is simulated: visitors, who do as those of the bench do; requests as jobs that wait for a core of a web host, then
for PostgreSQL, for the row of their session and for a commit; Redis, one question after the other. What each takes is
measured (`bench.parts.simulate`). How many are let in and when a page looks again are the waiting room's own rules:
``interval`` and the constants of portal/waiting_room/pace.py, and enter.lua said again in `Room`; the part compares
that with the script itself, by the same visitors.

Of very many visitors one stands for ``each``: it is as many, takes as much, and counts for as many in the line.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, Protocol

from portal.waiting_room import pace as rules

# As in portal/overload.py, portal/shared.py and portal/waiting_room/middleware.py.
SECONDS_WORTH_WAITING = 20.0
COME_AGAIN_AFTER = (3.0, 8.0)
REDIS_ANSWERS_WITHIN = 0.25
WITHOUT_REDIS_AGAIN_AFTER = 20.0
# As visitors of the rush do.
THINK = (3.0, 4.0)
READS_MAIL_AFTER = 30.0
SESSIONS = 16
CORES_OF_A_HOST = 2
WEB_PROCESSES_OF_A_HOST = 2
SIGN_UPS_AT_ONCE = 6
# Of those that only look and are told to come again.
TURNED_AWAY = 0.0002


class Costs(NamedTuple):
    """Seconds. CPU of web and of PostgreSQL apart; ``row`` is from the claim to the end of the commit."""

    pages: float  # list and session
    look: float  # a look at the waiting room, in the web process
    redis: float  # the same, in Redis
    form: float
    submit: float
    submit_database: float
    prove: float  # the link, the party's page, the press, the page again
    prove_database: float
    mail: float  # one of two, in a worker
    mail_database: float
    row: float
    commit: float  # what one takes where many commit at once
    commits: int = 4  # of a sign-up that is proven, with its mails


class Answer(NamedTuple):
    is_in: bool
    place: int = 0
    among: int = 0
    pace: float = 0.0


class Line(Protocol):
    def look(self, visitor: int, now: float, measured: tuple[int, int]) -> Answer | None: ...

    def served(self, visitor: int) -> None: ...


class Room:
    """What enter.lua does, with numbers instead of sets: the line is in the order in which visitors came."""

    def __init__(self, *, each: int = 1, fastest: float = rules.FASTEST) -> None:
        self.each, self.fastest = each, fastest
        self.pace = rules.PACE_AT_FIRST
        self.credit = self.pace * rules.BURST
        self.ticked = self.judged = 0.0
        self.count = self.slow = self.back = self.given = 0
        self.is_known = False
        self.joined: dict[int, int] = {}
        self.line: list[int] = []
        self.gone = 0  # so many of the line have had their turn
        self.due: dict[int, float] = {}

    @property
    def waiting(self) -> int:
        return (len(self.line) - self.gone) * self.each

    def look(self, visitor: int, now: float, measured: tuple[int, int]) -> Answer:
        self.count += measured[0] * self.each
        self.slow += measured[1] * self.each
        self._judge(now)
        self._let_in(now)
        if visitor in self.joined:
            if self.joined[visitor] < self.gone:
                return Answer(True)
        elif self.credit >= 1 and not self.waiting:
            self.credit -= self.each
            self.given += self.each
            return Answer(True)
        else:
            self.joined[visitor] = len(self.line)
            self.line.append(visitor)
        place = (self.joined[visitor] - self.gone) * self.each
        self.due[visitor] = now + place / self.pace + rules.AWAY_AFTER
        return Answer(False, place, self.waiting, self.pace)

    def served(self, visitor: int) -> None:
        self.back += self.each

    def _judge(self, now: float) -> None:
        passed = now - self.judged
        if passed < 0:
            self.count = self.slow = self.back = self.given = 0
        elif passed >= rules.JUDGED_EVERY:
            self.judged = now + rules.JUDGED_EVERY * self._change(passed)
            self.count = self.slow = self.back = self.given = 0

    def _change(self, passed: float) -> bool:
        """Whether the pace fell, so that what is under way is not judged."""
        if self.slow > 1 + rules.SLOW_ONES_MAY_BE * self.count:
            a_second = self.back / passed
            if not self.back:
                self.pace *= rules.SLOWER_BY
            elif a_second < min(self.pace, self.given / passed) * rules.AS_MANY_AS_COME_BACK:
                self.pace = max(a_second, self.pace * rules.SLOWER_AT_MOST_BY)
            self.pace, self.is_known = max(rules.SLOWEST, self.pace), True
            self.credit = min(self.credit, self.pace)
            return True
        is_asked_for = self.count > 0 and self.waiting > 0
        if self.pace < rules.PACE_AT_FIRST or is_asked_for:
            faster = rules.FASTER_AT_FIRST if is_asked_for and not self.is_known else rules.FASTER_BY
            is_seen = self.back / passed >= self.pace / 2
            most = self.fastest if self.is_known or is_seen else max(self.pace, rules.FASTEST_UNSEEN)
            self.pace = min(most, self.pace + max(0.5, self.pace * faster))
        return False

    def _let_in(self, now: float) -> None:
        self.credit += max(0.0, now - self.ticked) * self.pace
        self.credit = min(max(rules.BURST_AT_LEAST, self.pace * rules.BURST, self.each), self.credit)
        self.ticked = max(now, self.ticked)
        for _ in range(200):
            if self.credit < 1 or self.gone == len(self.line):
                break
            head = self.line[self.gone]
            if now <= self.due[head]:
                self.credit -= self.each
            self.gone += 1
            self.given += self.each


class Servers:
    """So many of a kind; whoever comes takes the one that is free first. ``busy`` is what all of them have worked."""

    def __init__(self, number: int) -> None:
        self.free = [0.0] * number
        self.busy = 0.0

    def work(self, now: float, seconds: float) -> tuple[float, float]:
        """When it begins and when it ends."""
        begins = max(now, heapq.heappop(self.free))
        heapq.heappush(self.free, begins + seconds)
        self.busy += seconds
        return begins, begins + seconds

    def begins(self, now: float) -> float:
        return max(now, self.free[0])


@dataclass
class Told:
    """What became of them; seconds from the opening."""

    answered: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)  # from coming to the answer
    mailed: float = 0.0
    looks: list[float] = field(default_factory=list)
    turned_away: int = 0
    most_in_line: int = 0
    pace: list[tuple[float, float]] = field(default_factory=list)
    busy: dict[str, float] = field(default_factory=dict)  # share of the time until the last answer

    @property
    def last(self) -> float:
        return max(self.answered, default=0.0)


class Opening:
    def __init__(
        self,
        arrivals: Sequence[float],
        costs: Costs,
        room: Line,
        *,
        web_hosts: int,
        database_cores: int,
        each: int = 1,
        is_one_machine: bool = False,
    ) -> None:
        """On ``is_one_machine`` PostgreSQL and workers share the cores of the web host."""
        self.costs, self.room, self.each = costs, room, each
        self.arrivals = arrivals
        self.chance = random.Random(3)  # noqa: S311
        self.web = Servers(CORES_OF_A_HOST * web_hosts)
        self.processes = WEB_PROCESSES_OF_A_HOST * web_hosts
        self.database = self.web if is_one_machine else Servers(database_cores)
        self.workers = self.web if is_one_machine else Servers(CORES_OF_A_HOST * max(1, web_hosts // 2))
        self.redis, self.commits = Servers(1), Servers(1)
        self.rows = [Servers(1) for _session in range(SESSIONS)]
        self.under_way = 0
        self.measured = [0, 0]
        self.told = Told()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()

    def play(self, *, until: float = float("inf")) -> Told:
        for visitor, moment in enumerate(self.arrivals):
            self._at(moment, lambda now, who=visitor: self._comes(who, now))  # type: ignore[misc]
        while self._events:
            now, _order, happens = heapq.heappop(self._events)
            if now > until:
                break
            happens(now)
        self.told.busy = self._busy()
        return self.told

    def _busy(self) -> dict[str, float]:
        """Of each kind, by what was worked until the last answer: what was done later for mail is in it as well."""
        kinds = {"web": [self.web], "database": [self.database], "session row": self.rows}
        kinds |= {"commits": [self.commits], "redis": [self.redis]}
        until = max(self.told.last, 1e-9)
        return {
            name: max(each.busy / len(each.free) for each in servers) / until
            for name, servers in kinds.items()
            if name != "database" or self.database is not self.web
        }

    def _at(self, moment: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), happens))

    def _again(self, seconds: float, now: float, happens: Callable[[float], None]) -> None:
        self._at(now + max(1, round(seconds * self.chance.uniform(0.9, 1.1))), happens)

    def _is_turned_away(self, now: float, again: Callable[[float], None]) -> bool:
        """Who would wait for 20 s for a thread is told to come again."""
        begins = self.web.begins(now)
        if begins - now <= SECONDS_WORTH_WAITING:
            return False
        self.told.turned_away += self.each
        self.web.work(now, TURNED_AWAY * self.each)
        self._at(begins + self.chance.uniform(*COME_AGAIN_AFTER), again)
        return True

    def _comes(self, who: int, now: float) -> None:
        if self._is_turned_away(now, lambda later: self._comes(who, later)):
            return
        _begins, ends = self.web.work(now, self.costs.pages * self.each)
        self._at(ends, lambda later: self._looks(who, later))

    def _looks(self, who: int, now: float) -> None:
        if self._is_turned_away(now, lambda later: self._looks(who, later)):
            return
        _begins, ends = self.web.work(now, self.costs.look * self.each)
        self._at(ends, lambda later: self._asks_redis(who, later))

    def _asks_redis(self, who: int, now: float) -> None:
        self.told.looks.append(now)
        if self.redis.begins(now) - now > REDIS_ANSWERS_WITHIN:
            self.told.turned_away += self.each
            self._again(WITHOUT_REDIS_AGAIN_AFTER, now, lambda later: self._looks(who, later))
            return
        _begins, ends = self.redis.work(now, self.costs.redis * self.each)
        answer = self.room.look(who, now, (self.measured[0], self.measured[1]))
        if answer is None:
            self._again(WITHOUT_REDIS_AGAIN_AFTER, now, lambda later: self._looks(who, later))
            return
        self.measured = [0, 0]
        if answer.is_in:
            self._at(ends, lambda later: self._reads_form(who, later))
            return
        self.told.most_in_line = max(self.told.most_in_line, answer.among)
        self.told.pace.append((now, answer.pace))
        asked = rules.interval(answer.place, waiting=answer.among, pace=answer.pace)
        self._again(asked, now, lambda later: self._looks(who, later))

    def _reads_form(self, who: int, now: float) -> None:
        ends = self._judged(now, self.costs.form, lambda: self.web.work(now, self.costs.form * self.each)[1])
        self._at(ends + self.chance.uniform(*THINK), lambda later: self._sends(who, later))

    def _sends(self, who: int, now: float) -> None:
        if self._is_turned_away(now, lambda later: self._sends(who, later)):
            return
        costs = self.costs
        own = costs.submit + costs.submit_database + costs.row + costs.commit
        ends = self._judged(now, own, lambda: self._writes(now, costs.submit, costs.submit_database))
        self._at(ends, lambda later: self._is_answered(who, later))

    def _judged(self, now: float, seconds: float, work: Callable[[], float]) -> float:
        """Slow is what takes a second, or finds its process busy. Where one stands for many, of what those take one
        after the other each waits for its own part only."""
        cores = len(self.web.free)
        others = min(self.under_way, cores) + max(0, self.under_way - cores) * self.each
        found_busy = others >= SIGN_UPS_AT_ONCE * self.processes
        ends = work()
        took = ends - now - seconds * (self.each - 1)
        self.under_way += 1
        self._at(ends, lambda _later: self._done(is_slow=found_busy or took > rules.SLOW))
        return ends

    def _done(self, *, is_slow: bool) -> None:
        self.under_way -= 1
        self.measured[0] += 1
        self.measured[1] += is_slow

    def _writes(self, now: float, web: float, database: float) -> float:
        """Where PostgreSQL has cores of its own it works beside; the row of the session is one at a time."""
        if self.database is self.web:
            _begins, ends = self.web.work(now, (web + database) * self.each)
        else:
            _begins, ends = self.web.work(now, web * self.each)
            _begins, ends = self.database.work(ends, database * self.each)
        _begins, ends = self.chance.choice(self.rows).work(ends, self.costs.row * self.each)
        return self.commits.work(ends, self.costs.commit * self.costs.commits / 2 * self.each)[1]

    def _is_answered(self, who: int, now: float) -> None:
        self.told.answered.append(now)
        self.told.waited.append(now - self.arrivals[who])
        self.room.served(who)
        self._mail(now)
        self._at(now + READS_MAIL_AFTER, lambda later: self._proves(later))

    def _proves(self, now: float) -> None:
        if self._is_turned_away(now, self._proves):
            return
        ends = self._writes(now, self.costs.prove, self.costs.prove_database)
        self._at(ends, self._mail)

    def _mail(self, now: float) -> None:
        self.database.work(now, self.costs.mail_database * self.each)
        self.told.mailed = max(self.told.mailed, self.workers.work(now, self.costs.mail * self.each)[1])


def looks_a_second(told: Told, *, each: int = 1) -> float:
    """In the busiest minute."""
    return max(Counter(int(moment // 60) for moment in told.looks).values(), default=0) * each / 60
