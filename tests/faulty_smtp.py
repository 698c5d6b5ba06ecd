"""A mail server that fails as it is told: at a named point of the dialogue it answers no, falls silent, is slow, or is
gone. It tells when a point was reached, so that a test can kill a worker right there."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import NamedTuple

# In the order of the dialogue. At TEXT half of the mail is read; at DOT the server has it, and nobody knows yet;
# at TAKEN it has said so.
POINTS = ["connect", "ehlo", "mail", "rcpt", "data", "text", "dot", "taken"]
USUAL = {
    "connect": "220 ready",
    "ehlo": "250 hello",
    "mail": "250 ok",
    "rcpt": "250 ok",
    "data": "354 go on",
    "dot": "250 taken",
}


class Fault(NamedTuple):
    """An ``answer`` in place of the usual one; ``hangs`` until it is let go; ``slow`` by seconds; then ``drops``."""

    answer: str = ""
    hangs: bool = False
    drops: bool = False
    slow: float = 0


class Gone(Exception):
    """The line is closed, by either side."""


class Copy(NamedTuple):
    message_id: str
    recipient: str


@dataclass
class FaultyServer:
    faults: dict[str, Fault] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    connections: int = 0
    reached: dict[str, threading.Event] = field(default_factory=lambda: {point: threading.Event() for point in POINTS})
    let_go: threading.Event = field(default_factory=threading.Event)
    ended: bool = False

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def recover(self) -> None:
        """From now on all is well."""
        self.faults.clear()
        self.let_go.set()

    def arrived(self) -> Counter[str]:
        """How often each notice arrived, by its Message-ID."""
        return Counter(copy.message_id for copy in self.copies)

    def close(self) -> None:
        self.ended = True
        self.recover()
        self.listener.close()

    def _listen(self) -> None:
        while not self.ended:
            try:
                line, _address = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=[line], daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as heard:
            try:
                self._answer(line, "connect")
                recipient = ""
                while words := heard.readline().decode("ascii", "replace").strip():
                    command = words.split(":")[0].lower().split()[0]
                    if command == "quit":
                        line.sendall(b"221 bye\r\n")
                        return
                    if command == "rcpt":
                        recipient = words.partition("<")[2].partition(">")[0]
                    if command not in USUAL:
                        line.sendall(b"250 ok\r\n")
                    elif self._answer(line, command) and command == "data":
                        self._take(line, heard, recipient)
            except (OSError, Gone):
                return

    def _take(self, line: socket.socket, heard: "Iterator[bytes]", recipient: str) -> None:
        text = [next(heard, b"") for _line in range(10)]
        self._point("text")
        for each in heard:
            if each == b".\r\n":
                break
            text.append(each)
        else:
            raise Gone
        if not self._is_no("dot"):
            message = message_from_bytes(b"".join(text))
            self.copies.append(Copy(message["Message-ID"], recipient))
        self._answer(line, "dot")
        self._point("taken")

    def _is_no(self, point: str) -> bool:
        return self.faults.get(point, Fault()).answer[:1] in ("4", "5")

    def _answer(self, line: socket.socket, point: str) -> bool:
        answer = self._point(point) or USUAL[point]
        line.sendall(f"{answer}\r\n".encode())
        return answer[0] in "23"

    def _point(self, point: str) -> str:
        """Fail here as told; returns the answer that is told."""
        fault = self.faults.get(point, Fault())
        self.reached[point].set()
        if fault.slow or fault.hangs:
            self.let_go.wait(timeout=fault.slow or None)
        if fault.drops:
            raise Gone
        return fault.answer


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    try:
        yield server
    finally:
        server.close()
