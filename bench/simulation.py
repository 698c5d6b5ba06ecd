"""An opening in virtual time: more visitors than this machine could bring, on more hosts than there are here.

Simulated are visitors, who do as those of the bench do, and machines: a request takes one of the eight threads of a web
process, shares the cores of its host with the others, and sends its statements to PostgreSQL. What each takes is
measured (`bench.parts.simulate`). Not simulated is the waiting room: each look is a question to its own script in
Valkey, which is told what time it is, and the page looks again when `interval` says so.
"""

import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from portal import shared
from portal.overload import LATEST, SECONDS_WORTH_WAITING, SOONEST
from portal.waiting_room import line, load, pace
from portal.waiting_room.tickets import Ticket
from portal.waiting_room.view import View

CORES, PROCESSES, THREADS = 2, 2, 8
# Of a host whose web processes take all they can get: a worker steps back behind them (portal/celery.py).
LEFT_TO_THE_WORKER = 0.1
TURNED_AWAY = 0.0002
# Of a sign-up, and once more when it is proven.
COMMITS = 2
# As visitors of the rush do.
SESSIONS, PARTIES_OF_ONE = 16, 20
READS_MAIL_AFTER = 30.0

Steps = Generator[Any, None, Any]


class Costs(NamedTuple):
    """CPU seconds, of web processes and of PostgreSQL apart; ``row`` and ``commit`` on the clock."""

    pages: float  # list and session
    look: float  # at the room, in the web process
    redis: float  # the same, in Redis
    form: float
    submit: float
    submit_database: float
    prove: float  # the link, the party's page, the press, the page again
    prove_database: float
    mail: float  # one of two, in a worker
    mail_database: float
    row: float  # one at a time for a session: from its lock to the end of the commit, undisturbed
    commit: float  # where many commit at once, one takes so long


class Cores:
    """Shared evenly by the jobs that are here, each on one core at most; ``mails`` wait for what is left over."""

    def __init__(self, opening: "Opening", number: float, *, mail: float = 0.0) -> None:
        self.opening, self.number, self.mail = opening, number, mail
        self.jobs: list[tuple[float, int, Steps]] = []
        self.each = self.since = self.busy = self.mails = self.planned = 0.0

    def take(self, seconds: float, steps: Steps) -> None:
        self.pass_time()
        heapq.heappush(self.jobs, (self.each + seconds, next(self.opening.order), steps))
        self.plan()

    def pass_time(self) -> None:
        """What was done since the last change."""
        passed, self.since = self.opening.now - self.since, self.opening.now
        used = self._speed() * len(self.jobs)
        if self.mails > 0:
            sent = min(self.mails, passed * (self.number - used) / self.mail)
            self.mails -= sent
            self.busy += sent * self.mail
            if sent:
                self.opening.told.mailed = self.opening.now
        self.each += passed * self._speed()
        self.busy += passed * used

    def _speed(self) -> float:
        number = self.number * (1 - LEFT_TO_THE_WORKER) if self.mails > 0 else self.number
        return min(1.0, number / len(self.jobs)) if self.jobs else 0.0

    def plan(self) -> None:
        if self.jobs:
            self.planned = self.opening.now + max(0.0, self.jobs[0][0] - self.each) / self._speed()
            self.opening.at(self.planned, self._is_done)

    def _is_done(self) -> None:
        if self.opening.now != self.planned or not self.jobs:
            return  # others came or went meanwhile
        self.pass_time()
        _done, _order, steps = heapq.heappop(self.jobs)
        self.plan()
        self.opening.go_on(steps)


class Process:
    """Threads of a web process; who finds none free waits. It tells the room how many requests there were, how many
    of them slow."""

    def __init__(self, opening: "Opening", host: Cores, name: str) -> None:
        self.opening, self.host, self.name, self.free = opening, host, name, THREADS
        self.waiting: deque[Steps] = deque()
        self.count = self.slow = self.late = 0
        self.longest = 0.0
        self.view = View()

    def take(self, steps: Steps) -> None:
        if self.free:
            self.free -= 1
            self.opening.go_on(steps)
        else:
            self.waiting.append(steps)

    def give_back(self) -> None:
        if self.waiting:
            self.opening.at(self.opening.now, self.opening.go_on, self.waiting.popleft())
        else:
            self.free += 1

    def judge(self, seconds: float, *, waited: float) -> None:
        self.count += 1
        self.slow += seconds > pace.SLOW
        self.late += waited > pace.LATE
        self.longest = max(self.longest, seconds)


@dataclass
class Told:
    """What became of them; seconds from the opening."""

    answered: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)  # from coming to the answer
    full: dict[int, float] = field(default_factory=dict)  # session, when its last party signed up
    mailed: float = 0.0
    looks: list[float] = field(default_factory=list)
    from_afar: int = 0  # of the looks: from what their process had seen of the line
    turned_away: int = 0
    most_in_line: int = 0
    fastest: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)  # share of the time until the last answer


