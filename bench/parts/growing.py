"""Two hosts on one PostgreSQL and one Redis, and one of them ends in the middle of a rush.

A host is web processes, workers and a clock, with a port and process groups of its own. Visitors come through a door
that sends each connection to a host that takes it, as a load balancer does. At the end nobody has lost a turn, every
mail has left once, and every promise is kept. The part `pgbouncer` does the same through a PgBouncer.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from django.db import connection
from django.utils import timezone

from bench import seasons
from bench.mailbox import Mail, watched
from bench.pooler import pooler
from bench.report import Figure
from bench.run import Run
from bench.stack import Servers, Stack, free_port
from bench.visitors import Crowd, Visitor, come
from bookings.domain.invariants import broken_promises
from bookings.models import Notice, Party
from portal.processes import Child, wait_until

VISITORS = 300
SECONDS = 20.0
# One host ends when so many have been served.
ENDS_AT = 100
# A mail that a worker had taken when it fell is taken again when its lease of two minutes has ended.
PATIENCE = 160.0
THINK = 4.0


@dataclass
class Host(Stack):
    """What is different from a stack that has the machine for itself: where the database is, and that it can fall."""

    variables: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, command: str, **more: str) -> Child:
        return super().start(name, command, **(more | self.variables))

    def fall(self) -> None:
        for name in list(self.children):
            self.children.pop(name).kill()


class Door:
    """Sends every connection to the next host that takes it."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.taken: Counter[int] = Counter()
        self._turn = count()
        self._inside: set[asyncio.Task[None]] = set()

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._pass, "127.0.0.1", 0, backlog=1024)

    async def _pass(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if here := asyncio.current_task():
            self._inside.add(here)
            here.add_done_callback(self._inside.discard)
        first = next(self._turn)
        for number in range(len(self.ports)):
            port = self.ports[(first + number) % len(self.ports)]
            try:
                theirs, there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.taken[port] += 1
            await asyncio.gather(carry(ours, there), carry(theirs, back))
            return
        back.close()

    async def empty(self) -> None:
        """Until the last one has gone."""
        await asyncio.gather(*self._inside)


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while said := await source.read(65536):
            target.write(said)
            await target.drain()
    target.close()


def measure(run: Run, *, through_pooler: bool = False) -> list[Figure]:
    servers = run.servers
    seasons.fresh_season(sessions=16, capacity=60, max_parties=20)
    with ExitStack() as stack:
        variables = {"WAITING_ROOM": "off"}
        if through_pooler:
            variables |= stack.enter_context(through(servers))
        hosts = [stack.enter_context(host(servers, run.shell, variables)) for _number in range(2)]
        sink = Host(servers, hosts[0].folder, free_port(), run.shell, {}, variables=variables)
        stack.callback(sink.stop)
        email_url = sink.start_sink()
        for each in hosts:
            each.email_url = email_url
            each.start_clock("worker", "beat")
            each.start_web(run.asked.web)
        for each in hosts:
            each.wait_for("/en/")
            each.wait_for_workers()
        rush = asyncio.run(come_and_fall(hosts, Mail(sink.arrivals)))
        wait_until(lambda: not Notice.objects.unsettled().exists(), at_most=60)
        return tell(run, rush)


@contextmanager
def host(servers: Servers, shell: dict[str, str], variables: dict[str, str]) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="host-", dir=servers.folder) as folder:
        made = Host(servers, Path(folder), free_port(), dict(shell), {}, variables=variables)
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def through(servers: Servers) -> Iterator[dict[str, str]]:
    """A PgBouncer; the timeouts are the role's, as docs/scaling.md says."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER ROLE portal SET statement_timeout = '10s'")
        cursor.execute("ALTER ROLE portal SET lock_timeout = '3s'")
        cursor.execute("ALTER ROLE portal SET idle_in_transaction_session_timeout = '15s'")
    with pooler(server=str(servers.postgres.folder), port=5432, name="postgres", role="portal") as variables:
        yield variables


@dataclass
class Rush:
    visitors: list[Visitor]
    door: Door
    fell: float
    seconds: float


async def come_and_fall(hosts: list[Host], mail: Mail) -> Rush:
    door = Door([each.port for each in hosts])
    server = await door.open()
    crowd = Crowd("127.0.0.1", server.sockets[0].getsockname()[1], mailbox=mail.link)
    visitors = [Visitor(number, 1 + number % 3, patience=PATIENCE, think=THINK) for number in range(VISITORS)]
    began = crowd.clock()
    with watched(mail):
        coming = asyncio.ensure_future(come(crowd, visitors, [SECONDS * n / VISITORS for n in range(VISITORS)]))
        while sum(bool(visitor.answered) for visitor in visitors) < ENDS_AT and not coming.done():
            await asyncio.sleep(0.02)
        hosts[0].fall()
        fell = crowd.clock()
        await coming
    server.close()
    await door.empty()
    return Rush(visitors, door, fell, crowd.clock() - began)


def visitor_ends(visitor: Visitor) -> float:
    """When it had its last answer."""
    return max((step.began + step.seconds for step in visitor.steps), default=0.0)


def tell(run: Run, rush: Rush) -> list[Figure]:
    outcomes = Counter(visitor.outcome for visitor in rush.visitors)
    told_yes = {visitor.email for visitor in rush.visitors if visitor.outcome in {"asked", "proven"}}
    lost = told_yes - set(Party.objects.values_list("email", flat=True))
    broken = list(broken_promises(now=timezone.now()))
    later = [step.seconds for visitor in rush.visitors for step in visitor.steps if step.began > rush.fell]
    proven_after = max((visitor_ends(visitor) for visitor in rush.visitors), default=0.0) - rush.fell
    status = Counter(Notice.objects.values_list("status", flat=True))
    run.note(
        f"- growing: {len(rush.visitors)} visitors in {rush.seconds:.0f} s: {dict(outcomes)}; "
        f"connections by host {[rush.door.taken[port] for port in rush.door.ports]}, the first of which fell; "
        f"lines dialled again {sum(visitor.broken for visitor in rush.visitors)}; mails {dict(status)}",
    )
    is_well = set(outcomes) <= {"proven", "closed", "refused"} and not lost and not broken
    return [
        Figure(
            "two hosts, one falls: sign-ups lost, broken promises",
            f"{len(lost)}, {len(broken)}",
            "",
            "0, 0",
            is_well,
            f"slowest answer after the fall {max(later, default=0):.1f} s; last proof after {proven_after:.0f} s",
        )
    ]
