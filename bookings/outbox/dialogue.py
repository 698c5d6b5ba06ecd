"""What is said to the mail server to hand over one mail, and where it broke off.

Django's backend says all of it in one call; we must know whether the text was on its way when the line broke.
"""

import re
import smtplib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import cast

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Stage(Enum):
    CONNECT = auto()  # until we are known to the server
    SENDER = auto()  # MAIL FROM
    RECIPIENT = auto()  # RCPT TO
    DATA = auto()  # the question whether it takes the text
    TEXT = auto()  # from the first line of the text to the answer after the last dot


@dataclass
class Refused(Exception):
    """The server answered, and not with yes: nothing has left."""

    stage: Stage
    code: int
    enhanced: str = ""

    def __str__(self) -> str:
        """For the log and the row. The server's own words may repeat the address."""
        return " ".join(filter(None, [f"refused at {self.stage.name.lower()}:", str(self.code), self.enhanced]))


@dataclass
class Broken(Exception):
    """The line broke or fell silent; at TEXT nobody knows whether the server has the mail."""

    stage: Stage
    why: str

    def __str__(self) -> str:
        return f"broke off at {self.stage.name.lower()}: {self.why}"

    @property
    def may_have_left(self) -> bool:
        return self.stage is Stage.TEXT


def open_line(backend: BaseEmailBackend) -> bool:
    """Connect unless that is done; returns whether the line is new. Raises Refused or Broken."""
    try:
        is_new = bool(backend.open())
        if isinstance(backend, EmailBackend):
            _server(backend).ehlo_or_helo_if_needed()
    except smtplib.SMTPResponseException as error:
        raise refusal(Stage.CONNECT, error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:
        raise Broken(Stage.CONNECT, _why(error)) from error
    return is_new


def drop_line(backend: BaseEmailBackend) -> None:
    """Without a goodbye: a server that is silent would let us wait for its answer."""
    if isinstance(backend, EmailBackend) and backend.connection:
        _server(backend).close()
        backend.connection = None


def close_line(backend: BaseEmailBackend) -> None:
    with suppress(OSError, smtplib.SMTPException):  # What was handed over is marked already.
        backend.close()
    drop_line(backend)


def hand_over(
    backend: BaseEmailBackend, message: EmailMultiAlternatives, text: bytes, *, begin: Callable[[], bool]
) -> bool:
    """True once the server has said that it has the mail. Raises Refused or Broken.

    ``begin`` is called when the server asks for the text, before the first byte of it; if it says no, nothing is sent.
    """
    if not isinstance(backend, EmailBackend):
        if not begin():
            return False
        try:
            backend.send_messages([message])
        except OSError as error:
            raise Broken(Stage.DATA, _why(error)) from error
        return True
    server = _server(backend)
    stage = Stage.SENDER
    try:
        # What the server can do was asked when the line was opened.
        size = [f"size={len(text)}"] if server.does_esmtp and server.has_extn("size") else []
        _expect(stage, {250}, server.mail(_address(message.from_email), size))
        stage = Stage.RECIPIENT
        _expect(stage, {250, 251}, server.rcpt(_address(message.to[0])))
        stage = Stage.DATA
        server.putcmd("data")
        _expect(stage, {354}, server.getreply())
        if not begin():
            drop_line(backend)  # There is no other way back from here.
            return False
        stage = Stage.TEXT
        server.send(_ended(text))
        _expect(stage, {250}, server.getreply())
    except Refused as failure:
        if failure.code != 421:
            _forget(server)
        raise
    except (OSError, smtplib.SMTPException) as error:
        raise Broken(stage, _why(error)) from error
    except ValueError as error:
        # An address that cannot be said to a server.
        raise Refused(stage, 553, "5.1.3") from error
    return True


def refusal(stage: Stage, code: int, words: bytes | str) -> Refused:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    enhanced = _ENHANCED.match(said)
    return Refused(stage, code, enhanced[1] if enhanced else "")


def _expect(stage: Stage, codes: set[int], reply: tuple[int, bytes]) -> None:
    code, words = reply
    if code not in codes:
        raise refusal(stage, code, words)


def _forget(server: smtplib.SMTP) -> None:
    """The next mail begins anew. If the line is gone, it will say so itself."""
    try:
        server.rset()
    except (OSError, smtplib.SMTPException):
        server.close()


def _ended(text: bytes) -> bytes:
    """Lines that begin with a dot get another one; the last line is a dot alone. Lines end as the server wants it."""
    text = re.sub(rb"(?m)^\.", b"..", text)
    return text + (b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n")


# An address that is said to a server as it stands, as nearly all are: reading one by the book takes a while.
_PLAIN = re.compile(r"[a-z0-9_-]+([.+][a-z0-9_-]+)*@([a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?\.)+[a-z]{2,60}")


@lru_cache(maxsize=8)
def _address(address: str) -> str:
    """As it is said to a server. The sender's is mostly the same."""
    return address if _PLAIN.fullmatch(address) else sanitize_address(address, "utf-8")


def _server(backend: EmailBackend) -> smtplib.SMTP:
    return cast(smtplib.SMTP, backend.connection)


def _why(error: Exception) -> str:
    """smtplib reports a silence as a line that was closed."""
    return type(error.__context__ if isinstance(error.__context__, TimeoutError) else error).__name__
