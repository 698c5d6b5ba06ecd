"""The same GET over and over, over kept connections: requests a second, with as little work of our own as Python can.

Counts answers and looks at their status; cookies and pages are nobody's. `wrk` does the same for less, but is not
everywhere, and CPU decides, of which ours is left out.
"""

import select
import socket
import time
from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

HEAD_ENDS = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"
CHUNKED = b"\r\ntransfer-encoding: chunked"
LAST_CHUNK = b"\r\n0\r\n\r\n"
AT_ONCE = 32


class Hammered(NamedTuple):
    answers: int
    errors: int
    seconds: float

    @property
    def a_second(self) -> float:
        return self.answers / self.seconds


class Line:
    """One connection: what it sends again and again, and how much of the present answer is still to come."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port, self.request = port, request
        self.heard = b""
        self.missing = -1
        self.is_ok = True
        self.closes = False
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def ask(self) -> None:
        self.heard, self.missing = b"", -1
        self.socket.sendall(self.request)

    def hear(self) -> bool:
        """Whether the answer is whole. Raises ConnectionError."""
        told = self.socket.recv(262_144)
        if not told:
            raise ConnectionError
        if self.missing >= 0:
            self.missing -= len(told)
            return self.missing <= 0
        self.heard += told
        end = self.heard.find(HEAD_ENDS)
        if end < 0:
            return False
        head = self.heard[:end].lower()
        self.is_ok = head[9:12] == b"200"
        self.closes = b"\r\nconnection: close" in head
        at = head.find(LENGTH)
        if at < 0 and CHUNKED in head:
            return self.heard.endswith(LAST_CHUNK)
        if at < 0:
            raise ConnectionError("an answer without a length")
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])
        self.missing = length - (len(self.heard) - end - len(HEAD_ENDS))
        return self.missing <= 0

    def begin_anew(self) -> None:
        self.socket.close()
        self.socket = self._connect()
        self.closes = False


class Who(NamedTuple):
    """Asks over one connection."""

    address: str = "10.1.2.3"
    cookies: str = ""


ANYBODY = (Who(),)


def hammer(
    port: int, path: str, *, seconds: float, at_once: int = AT_ONCE, visitors: Sequence[Who] = ANYBODY
) -> Hammered:
    """GET this path for so long. An answer that is not 200 is an error, as is a connection that breaks.

    Connections are opened one after the other, each when the last was answered, so that every process of the server
    takes its part of them. Opened at once they often fall to one process, whose threads then hold each other up:
    1.6 times the CPU of an answer.
    """
    lines: dict[int, Line] = {}
    answers = errors = 0
    with select.epoll() as poll:
        for _number, visitor in zip(range(at_once), cycle(visitors), strict=False):
            line = Line(port, written(port, path, visitor))
            line.ask()
            while not line.hear():
                pass
            if line.closes:
                line.begin_anew()
            lines[line.socket.fileno()] = line
        for number, line in lines.items():
            poll.register(number, select.EPOLLIN)
            line.ask()
        began = time.monotonic()
        ends = began + seconds
        while (now := time.monotonic()) < ends:
            for number, _event in poll.poll(ends - now):
                line = lines[number]
                try:
                    if not line.hear():
                        continue
                    answers += line.is_ok
                    errors += not line.is_ok
                    if not line.closes:
                        line.ask()
                        continue
                except ConnectionError:
                    errors += 1
                del lines[number]
                poll.unregister(number)
                line.begin_anew()
                lines[line.socket.fileno()] = line
                poll.register(line.socket.fileno(), select.EPOLLIN)
                line.ask()
        taken = time.monotonic() - began
    for line in lines.values():
        line.socket.close()
    return Hammered(answers, errors, taken)


def written(port: int, path: str, visitor: Who) -> bytes:
    cookies = f"Cookie: {visitor.cookies}\r\n" if visitor.cookies else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nAccept-Language: en\r\n"
        f"X-Forwarded-For: {visitor.address}\r\nX-Forwarded-Proto: http\r\n{cookies}\r\n"
    ).encode()
