"""One run of the bench: its servers, what was asked on the command line, and how parts are measured with them."""

import asyncio
import time
from argparse import Namespace
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import statements
from bench.mailbox import Mail, watched
from bench.stack import PORTAL, Servers, Stack, running
from bench.statements import Statement
from bench.usage import Meter, Usage
from bench.visitors import Crowd, Mailbox, Visitor
from portal.processes import wait_until
from tests.stamps import older

SECONDS_OF_IDLENESS = 4.0
SECONDS_FOR_THE_LAST_MAIL = 120.0


@dataclass
class Measured:
    """What a crowd took: everything from the first visitor to the last mail, and what each of them met."""

    visitors: list[Visitor]
    seconds: float
    usage: Usage
    calls: dict[str, int]
    statements: list[Statement] = field(default_factory=list)

    @property
    def errors(self) -> dict[str, int]:
        """How often what went wrong."""
        failed = [visitor.outcome for visitor in self.visitors if visitor.failed]
        return {outcome: failed.count(outcome) for outcome in sorted(set(failed))}

    def told(self) -> str:
        """A second's worth: CPU ms by group, and statements."""
        groups = " ".join(f"{group} {1000 * cpu / self.seconds:.0f}" for group, cpu in self.usage.cpu.items())
        return f"CPU ms {groups}, {sum(self.calls.values()) / self.seconds:.0f} statements"


@dataclass
class Run:
    servers: Servers
    shell: dict[str, str]
    asked: Namespace
    notes: list[str] = field(default_factory=list)

    def stack(self, *parts: str, application: str = PORTAL) -> AbstractContextManager[Stack]:
        return running(self.servers, self.shell, *parts, web=self.asked.web, application=application)

    def say(self, line: str) -> None:
        print(line, flush=True)

    def note(self, *lines: str) -> None:
        """For the terminal, and below the table in the file."""
        for line in lines:
            self.say(line)
        self.notes.extend(lines)

    def idle(self, stack: Stack, seconds: float = SECONDS_OF_IDLENESS) -> Measured:
        """What is used while nobody visits: the clock goes on."""
        with self.measuring(stack) as measured:
            time.sleep(seconds)
        return measured()

    def visits(
        self,
        stack: Stack,
        come: Callable[[Crowd], Coroutine[Any, Any, list[Visitor]]],
        *,
        mailbox: Mailbox | None = None,
        reads_mail: bool = False,
        mails: int = 0,
        thinks: bool = False,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> Measured:
        """Let them come; then wait until so many ``mails`` were handed over. ``beside`` runs until they have gone.

        Unless they think, their forms are made old: nobody waits for those three seconds.
        """
        with self.measuring(stack) as measured:
            visitors, seconds = asyncio.run(self._visits(stack, come, mailbox, reads_mail, thinks, beside))
            if mails:
                wait_until(lambda: lines(stack) >= mails, at_most=SECONDS_FOR_THE_LAST_MAIL)
        result = measured()
        result.visitors, result.seconds = visitors, seconds
        return result

    async def _visits(
        self,
        stack: Stack,
        come: Callable[[Crowd], Coroutine[Any, Any, list[Visitor]]],
        mailbox: Mailbox | None,
        reads_mail: bool,
        thinks: bool,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    ) -> tuple[list[Visitor], float]:
        with watched(Mail(stack.arrivals)) as mail:
            mailbox = mail.link if reads_mail else mailbox
            crowd = Crowd("127.0.0.1", stack.port, mailbox=mailbox, older=None if thinks else older)
            tasks = [asyncio.ensure_future(each()) for each in beside]
            began = time.monotonic()
            try:
                visitors = await come(crowd)
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            for failed in [each for each in ended if isinstance(each, Exception)]:
                raise failed
            return visitors, time.monotonic() - began

    @contextmanager
    def measuring(self, stack: Stack) -> Iterator[Callable[[], Measured]]:
        """What is yielded says, after the block, what was used within it."""
        if self.servers.has_statistics:
            statements.reset()
        meter = Meter(stack.roots())
        found: list[Measured] = []
        yield lambda: found[0]
        usage = meter.read()
        asked = statements.read() if self.servers.has_statistics else []
        calls = {role: sum(each.calls for each in asked if each.role == role) for role in statements.ROLES}
        found.append(Measured([], usage.seconds, usage, calls, asked))


def lines(stack: Stack) -> int:
    return stack.arrivals.read_bytes().count(b"\n") if stack.arrivals.exists() else 0
