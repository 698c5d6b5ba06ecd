"""A wire to PostgreSQL that breaks once, where a test says: before a statement arrives or before its answer is back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from django.db import connection


class Breaks(Enum):
    BEFORE_IT_ARRIVES = auto()
    BEFORE_ITS_ANSWER_IS_BACK = auto()


class Wire:
    def __init__(self, folder: Path, server: tuple[str, int]) -> None:
        self.folder = folder
        self.server = server
        self.breaks: Breaks | None = None
        self.at = b""
        self.was_cut = False
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / ".s.PGSQL.5432"))
        self.listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, statement: bytes, breaks: Breaks) -> None:
        self.at, self.breaks = statement, breaks

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _address = self.listening.accept()
                threading.Thread(target=self._carry, args=(ours,), daemon=True).start()

    def _dial(self) -> socket.socket:
        host, port = self.server
        if not host.startswith("/"):
            return socket.create_connection((host or "127.0.0.1", port))
        theirs = socket.socket(socket.AF_UNIX)
        theirs.connect(f"{host}/.s.PGSQL.{port}")
        return theirs

    def _carry(self, ours: socket.socket) -> None:
        with ours, self._dial() as theirs:
            back = threading.Thread(target=self._carry_back, args=(theirs, ours), daemon=True)
            back.start()
            with suppress(OSError):
                while said := ours.recv(65536):
                    if self.breaks and self.at in said:
                        breaks, self.breaks, self.was_cut = self.breaks, None, True
                        if breaks is Breaks.BEFORE_ITS_ANSWER_IS_BACK:
                            ours.shutdown(socket.SHUT_RDWR)  # What comes back finds nobody.
                            theirs.sendall(said)
                            back.join()  # ... but the server has done it.
                        break
                    theirs.sendall(said)
            for end in (ours, theirs):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            back.join()

    def _carry_back(self, theirs: socket.socket, ours: socket.socket) -> None:
        with suppress(OSError):
            while said := theirs.recv(65536):
                ours.sendall(said)


@contextmanager
def through_a_wire(folder: Path) -> Iterator[Wire]:
    """This thread's connection goes over a wire of its own meanwhile."""
    given = connection.settings_dict
    before = {"HOST": given["HOST"], "PORT": given["PORT"]}
    wire = Wire(folder, (str(given["HOST"]), int(given["PORT"] or 5432)))
    connection.close()
    given.update(HOST=str(folder), PORT="")
    try:
        yield wire
    finally:
        connection.close()
        given.update(before)
        wire.listening.close()
