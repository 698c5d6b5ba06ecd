"""An opening that this machine could not bring: 100,000 in ten minutes, and ten times the rush of the table, on one to
ten web hosts, in virtual time (`bench.simulation`); beside it the table's own rush as it was measured.

First what a request and a sign-up take is measured here: of those who find no place and join a line, for of so many
nearly all do. A thousand times the rush is not played but reckoned from the same costs. At last 5,000 and 100,000 wait
in Valkey, and the looks of their pages are counted by its own rule.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import ceil
from typing import Any, NamedTuple

from django.db import connection

from bench import crowds, plots, report, seasons
from bench.hammer import hammer
from bench.mailbox import MadeLinks
from bench.parts import pgbench
from bench.parts.rush import at_share
from bench.report import Figure
from bench.run import Measured, Run
from bench.simulation import COMMITS, CORES, PROCESSES, Costs, Opening, Told
from bench.stack import Stack, running
from bench.usage import Meter
from bench.visitors import Mailbox, Visitor, in_turns
from bookings.models import Notice
from portal.processes import wait_until
from portal.waiting_room import line, load, pace
from tests.acts import submit
from tests.factories import make_booking, make_waiting

COUNTED, WARM_UP, AT_ONCE = 96, 16, 32
SECONDS_OF_A_PAGE = 1.5
DATABASE_CORES = 8
MEASURED = re.compile(r"rush of 2000: .*?\| *2000; 0; ([\d.]+) .*?refusing by its ledger, s .*?< 12 +\| ([\d.]+)", re.S)


class Rush(NamedTuple):
    """Played for so many ``minutes`` at most."""

    name: str
    visitors: int
    seconds: float
    hosts: tuple[int, ...]
    minutes: int = 60
    think: tuple[float, float] = (3.0, 4.0)


TABLE = Rush("the table's 2,000 in a second", 2_000, 1.0, (1,))
CROWD = Rush("100,000 in ten minutes", 100_000, 600.0, (1, 2, 10))
TEN_TIMES = Rush("ten times the table: 20,000 in a second", 20_000, 1.0, (1, 10))
AS_PEOPLE = TEN_TIMES._replace(
    name="ten times the table by people who write for half a minute to two minutes", think=(30.0, 120.0)
)
THOUSAND_TIMES = 1000 * TABLE.visitors


def measure(run: Run) -> list[Figure]:
    costs = measured(run)
    run.note(
        "- simulate, measured here, ms: "
        + ", ".join(f"{name} {1000 * each:.2f}" for name, each in costs._asdict().items())
    )
    figures, curves = [], []
    for rush in (TABLE, TEN_TIMES, AS_PEOPLE, CROWD):
        for hosts in rush.hosts:
            run.servers.forget_shared()
            told = play(rush, hosts, costs)
            figures.append(row(rush, hosts, told))
            run.say(f"   {figures[-1].name}: {figures[-1].reached}; {figures[-1].beside}")
            if rush is CROWD:
                curves.append((f"{hosts} host{'s' * (hosts > 1)}", told))
            if rush is TABLE:
                figures.append(beside_the_measured(told))
    if not run.asked.no_file:
        draw(curves)
    return [*figures, *reckoned(costs), polls(run, costs)]


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


def polls(run: Run, costs: Costs) -> Figure:
    """As many wait as tickets stand in Valkey, at the pace of one host: looks of all a second by the rule, and what
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
    if run.servers.broker.child is None:
        raise RuntimeError("no Valkey of our own")
    looks, now = 3000, crowds.wait(waiting)
    chance = random.Random(4)  # noqa: S311
    meter = Meter({"redis": run.servers.broker.child.pid})
    for look in range(looks):
        ticket = crowds.one_of(waiting, chance.randrange(waiting), now=now)
        line.enter(line.Arrival(ticket, False, 0.0, "", "", ""), now=now, told=load.Told(f"{look % PROCESSES}", 0, 0))
    spent = meter.read().of("redis") / looks
    return spent, sum(
        1 / pace.interval(place, waiting=waiting, pace=crowds.PACE_OF_ONE_HOST, processes=PROCESSES)
        for place in range(waiting)
    )


# Openings


