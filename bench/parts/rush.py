"""The opening: so many visitors in one second want sixteen sessions of 60 places, 20 parties each.

They read the list, choose a session, fill in the form, read the answer; those who find no place join its line; all read
their mail, open their page and prove. Watched meanwhile: ledgers, memory, mail. At the end every promise is checked.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import F
from django.utils import timezone

from bench import plots, report, seasons
from bench.arrivals import SHAPES, arrivals
from bench.report import Figure
from bench.run import Measured, Run
from bench.stack import Stack
from bench.usage import memory
from bench.visitors import Visitor, come
from bookings.domain.invariants import broken_promises
from bookings.models import HOLDS_PLACES, Notice, Party, TourSession
from portal.processes import wait_until

LOOK_AGAIN_AFTER = 0.25
MEMORY_AGAIN_AFTER = 2.0
SECONDS_FOR_MAIL = 120.0
# Whoever sends a form in less than three seconds is a program to the portal (portal/forms/stamp.py).
SLOWEST_THINKS_LONGER = 1.0
# From its answer until a visitor looks into its mailbox.
READS_MAIL_AFTER = 30.0
PORTAL = ("web", "worker", "beat", "redis")


@dataclass
class Watch:
    """What stands in the ledgers, and what processes hold (MiB), at moments in seconds from the opening."""

    stack: Stack
    began: float = 0.0
    epoch: float = 0.0
    places: list[tuple[float, float]] = field(default_factory=list)
    in_line: list[tuple[float, float]] = field(default_factory=list)
    refusing_at: dict[int, float] = field(default_factory=dict)
    most_memory: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        self.began, self.epoch = time.monotonic(), time.time()

    async def ledgers(self) -> None:
        """Until it is cancelled."""
        ledgers = seasons.Ledgers(self.stack.servers.database_url())
        try:
            while True:
                ledger = await asyncio.to_thread(ledgers.read)
                now = time.monotonic() - self.began
                self.places.append((now, ledger.places))
                self.in_line.append((now, ledger.parties_in_line))
                for pk in ledger.refusing:
                    self.refusing_at.setdefault(pk, now)
                await asyncio.sleep(LOOK_AGAIN_AFTER)
        finally:
            ledgers.close()

    async def memory(self) -> None:
        """Until it is cancelled."""
        while True:
            self.remember(await asyncio.to_thread(memory, self.stack.roots()))
            await asyncio.sleep(MEMORY_AGAIN_AFTER)

    def remember(self, held: dict[str, float]) -> None:
        for name, size in held.items():
            self.most_memory[name] = max(self.most_memory.get(name, 0.0), size)


@dataclass
class Rush:
    """All that is known of it afterwards; moments in seconds from the opening."""

    measured: Measured
    watch: Watch
    mailed: dict[str, float]
    held: set[str]
    after: dict[str, float]
    broken: list[str]

    @property
    def visitors(self) -> list[Visitor]:
        return self.measured.visitors

    @property
    def answers(self) -> list[float]:
        return sorted(visitor.answered - self.watch.began for visitor in self.visitors if visitor.answered)

    @property
    def mails_of_held(self) -> list[float]:
        return sorted(moment for email, moment in self.mailed.items() if email in self.held)


def measure(run: Run) -> list[Figure]:
    connection.close()
    run.servers.restart_postgres()
    sessions = seasons.fresh_season(**seasons.RUSH)
    with run.stack("web", "worker", "beat") as stack:
        rush = let_them_come(run, stack, sessions)
    draw(run, rush)
    tell(run, rush)
    return figures(run, rush, sessions)


def let_them_come(run: Run, stack: Stack, sessions: list[TourSession]) -> Rush:
    asked = run.asked
    chance = random.Random(2)  # noqa: S311
    visitors = [
        Visitor(
            number,
            1 + number % 3,
            session=sessions[number // 3 % len(sessions)].pk,
            patience=asked.patience,
            reads_mail_after=READS_MAIL_AFTER,
            think=asked.think + chance.random() * SLOWEST_THINKS_LONGER,
        )
        for number in range(asked.visitors)
    ]
    watch = Watch(stack)
    watch.begin()
    measured = run.visits(
        stack,
        lambda crowd: come(crowd, visitors, arrivals(asked.arrivals, len(visitors))),
        reads_mail=True,
        thinks=True,
        beside=[watch.ledgers, watch.memory],
    )
    wait_until(lambda: not Notice.objects.unsettled().exists(), at_most=SECONDS_FOR_MAIL)
    if measured.errors:
        # Their logs go with them.
        run.say(stack.told())
    after = memory(stack.roots())
    watch.remember(after)
    held = Party.objects.filter(bookings__status__in=HOLDS_PLACES).values_list("email", flat=True)
    return Rush(
        measured, watch, first_mails(stack, watch.epoch), set(held), after, list(broken_promises(now=timezone.now()))
    )


def first_mails(stack: Stack, epoch: float) -> dict[str, float]:
    """When the first mail to each address was taken."""
    found: dict[str, float] = {}
    for line in stack.arrivals.read_text().splitlines():
        moment, email, _link = line.split(" ", 2)
        found.setdefault(email, float(moment) - epoch)
    return found


def tell(run: Run, rush: Rush) -> None:
    usage = rush.measured.usage
    outcomes = [visitor.outcome for visitor in rush.visitors]
    run.note(
        f"- rush: {run.asked.visitors} visitors, {SHAPES[run.asked.arrivals]}; outcomes"
        f" { {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))} }",
        f"- rush: {len(rush.answers)} answers, p50 {at_share(rush.answers, 0.5):.1f} s,"
        f" p95 {at_share(rush.answers, 0.95):.1f} s after the opening;"
        f" {sum(visitor.waits for visitor in rush.visitors)} times somebody was told to come again;"
        f" {sum(visitor.requests for visitor in rush.visitors)} requests",
        f"- rush: CPU s { {name: round(spent, 1) for name, spent in usage.cpu.items()} } in {usage.seconds:.0f} s;"
        f" driver {usage.driver_share:.0%} of ours, foreign {usage.foreign:.0%}",
        f"- rush: most memory MiB { {name: round(size) for name, size in rush.watch.most_memory.items()} }",
        *(f"- rush: BROKEN: {sentence}" for sentence in rush.broken),
    )


def figures(run: Run, rush: Rush, sessions: list[TourSession]) -> list[Figure]:
    count = len(rush.visitors)
    answered, last = len(rush.answers), max(rush.answers, default=0.0)
    refusing = [rush.watch.refusing_at.get(session.pk) for session in sessions]
    latest = max((moment for moment in refusing if moment is not None), default=0.0)
    all_refuse = None not in refusing
    held = rush.mails_of_held
    others = [moment for email, moment in rush.mailed.items() if email not in rush.held]
    oversold = TourSession.objects.filter(places_held__gt=F("capacity")).count()
    foreign = f"foreign {rush.measured.usage.foreign:.0%}"
    memories = rush.watch.most_memory
    portal = sum(memories.get(name, 0.0) for name in PORTAL)
    whole = portal + memories.get("postgres", 0.0)
    return [
        Figure(
            f"rush of {count}: answered; errors; last answer, s",
            f"{answered}; {sum(not visitor.answered for visitor in rush.visitors)}; {last:.1f}",
            "0 served",
            "all, none, < 30",
            answered == count and last < 30,
            f"of them proven by their mail {sum(visitor.outcome == 'proven' for visitor in rush.visitors)}; {foreign}",
        ),
        Figure(
            "rush: every session refusing by its ledger, s",
            f"{latest:.1f}" if all_refuse else f"{refusing.count(None)} sessions never did",
            "-",
            "< 12",
            all_refuse and latest < 12,
        ),
        Figure(
            "rush: first mails of held places / of all handed over, s",
            f"{max(held, default=0.0):.1f} / {max([*held, *others], default=0.0):.1f}",
            "-",
            "drains, held first",
            len(held) == len(rush.held) if rush.held else False,
            f"{len(held)} of {len(rush.held)}; {len(others)} others,"
            f" {sum(moment < max(held, default=0.0) for moment in others)} of them before the last held one",
        ),
        Figure(
            "rush: promises broken; sessions oversold",
            f"{len(rush.broken)}; {oversold}",
            "-; 0",
            "0; 0",
            not rush.broken and not oversold,
        ),
        Figure(
            "memory, most in the rush, without / with PostgreSQL, MiB PSS",
            f"{portal:.0f} / {whole:.0f}",
            "- / 1638",
            "< 300 / < 500",
            portal < 300 and whole < 500,
            f"after it {sum(rush.after.get(name, 0.0) for name in PORTAL):.0f} / "
            f"{sum(rush.after.get(name, 0.0) for name in (*PORTAL, 'postgres')):.0f}",
        ),
    ]


def draw(run: Run, rush: Rush) -> None:
    """Three drawings beside the table: who came and was answered, how long it took, and what the ledgers said."""
    if run.asked.no_file:
        return
    began = rush.watch.began
    came = [visitor.came - began for visitor in rush.visitors]
    mails = sorted(rush.mailed.values())
    until = max([*rush.answers, *mails, *(moment for moment, _places in rush.watch.places)], default=1.0)
    about = f"{len(rush.visitors):,} visitors, {SHAPES[run.asked.arrivals]}; 16 sessions of 60 places and 20 parties"
    steps = [step for visitor in rush.visitors for step in visitor.steps]
    waits = sorted((step.began - began, step.seconds) for step in steps)
    answers = [
        plots.Panel(
            "Visitors",
            "",
            [
                plots.Series("came", plots.counted(came, until=until)),
                plots.Series("answered", plots.counted(rush.answers, until=until)),
                plots.Series("first mail", plots.counted(mails, until=until)),
            ],
        ),
        plots.Panel(
            "How long answered pages took, by when they were asked for", "s", [plots.Series("pages", waits, "dots")]
        ),
    ]
    places = [
        plots.Panel("Places held", "", [plots.Series("places", [(0.0, 0.0), *rush.watch.places])]),
        plots.Panel("Numbers given in line", "", [plots.Series("parties", [(0.0, 0.0), *rush.watch.in_line])]),
    ]
    name = "rush" if run.asked.arrivals == "second" else f"rush-{run.asked.arrivals}"
    plots.write(report.RESULTS / f"{name}-answers.svg", plots.draw("The opening: arrivals and answers", about, answers))
    plots.write(report.RESULTS / f"{name}-places.svg", plots.draw("The opening: places over time", about, places))


def at_share(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0
