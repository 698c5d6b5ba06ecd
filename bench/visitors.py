"""Visitors: they read the list, choose a session, fill in the form as it stands, read the answer, and come back by the
link of their mail. They do what a page asks of them: a waiting room's refresh and ``Retry-After`` are obeyed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from bench.client import Answer, Client
from bench.reading import Form, asked_to_wait, form_for, links

SESSION = r"/[a-z-]+/sessions/\d+/"
SIGN_UP = r"/[a-z-]+/sessions/\d+/sign-up/"
# The form's own field that says when it was handed out.
STAMP, SIGNED = "submission_key", "."
# A visitor is told to come again with one of these.
COME_AGAIN = frozenset({429, 503})
SHORTEST_WAIT, LONGEST_WAIT = 0.2, 60.0
# How often a visitor whose connection broke loads the page again, or presses again: the form carries its key.
MOST_BROKEN = 5

# Finds the link that the mail to this address carries, as a path.
Mailbox = Callable[[str], Awaitable[str]]


class Step(NamedTuple):
    """One answer as the visitor saw it, redirects included: seconds on the run's clock."""

    name: str
    began: float
    seconds: float
    status: int


class Lost(Exception):
    """The visitor cannot go on; the text says where and why."""


@dataclass
class Visitor:
    """One party of ``size``. ``presses`` is how often it presses the button of the form.

    ``outcome`` is a word: asked, proven, closed, refused, or what went wrong.
    """

    number: int
    size: int
    session: int | None = None
    wants_the_first: bool = False  # of the list; else any, where no session is named
    patience: float = 120.0
    think: float = 0.0
    reads_mail_after: float = 0.0
    presses: int = 1
    email: str = ""
    came: float = 0.0
    answered: float = 0.0
    outcome: str = ""
    waits: int = 0
    broken: int = 0
    requests: int = 0
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.email = self.email or f"visitor{self.number}@visitors.example"

    @property
    def address(self) -> str:
        """Each visitor comes from a network of its own, as in life: 10.0.0.0/8 has 65,536 of /24."""
        return f"10.{self.number // 256 % 256}.{self.number % 256}.7"

    @property
    def failed(self) -> bool:
        return self.outcome not in {"asked", "proven", "closed", "refused"}