def play(rush: Rush, hosts: int, costs: Costs) -> Told:
    chance = random.Random(1)  # noqa: S311
    arrivals = sorted(rush.seconds * chance.random() for _visitor in range(rush.visitors))
    opening = Opening(arrivals, costs, hosts=hosts, database_cores=DATABASE_CORES, think=rush.think)
    return opening.play(until=60.0 * rush.minutes)


def row(rush: Rush, hosts: int, told: Told) -> Figure:
    waited = sorted(told.waited)
    all_answered = len(waited) == rush.visitors
    last = in_time(told.answered[-1]) if all_answered else f"{len(waited):,} answered in {rush.minutes} min"
    busiest = max(Counter(int(moment // 60) for moment in told.looks).values(), default=0) / 60
    from_afar = told.from_afar / max(1, len(told.looks))
    busy = ", ".join(f"{name} {share:.0%}" for name, share in told.busy.items())
    return Figure(
        f"SIMULATED {rush.name}, {hosts} web host{'s' * (hosts > 1)}: last answer; waited p50, p95",
        f"{last}; {in_time(at_share(waited, 0.5))}, {in_time(at_share(waited, 0.95))}",
        beside=f"busy: {busy}; most in line {told.most_in_line:,}; pace up to {told.fastest:.0f} a second;"
        f" looks {busiest:.0f}/s, {from_afar:.0%} from afar; turned away {told.turned_away:,}"
        + f"; last mail {in_time(told.mailed)}"
        * all_answered,
    )


def beside_the_measured(told: Told) -> Figure:
    """The newest whole table of bench/results."""
    found: tuple[str, ...] = ("not measured", "not measured")
    name = ""
    for path in sorted(report.RESULTS.glob("????-??-??.md")):
        if said := MEASURED.search(path.read_text()):
            found, name = said.groups(), path.name
    return Figure(
        "the table's rush, SIMULATED; measured: last answer, s; every session refusing, s",
        f"{told.answered[-1]:.0f}; {found[0]}, and {max(told.full.values()):.1f}; {found[1]}",
        beside=f"measured: {name}",
    )


def reckoned(costs: Costs) -> list[Figure]:
    """A thousand times the rush, at the fastest pace: nothing of it is played."""
    a_second = pace.FASTEST
    processes = round(a_second / pace.PACE_OF_A_PROCESS)
    minutes = THOUSAND_TIMES / a_second / 60
    looks = sum(
        1000 / pace.interval(place, waiting=THOUSAND_TIMES, pace=a_second, processes=processes)
        for place in range(0, THOUSAND_TIMES, 1000)
    )
    web = a_second * (costs.pages + 2 * costs.look + costs.form + costs.submit + costs.prove) + looks * costs.look
    database = a_second * (costs.submit_database + costs.prove_database + 2 * costs.mail_database)
    worker = a_second * 2 * costs.mail
    come = THOUSAND_TIMES * (costs.pages + costs.look)
    name = f"RECKONED a thousand times: {THOUSAND_TIMES:,} in a second, at {a_second:.0f} a second"
    return [
        Figure(
            f"{name}: minutes; cores of web, workers, database",
            f"{minutes:.0f}; {web:.0f}, {worker:.0f}, {database:.0f}",
            beside=f"{ceil((web + worker) / CORES)} hosts of {CORES} cores; looks {looks:.0f}/s at most",
        ),
        Figure(
            f"{name}: commits/s; Redis, cores; mails/s",
            f"{2 * COMMITS * a_second:.0f}; {(looks + 2 * a_second) * costs.redis:.1f}; {2 * a_second:.0f}",
            beside=f"one PostgreSQL here commits {1 / costs.commit:.0f}/s; the first look of all takes Redis"
            f" {THOUSAND_TIMES * costs.redis:.0f} s, and a hundred hosts {come / CORES / 100:.0f} s",
        ),
    ]


def in_time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def draw(curves: list[tuple[str, Told]]) -> None:
    answered = [plots.Series(name, plots.counted(told.answered)[::100]) for name, told in curves]
    waited = [
        plots.Series(name, sorted(zip(told.answered, told.waited, strict=True))[::100], "line") for name, told in curves
    ]
    about = f"SIMULATED: {CROWD.name}, hosts of {CORES} cores; costs as measured, the waiting room's own script"
    panels = [plots.Panel("Visitors answered", "", answered), plots.Panel("How long they waited, by when", "s", waited)]
    plots.write(report.RESULTS / "simulate-answers.svg", plots.draw("A hundred thousand in ten minutes", about, panels))
