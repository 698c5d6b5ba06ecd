"""An opening that this machine could not bring: 100,000 in ten minutes, ten and a thousand times the rush of the table,
on one to a hundred web hosts, in virtual time (`bench.simulation`).

First what a request and a sign-up take is measured here: of those who find no place and join a line, for of so many
nearly all do. Then the same 2,000 visitors meet the waiting room's script in Valkey and what stands for it here: both
must tell the same. Then 5,000 and 100,000 wait in Valkey, and the looks of their pages are counted by its own rule.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from django.db import connection

from bench import plots, report, seasons
from bench.hammer import hammer
from bench.mailbox import MadeLinks
from bench.parts import pgbench
from bench.parts.rush import at_share
from bench.report import Figure
from bench.run import Measured, Run
from bench.simulation import CORES_OF_A_HOST, Answer, Costs, Line, Opening, Room, Told, looks_a_second
from bench.stack import Stack, running
from bench.usage import Meter
from bench.visitors import Mailbox, Visitor, in_turns
from bookings.models import Notice
from portal import shared
from portal.processes import wait_until
from portal.waiting_room import line
from portal.waiting_room import pace as rules
from portal.waiting_room.tickets import Ticket
from tests.acts import submit
from tests.factories import make_booking, make_waiting

COUNTED, WARM_UP, AT_ONCE = 96, 16, 32
SECONDS_OF_A_PAGE = 1.5
# One simulated visitor stands for so many that no more than this are simulated.
MOST_SIMULATED = 5_000
HOSTS = (1, 2, 10, 100)
# Two hours in, what is not answered is told as such.
LONGEST = 7200.0
CORES_OF_THE_DATABASE = 8


class Rush(NamedTuple):
    name: str
    visitors: int
    seconds: float


TABLE = Rush("the table's 2,000 in a second", 2_000, 1.0)
RUSHES = (
    Rush("100,000 in ten minutes", 100_000, 600.0),
    Rush("ten times the table: 20,000 in a second", 20_000, 1.0),
    Rush("a thousand times: 2,000,000 in a second", 2_000_000, 1.0),
)


def measure(run: Run) -> list[Figure]:
    costs = measured(run)
    run.note(
        "- simulate, measured here, ms: "
        + ", ".join(f"{name} {1000 * each:.2f}" for name, each in costs._asdict().items() if name != "commits")
    )
    figures = [same_as_the_script(run, costs), polls(run, costs)]
    curves = []
    for rush in RUSHES:
        for hosts in HOSTS if rush.visitors < 1_000_000 else HOSTS[2:]:
            told = play(rush, hosts, costs)
            run.say(f"   {rush.name}, {hosts}: {in_time(told.last)}")
            figures.append(row(run, rush, hosts, told))
            if rush is RUSHES[0]:
                curves.append((hosts, told))
    unbound = play(RUSHES[2], 100, costs, fastest=float("inf"))
    figures.append(row(run, RUSHES[2], 100, unbound, "no bound of the pace, "))
    draw(run, curves)
    return figures


# What things take


def measured(run: Run) -> Costs:
    sessions = seasons.fresh_season(**{**seasons.RUSH, "max_parties": 60})
    for session in sessions:
        for _party in range(20):
            make_booking(session, size=3)
        make_waiting(session, size=2)
    form = f"/en/sessions/{sessions[0].pk}/sign-up/"
    links = MadeLinks(run.servers.database_url())
    try:
        with room(run, "off", "web") as stack:
            pages = sum(page(run, stack, path)[0] for path in ("/en/", f"/en/sessions/{sessions[0].pk}/"))
            shown, _redis = page(run, stack, form)
            turns(run, stack, "warm", WARM_UP, mailbox=links.link)
            asked = turns(run, stack, "asked", COUNTED)
            proven = turns(run, stack, "proven", COUNTED, mailbox=links.link)
    finally:
        links.close()
    with room(run, "off", "web", "worker", "beat") as stack:
        turns(run, stack, "mailed-warm", WARM_UP, reads_mail=True)
        wait_until(lambda: not Notice.objects.unsettled().exists(), at_most=60)
        idle = run.idle(stack)
        with run.measuring(stack) as found:
            turns(run, stack, "mailed", COUNTED, reads_mail=True)
            wait_until(lambda: not Notice.objects.unsettled().exists(), at_most=60)
        mailed = found()
    with room(run, "on", "web") as stack:
        look, in_redis = page(run, stack, form)

    def each(of: Measured, *groups: str) -> float:
        return of.usage.of(*groups) / COUNTED

    worker = mailed.usage.without(idle.usage, "worker", "beat") / COUNTED
    return Costs(
        pages=pages,
        look=look,
        redis=in_redis,
        form=shown,
        submit=max(0.0, each(asked, "web") - pages - shown),
        submit_database=each(asked, "postgres"),
        prove=max(0.0, each(proven, "web") - each(asked, "web")),
        prove_database=max(0.0, each(proven, "postgres") - each(asked, "postgres")),
        mail=worker / 2,
        mail_database=max(0.0, mailed.usage.without(idle.usage, "postgres") / COUNTED - each(proven, "postgres")) / 2,
        row=seconds_of_a_row(sessions[0]),
        commit=1 / pgbench.commits_a_second(run),
    )


@contextmanager
def room(run: Run, kind: str, *parts: str) -> Iterator[Stack]:
    with running(run.servers, {**run.shell, "WAITING_ROOM": kind}, *parts, web=run.asked.web) as stack:
        yield stack


def page(run: Run, stack: Stack, path: str) -> tuple[float, float]:
    """CPU seconds of one answer: in the web process, and in Redis."""
    hammer(stack.port, path, seconds=0.5)
    with run.measuring(stack) as found:
        hammered = hammer(stack.port, path, seconds=SECONDS_OF_A_PAGE)
    answers = max(1, hammered.answers)
    return found().usage.of("web") / answers, found().usage.of("redis") / answers


def turns(
    run: Run, stack: Stack, name: str, number: int, *, mailbox: Mailbox | None = None, reads_mail: bool = False
) -> Measured:
    visitors = [Visitor(n, 1 + n % 3, email=f"{name}-{n}@visitors.example") for n in range(number)]
    come = partial(in_turns, visitors=visitors, at_once=AT_ONCE)
    found = run.visits(stack, lambda crowd: come(crowd), mailbox=mailbox, reads_mail=reads_mail)
    if found.errors:
        raise RuntimeError(f"{name}: {found.errors}")
    return found


def seconds_of_a_row(session: Any) -> float:
    """From the statement that locks the session to the end of the commit, one at a time and undisturbed."""
    began = [0.0]

    def clock(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not began[0] and ("FOR NO KEY UPDATE" in sql or sql.startswith('UPDATE "bookings_toursession"')):
            began[0] = time.monotonic()
        return execute(sql, *rest)

    taken = []
    for _time in range(40):
        began[0] = 0.0
        with connection.execute_wrapper(clock):
            submit(session, now=session.season.opens_at)
        taken.append(time.monotonic() - began[0])
    return min(taken)


# The waiting room's script, and what stands for it


class Script:
    """The real one, in Valkey: it is told what time it is."""

    def __init__(self) -> None:
        self._tickets: dict[int, Ticket] = {}

    def look(self, visitor: int, now: float, measured: tuple[int, int]) -> Answer:
        ticket = self._tickets.setdefault(visitor, Ticket(f"visitor-{visitor}", now))
        arrival = line.Arrival(ticket, False, 0.0, "", "", "")
        while (answer := line.enter(arrival, now=now, measured=measured)) is None:
            time.sleep(shared.SECONDS_WITHOUT_ASKING)  # a busy machine is no part of what is simulated
        return Answer(answer.verdict == "in", answer.place, answer.among, answer.pace)

    def served(self, visitor: int) -> None:
        line.use_up(self._tickets[visitor], form=str(visitor))


def same_as_the_script(run: Run, costs: Costs) -> Figure:
    run.servers.forget_shared()
    script, ours = (play(TABLE, 1, costs, room=each) for each in (Script(), Room()))
    return Figure(
        f"{TABLE.name}, one machine: last answer by the script in Valkey; by what stands for it, s",
        f"{script.last:.0f}; {ours.last:.0f}",
        "",
        "the same",
        abs(script.last - ours.last) <= 0.05 * script.last,
        f"p50 {at_share(sorted(script.waited), 0.5):.0f}; {at_share(sorted(ours.waited), 0.5):.0f}",
    )


def polls(run: Run, costs: Costs) -> Figure:
    """As many wait as tickets stand in Valkey, for a pace of 50: looks of all of them a second by the rule, and what
    one takes in Redis, measured by looks from anywhere in the line."""
    told = []
    for waiting in (5_000, 100_000):
        spent, a_second = of_a_line(run, waiting)
        told.append((waiting, spent, a_second))
        run.note(
            f"- simulate, {waiting:,} waiting: {a_second:.0f} looks a second; each {1000 * spent:.3f} CPU ms in Redis"
            f" and {1000 * costs.look:.2f} in a web process:"
            f" {a_second * spent:.3f} and {a_second * costs.look:.3f} cores"
        )
    few, many = told
    return Figure(
        "looks a second of 5,000; of 100,000 waiting",
        f"{few[2]:.0f}; {many[2]:.0f}",
        "",
        "the same",
        many[2] <= 1.5 * few[2],
        f"each in Redis {1000 * few[1]:.3f}; {1000 * many[1]:.3f} CPU ms",
    )


def of_a_line(run: Run, waiting: int) -> tuple[float, float]:
    run.servers.forget_shared()
    now, looks = 1000.0, 3000
    filled = shared.shared_redis()
    if filled is None or run.servers.broker.child is None:
        raise RuntimeError("no Valkey of our own")
    for begin in range(0, waiting, 10_000):
        numbers = range(begin, min(begin + 10_000, waiting))
        filled.zadd(line.LINE, {f"visitor-{n}": n / waiting for n in numbers})
        filled.hset(line.DUE, mapping={f"visitor-{n}": now + 900 for n in numbers})
    filled.hset(line.PACE, mapping={"pace": 50, "credit": 0, "ticked": now, "judged": now})
    chance = random.Random(4)  # noqa: S311
    meter = Meter({"redis": run.servers.broker.child.pid})
    for _look in range(looks):
        number = chance.randrange(waiting)
        ticket = Ticket(f"visitor-{number}", number / waiting)
        line.enter(line.Arrival(ticket, False, 0.0, "", "", ""), now=now, measured=(0, 0))
    spent = meter.read().of("redis") / looks
    return spent, sum(1 / rules.interval(place, waiting=waiting, pace=50) for place in range(waiting))


# Openings


def play(rush: Rush, hosts: int, costs: Costs, *, room: Line | None = None, fastest: float = rules.FASTEST) -> Told:
    each = max(1, rush.visitors // MOST_SIMULATED)
    chance = random.Random(1)  # noqa: S311
    arrivals = sorted(rush.seconds * chance.random() for _visitor in range(rush.visitors // each))
    opening = Opening(
        arrivals,
        costs,
        room or Room(each=each, fastest=fastest),
        web_hosts=hosts,
        database_cores=CORES_OF_THE_DATABASE,
        each=each,
        is_one_machine=hosts == 1,
    )
    return opening.play(until=LONGEST)


def row(run: Run, rush: Rush, hosts: int, told: Told, how: str = "") -> Figure:
    each = max(1, rush.visitors // MOST_SIMULATED)
    waited = sorted(told.waited)
    answered = (
        "" if len(waited) * each >= rush.visitors // each * each else f" ({len(waited) * each:,} answered by then)"
    )
    busy = ", ".join(f"{name} {share:.0%}" for name, share in told.busy.items())
    return Figure(
        f"SIMULATED {rush.name}, {how}{hosts} web host{'s' * (hosts > 1)}: last answer; waited p50, p95",
        f"{in_time(told.last)}{answered}; {in_time(at_share(waited, 0.5))}, {in_time(at_share(waited, 0.95))}",
        "",
        "",
        None,
        f"limit: {limit(told)}; busy: {busy}; most in line {told.most_in_line:,};"
        f" looks {looks_a_second(told, each=each):.0f}/s; last mail {in_time(told.mailed)}",
    )


def limit(told: Told) -> str:
    """What was at its end for most of the time until the last answer."""
    name, share = max(told.busy.items(), key=lambda each: each[1])
    if share > 0.75:
        return name
    if share < 0.2 and told.pace[-1:] and told.last > told.pace[-1][0]:
        return "pages that sleep until their next look"
    fast = sum(0.99 < pace / rules.FASTEST < 1.01 for _moment, pace in told.pace)
    if told.pace and fast > len(told.pace) / 2:
        return f"the pace of {rules.FASTEST:.0f} a second"
    return "none" if share < 0.5 else f"{name}, not at its end"


def in_time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def draw(run: Run, curves: list[tuple[int, Told]]) -> None:
    if run.asked.no_file:
        return
    rush = RUSHES[0]
    each = rush.visitors // MOST_SIMULATED
    lines = [
        plots.Series(f"{hosts} host{'s' * (hosts > 1)}", scaled(told.answered, each))
        for hosts, told in curves
        if hosts in (1, 2, 10)
    ]
    waits = [
        plots.Series(name.name, sorted(zip(told.answered, told.waited, strict=True)), "line")
        for name, (hosts, told) in zip(lines, curves, strict=False)
    ]
    about = f"SIMULATED: {rush.name}; hosts of {CORES_OF_A_HOST} cores; costs as measured, rules of the waiting room"
    panels = [plots.Panel("Visitors answered", "", lines), plots.Panel("How long they waited, by when", "s", waits)]
    plots.write(report.RESULTS / "simulate-answers.svg", plots.draw("A hundred thousand in ten minutes", about, panels))


def scaled(moments: list[float], each: int) -> list[tuple[float, float]]:
    return [(moment, number * each) for moment, number in plots.counted(moments)[::5]]
