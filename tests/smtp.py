"""A mail server of our own in a thread: it records what it takes and can be told to fail."""

import asyncio
import email
import email.policy
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class MailServer:
    """What the server took, and the answers it gives instead of taking.

    ``mail_answer``, ``recipient_answer`` and ``data_answer`` are replies such as "451 busy" that replace the normal one
    at MAIL FROM, RCPT TO and after the text; ``hang_up`` drops the line after the text without a word, the mail taken.
    A line carries no more than ``mails_a_line``; ``after_each`` is called when a mail was taken. At RCPT TO a mail
    waits until as many have come as ``meet`` lets pass together.
    """

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.return_paths: list[str] = []
        self.connections = 0
        self.carried: dict[Session, int] = {}
        self.mail_answer = ""
        self.recipient_answer = ""
        self.refused_recipients: dict[str, str] = {}
        self.data_answer = ""
        self.hang_up = False
        self.mails_a_line = 0
        self.meet: asyncio.Barrier | None = None
        self.after_each: Callable[[], None] = lambda: None
        self.port = free_port()
        self.controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def about(self, state: str) -> list[EmailMessage]:
        """What was taken whose subject begins with this state: "Offered", "Confirmed"."""
        return [message for message in self.taken if message["Subject"].startswith(f"{state}:")]

    def one_for_each(self, recipients: int) -> list[EmailMessage]:
        """Everything that was taken, once there is exactly one mail for each of so many recipients; nothing before."""
        taken, counts = list(self.taken), Counter(self.recipients)
        return taken if len(counts) == recipients == counts.total() else []

    def handed_over(self) -> Counter[str]:
        """How often each notice was handed over, by its Message-ID."""
        return Counter(message["Message-ID"] for message in self.taken)

    def text(self, number: int) -> str:
        """The plain text of a mail that was taken."""
        body = self.taken[number].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    def start(self) -> None:
        """At the same address as before, if it was stopped."""
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        """From now on connections are refused."""
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_answer:
            return self.mail_answer
        if self.mails_a_line and self.carried.get(session, 0) >= self.mails_a_line:
            return "421 enough"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.meet:
            await self.meet.wait()
        answer = self.refused_recipients.get(address) or self.recipient_answer
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_answer:
            return self.data_answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append(email.message_from_bytes(content, policy=email.policy.default))
        self.recipients += envelope.rcpt_tos
        self.return_paths.append(str(envelope.mail_from))
        self.carried[session] = self.carried.get(session, 0) + 1
        self.after_each()
        if self.hang_up:
            transport: Any = server.transport
            transport.abort()
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def connections_to(listener: socket.socket) -> int:
    """How many came there, whatever has become of them."""
    listener.setblocking(False)
    found = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            found += 1
    return found
