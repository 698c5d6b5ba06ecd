"""One whole sign-up: list, session, form, submit, answer, the party's page by its link, prove, the page again.

Measured without a worker (the link is made as the mail would make it) and with one (the link is read in the mail), one
visitor at a time and many at once; beside it the floor app with the same requests. All want one of the 16 sessions on
the list, which has room for everybody: so the peer was measured. CPU is what decides: the machine has other guests.
"""

from functools import partial

from bench import seasons
from bench.floor.database import FloorLinks
from bench.floor.database import make as make_floor
from bench.mailbox import MadeLinks
from bench.report import Figure
from bench.run import Measured, Run
from bench.stack import FLOOR, Stack
from bench.visitors import Visitor, in_turns

MANY = 32
# Sign-ups counted, by how many visitors there are at once; before them some that warm everything up.
COUNTS = {1: 40, MANY: 480}
WARM_UP = 96
WITH_ROOM = {"sessions": 16, "capacity": 10_000, "max_parties": 10_000}
MAILS_OF_EACH = 2
WEB = ("web", "postgres")
ALL = ("web", "postgres", "redis", "worker", "beat")


def measure(run: Run) -> list[Figure]:
    floor = without_worker(run, is_floor=True)
    web = without_worker(run)
    whole, idle = with_worker(run)
    run.note(f"- journey, the clock alone, a second: {idle.told()}")
    for name, measured in (("floor", floor), ("web only", web), ("with worker", whole)):
        for at_once, each in measured.items():
            run.note(*told(name, at_once, each))
    show_statements(run, web[MANY], whole[MANY])

    cpu = web[MANY].usage.of(*WEB) / COUNTS[MANY]
    ratio = cpu / (floor[MANY].usage.of(*WEB) / COUNTS[MANY])
    with_mails = whole[MANY].usage.without(idle.usage, *ALL) / COUNTS[MANY]
    measured_cores = whole[MANY].usage.cores
    a_second = COUNTS[MANY] / whole[MANY].seconds
    idle_calls = sum(idle.calls.values()) / idle.usage.seconds * whole[MANY].usage.seconds
    calls = (sum(whole[MANY].calls.values()) - idle_calls) / COUNTS[MANY]
    floor_calls = sum(floor[MANY].calls.values()) / COUNTS[MANY]
    floor_a_second = COUNTS[MANY] / floor[MANY].seconds
    errors = sum(len(each.errors) for group in (web, whole) for each in group.values())
    return [
        Figure(
            "whole sign-up, web + database, CPU s",
            f"{cpu:.4f}",
            "1.7",
            "<= 0.030, <= 2.5 x floor",
            cpu <= 0.030 and ratio <= 2.5 and not errors,
            f"{ratio:.2f} x the floor's {cpu / ratio:.4f}",
        ),
        Figure(
            "the same with its two mails, worker and broker, CPU s",
            f"{with_mails:.4f}",
            "2.1",
            "<= 0.045",
            with_mails <= 0.045,
            f"the idle clock's {idle.usage.of(*ALL) / idle.usage.seconds:.3f} CPU s a second left out",
        ),
        Figure(
            f"sign-ups/s, {MANY} at once, mails handed over",
            f"{a_second:.1f}",
            "0.95",
            ">= 35",
            a_second >= 35,
            f"by CPU {measured_cores / with_mails:.1f}/s; floor {floor_a_second:.0f}/s,"
            f" web alone {COUNTS[MANY] / web[MANY].seconds:.1f}/s;"
            f" foreign {whole[MANY].usage.foreign:.0%}",
        ),
        Figure(
            "SQL statements for all of it",
            f"{calls:.1f}",
            "340",
            "<= 30",
            calls <= 30,
            f"web {web[MANY].calls['web'] / COUNTS[MANY]:.1f}; floor {floor_calls:.1f}",
        ),
    ]


def without_worker(run: Run, *, is_floor: bool = False) -> dict[int, Measured]:
    servers = run.servers
    if is_floor:
        floor_url = servers.database_url(name="floor")
        make_floor(servers.database_url(), floor_url, sessions=16, places=10_000, parties=10_000)
    else:
        seasons.fresh_season(**WITH_ROOM)
    links = FloorLinks(floor_url) if is_floor else MadeLinks(servers.database_url())
    try:
        with run.stack("web", **({"application": FLOOR} if is_floor else {})) as stack:
            turns(run, stack, "warm", MANY, WARM_UP, links=links)
            return {
                at_once: turns(run, stack, f"{at_once}x", at_once, count, links=links)
                for at_once, count in COUNTS.items()
            }
    finally:
        links.close()


def with_worker(run: Run) -> tuple[dict[int, Measured], Measured]:
    seasons.fresh_season(**WITH_ROOM)
    with run.stack("web", "worker", "beat") as stack:
        mails = MAILS_OF_EACH * WARM_UP
        idle = run.idle(stack)
        turns(run, stack, "warm", MANY, WARM_UP, mails=mails)
        measured = {}
        for at_once, count in COUNTS.items():
            mails += MAILS_OF_EACH * count
            measured[at_once] = turns(run, stack, f"{at_once}x", at_once, count, mails=mails)
        return measured, idle


def turns(
    run: Run,
    stack: Stack,
    name: str,
    at_once: int,
    count: int,
    *,
    links: FloorLinks | MadeLinks | None = None,
    mails: int = 0,
) -> Measured:
    visitors = [
        Visitor(number, 1 + number % 3, email=f"{name}-{number}@visitors.example", wants_the_first=True)
        for number in range(count)
    ]
    come = partial(in_turns, visitors=visitors, at_once=at_once)
    return run.visits(
        stack, lambda crowd: come(crowd), mailbox=links.link if links else None, reads_mail=links is None, mails=mails
    )


def told(name: str, at_once: int, measured: Measured) -> list[str]:
    """Two lines for those who want to know where it went."""
    count = len(measured.visitors)
    usage = measured.usage
    groups = " ".join(f"{group} {1000 * spent / count:.1f}" for group, spent in usage.cpu.items())
    steps: dict[str, list[float]] = {}
    for visitor in measured.visitors:
        for step in visitor.steps:
            steps.setdefault(step.name, []).append(step.seconds)
    middle = " ".join(f"{step} {1000 * sorted(taken)[len(taken) // 2]:.0f}" for step, taken in steps.items())
    requests = sum(visitor.requests for visitor in measured.visitors) / count
    return [
        f"- journey, {name}, {at_once} at once: {count / measured.seconds:.1f}/s, {requests:.1f} requests,"
        f" {sum(measured.calls.values()) / count:.1f} statements each; CPU ms each: {groups};"
        f" driver {usage.driver_share:.0%} of ours, foreign {usage.foreign:.0%}; errors {measured.errors or 0}",
        f"  p50 ms: {middle}",
    ]


def show_statements(run: Run, *measured: Measured) -> None:
    if not run.asked.statements:
        return
    for each in measured:
        for statement in each.statements:
            if statement.calls < len(each.visitors) / 20:
                break
            run.say(
                f"{statement.calls / len(each.visitors):7.2f} {statement.role:<6} {statement.milliseconds:9.1f} ms "
                f" {' '.join(statement.text.split())[:160]}"
            )