@dataclass
class Crowd:
    """Where visitors go, and what they do there. ``mailbox`` is None where nobody reads the mail.

    ``older`` makes the stamp of a form, which was handed out just now, one of long ago: for those who do not think.
    """

    host: str
    port: int
    mailbox: Mailbox | None = None
    older: Callable[[str], str] | None = None
    clock: Callable[[], float] = monotonic

    async def visit(self, visitor: Visitor) -> Visitor:
        """All of it; patience is for the answer, and once more for the mail. What goes wrong becomes the outcome."""
        client = Client(self.host, self.port, address=visitor.address)
        visitor.came = self.clock()
        try:
            async with asyncio.timeout(visitor.patience):
                await self._ask(visitor, client)
            if self.mailbox and visitor.outcome == "asked":
                await asyncio.sleep(visitor.reads_mail_after)
                async with asyncio.timeout(visitor.patience):
                    await self._prove(visitor, client, await self.mailbox(visitor.email))
        except TimeoutError:
            visitor.outcome = "out of patience" + (" for the mail" if visitor.outcome == "asked" else "")
        except Lost as lost:
            visitor.outcome = str(lost)
        except (OSError, EOFError) as error:
            visitor.outcome = f"no connection: {type(error).__name__}"
        finally:
            visitor.requests = client.requests
            await client.leave()
        return visitor

    async def _ask(self, visitor: Visitor, client: Client) -> None:
        home = await self._read(visitor, client, "list", "/en/")
        chosen = f"/en/sessions/{visitor.session}/" if visitor.session else ""
        offered = links(home.body, SESSION)
        if not chosen and visitor.wants_the_first:
            chosen = offered[0] if offered else ""
        elif not chosen:
            chosen = random.Random(visitor.number).choice(offered) if offered else ""  # noqa: S311
        if chosen not in offered:
            raise Lost(f"no session {chosen} on the list")
        page = await self._read(visitor, client, "session", chosen)
        ways = links(page.body, SIGN_UP)
        if not ways:
            visitor.outcome, visitor.answered = "closed", self.clock()
            return
        shown = await self._read(visitor, client, "form", ways[0], fine=(200, 410))
        if shown.status == 410:
            visitor.outcome, visitor.answered = "closed", self.clock()
            return
        if visitor.think:
            await asyncio.sleep(visitor.think)
        answer = await self._submit(visitor, client, shown)
        visitor.answered = self.clock()
        visitor.outcome = {200: "asked", 410: "closed"}.get(answer.status, "refused")

    async def _submit(self, visitor: Visitor, client: Client, shown: Answer) -> Answer:
        form = self._form(shown, "")
        fields = filled_in(form, visitor)
        if self.older and SIGNED in fields.get(STAMP, ""):
            fields[STAMP] = self.older(fields[STAMP])
        for _press in range(visitor.presses):
            answer = await self._press(visitor, client, "submit", form, shown.path, fields, (200, 410, 422))
        return answer

    async def _prove(self, visitor: Visitor, client: Client, link: str) -> None:
        """Open the party's page by the link, and press the button on it."""
        page = await self._read(visitor, client, "party", link)
        form = self._form(page, "/prove/")
        proven = await self._press(visitor, client, "prove", form, page.path, form.fields, (200, 409))
        visitor.outcome = "proven" if proven.status == 200 else "refused"

    def _form(self, page: Answer, wanted: str) -> Form:
        """The first whose address ends so; that of a page which is sent to itself is empty."""
        try:
            return form_for(page.body, wanted)
        except LookupError:
            raise Lost(f"no form to press on {page.path}") from None

    async def _read(
        self, visitor: Visitor, client: Client, name: str, path: str, fine: Iterable[int] = (200,)
    ) -> Answer:
        return await self._patiently(visitor, name, fine, lambda: client.get(path))

    async def _press(
        self,
        visitor: Visitor,
        client: Client,
        name: str,
        form: Form,
        page: str,
        fields: dict[str, str],
        fine: Iterable[int],
    ) -> Answer:
        """Sending it twice is harmless: the form carries its key."""
        target = form.action or page
        return await self._patiently(visitor, name, fine, lambda: client.post(target, fields, page=page))

    async def _patiently(
        self, visitor: Visitor, name: str, fine: Iterable[int], ask: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Ask, and again where the line broke or the answer says to come again. Raises Lost for any other answer."""
        while True:
            began = self.clock()
            try:
                answer = await ask()
            except (ConnectionError, EOFError):
                visitor.broken += 1
                if visitor.broken > MOST_BROKEN:
                    raise
                await asyncio.sleep(SHORTEST_WAIT)
                continue
            visitor.steps.append(Step(name, began, self.clock() - began, answer.status))
            wait = seconds_to_wait(answer)
            if wait is None:
                if answer.status not in fine:
                    raise Lost(f"{answer.status} at {name}")
                return answer
            visitor.waits += 1
            await asyncio.sleep(min(max(wait, SHORTEST_WAIT), LONGEST_WAIT))


def seconds_to_wait(answer: Answer) -> float | None:
    """What a page that renews itself says, or ``Retry-After``; None where nobody asks to wait."""
    asked = asked_to_wait(answer.body, answer.headers.get("refresh", ""))
    if asked is not None:
        return asked
    if answer.status in COME_AGAIN:
        with suppress(ValueError):
            return float(answer.headers.get("retry-after", ""))
        if answer.status == 503 and "retry-after" in answer.headers:
            return 1.0
    return None


def filled_in(form: Form, visitor: Visitor) -> dict[str, str]:
    """Everything as it stands, and what a party of this size writes; boxes that must be ticked are."""
    answers = {"size": str(visitor.size), "lead_name": f"Lin {visitor.number}", "email": visitor.email}
    for number in range(2, visitor.size + 1):
        answers |= {f"name_{number}": f"Wei {visitor.number}-{number}", f"age_{number}": "18-"}
    return form.fields | form.required | answers


async def come(crowd: Crowd, visitors: Iterable[Visitor], arrivals: Iterable[float]) -> list[Visitor]:
    """Each visitor at its moment (seconds from now); returns when the last one has gone."""
    began = crowd.clock()

    async def one(visitor: Visitor, at: float) -> Visitor:
        await asyncio.sleep(max(0.0, at - (crowd.clock() - began)))
        return await crowd.visit(visitor)

    return await asyncio.gather(*(one(visitor, at) for visitor, at in zip(visitors, arrivals, strict=True)))


async def in_turns(crowd: Crowd, visitors: Iterable[Visitor], *, at_once: int) -> list[Visitor]:
    """So many at once; the next one comes when one has gone."""
    waiting = iter(visitors)
    done: list[Visitor] = []

    async def turn() -> None:
        for visitor in waiting:
            done.append(await crowd.visit(visitor))

    await asyncio.gather(*(turn() for _number in range(at_once)))
    return done