class Opening:
    def __init__(
        self, arrivals: Sequence[float], costs: Costs, *, hosts: int, database_cores: int, think: tuple[float, float]
    ) -> None:
        """One host has everything on it; of more than one PostgreSQL is not on any of them. Visitors ``think`` over the
        form for so many seconds."""
        self.now, self.costs, self.arrivals, self.think = 0.0, costs, arrivals, think
        self.order, self.events = count(), list[tuple[float, int, Callable[..., None], tuple[Any, ...]]]()
        self.chance = random.Random(3)  # noqa: S311
        self.hosts = [Cores(self, CORES, mail=costs.mail) for _host in range(hosts)]
        self.processes = [
            Process(self, host, f"{number} {process}")
            for number, host in enumerate(self.hosts)
            for process in range(PROCESSES)
        ]
        self.database = Cores(self, database_cores) if hosts > 1 else self.hosts[0]
        self.rows = [Cores(self, 1) for _session in range(SESSIONS)]
        self.commits = Cores(self, 1)
        self.parties = [0] * SESSIONS
        self.have_tickets = set[str]()
        self.told = Told()

    def play(self, *, until: float) -> Told:
        for number, moment in enumerate(self.arrivals):
            self.at(moment, self.go_on, self._visitor(number))
        while self.events and self.events[0][0] <= until:
            self.now, _order, happens, what = heapq.heappop(self.events)
            happens(*what)
            if len(self.told.answered) == len(self.arrivals) and not self.told.busy:
                self.told.busy = self._busy()
        self.told.busy = self.told.busy or self._busy()
        left = max(host.mails * host.mail / host.number for host in self.hosts)
        self.told.mailed = self.now + left if left else self.told.mailed
        return self.told

    def at(self, moment: float, happens: Callable[..., None], *what: Any) -> None:
        heapq.heappush(self.events, (moment, next(self.order), happens, what))

    def go_on(self, steps: Steps) -> None:
        """Until it wants time, a thread of a process, or seconds of a core."""
        match next(steps, None):
            case (Cores() as cores, seconds):
                cores.take(seconds, steps)
            case Process() as process:
                process.take(steps)
            case float(seconds):
                self.at(self.now + seconds, self.go_on, steps)

    def _busy(self) -> dict[str, float]:
        kinds = {"web": self.hosts, "database": [self.database], "rows": self.rows, "commits": [self.commits]}
        for each in (each for kind in kinds.values() for each in kind):
            each.pass_time()
        return {
            name: max(each.busy / each.number for each in kind) / self.now
            for name, kind in kinds.items()
            if name != "database" or self.database is not self.hosts[0]
        }

    def _visitor(self, number: int) -> Steps:
        costs = self.costs
        yield from self._asks(lambda process, _came: self._works(process, costs.pages))
        ticket = Ticket(f"visitor-{number}", self.now)
        while again_in := (yield from self._asks(lambda *at: self._look(ticket, "", costs.form, 0.0, *at))):
            yield float(again_in)
        yield self.chance.uniform(*self.think)
        submit = costs.submit, costs.submit_database
        while again_in := (yield from self._asks(lambda *at: self._look(ticket, ticket.number, *submit, *at))):
            yield float(again_in)
        line.use_up(ticket, form=ticket.number)
        self._is_answered(number)
        yield READS_MAIL_AFTER
        yield from self._asks(lambda process, _came: self._works(process, costs.prove, costs.prove_database))
        yield from self._mail()

    def _asks(self, answer: Callable[[Process, float], Steps]) -> Steps:
        """Of any process. Who waited long for a thread is told to come again, and does."""
        while True:
            process, came = self.chance.choice(self.processes), self.now
            yield process
            if self.now - came <= SECONDS_WORTH_WAITING:
                found = yield from answer(process, came)
                process.give_back()
                return found
            self.told.turned_away += 1
            yield process.host, TURNED_AWAY
            process.give_back()
            yield float(self.chance.randint(SOONEST, LATEST))

    def _look(self, ticket: Ticket, form: str, web: float, database: float, process: Process, came: float) -> Steps:
        """The form or the sign-up where the room lets in; else after how many seconds to look again."""
        waited = self.now - came
        looks_again = not form and ticket.number in self.have_tickets
        answer = process.view.place(ticket, now=self.now) if looks_again else None
        self.told.from_afar += answer is not None
        if answer is None:
            told = load.Told(process.name, process.count, process.slow, process.late, process.longest)
            process.count = process.slow = process.late = 0
            process.longest = 0.0
            arrival = line.Arrival(ticket, False, 0.0, form, "", "")
            ask = lambda brought: line.enter(arrival, now=self.now, told=told, brought=brought)
            while (answer := process.view.asking(ask, now=self.now)) is None:
                time.sleep(shared.SECONDS_WITHOUT_ASKING)  # a busy machine is no part of what is simulated
        self.told.fastest = max(self.told.fastest, answer.pace)
        yield process.host, self.costs.look
        if answer.verdict == "in":
            yield from self._works(process, web, database)
            process.judge(self.now - came, waited=waited)
            return 0
        self.told.looks.append(self.now)
        self.have_tickets.add(ticket.number)
        self.told.most_in_line = max(self.told.most_in_line, answer.among)
        surely = answer.place - answer.perhaps_less
        asked = pace.interval(surely, waiting=answer.among, pace=answer.pace, processes=answer.processes)
        return max(1, round(asked * self.chance.uniform(0.9, 1.1)))

    def _works(self, process: Process, web: float, database: float = 0.0) -> Steps:
        """What writes waits for the row of its session and for a commit as well."""
        yield process.host, web * self.chance.uniform(0.7, 1.3)
        if database:
            yield self.database, database * self.chance.uniform(0.7, 1.3)
            yield self.chance.choice(self.rows), self.costs.row
            yield self.commits, COMMITS * self.costs.commit

    def _is_answered(self, number: int) -> None:
        self.told.answered.append(self.now)
        self.told.waited.append(self.now - self.arrivals[number])
        session = self.chance.randrange(SESSIONS)
        self.parties[session] += 1
        if self.parties[session] == PARTIES_OF_ONE:
            self.told.full[session] = self.now
        self.at(self.now, self.go_on, self._mail())

    def _mail(self) -> Steps:
        host = self.chance.choice(self.hosts)
        host.pass_time()
        host.mails += 1
        host.plan()
        yield self.database, self.costs.mail_database
