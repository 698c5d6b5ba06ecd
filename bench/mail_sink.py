"""A mail server in a process of its own that keeps each mail as real ones do: on the disk before it says yes.

`python -m bench.mail_sink FOLDER` writes to FOLDER: `port` where it listens; `mails` the texts; `arrivals` a line for
each mail, with the seconds since the epoch, its recipient, and the link to the party's page where there is one.
"""

import email
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

ANSWERS = {b"EHLO": b"250 sink", b"MAIL": b"250 ok", b"RCPT": b"250 ok", b"DATA": b"354 go on", b"QUIT": b"221 bye"}
LINK = re.compile(rb"https?://\S+/visit/[\w-]+/[\w-]+/")


def main() -> None:
    folder = Path(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    (folder / ".port").write_text(str(listener.getsockname()[1]))
    (folder / ".port").rename(folder / "port")
    with (folder / "mails").open("ab") as mails, (folder / "arrivals").open("a", buffering=1) as arrivals:
        lock = threading.Lock()

        def keep(text: bytes, recipient: str) -> None:
            with lock:
                mails.write(text)
                mails.flush()
                os.fsync(mails.fileno())
                arrivals.write(f"{time.time():.6f} {recipient} {link_in(text)}\n")

        while True:
            line, _address = listener.accept()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=talk, args=[line, line.makefile("rb"), keep], daemon=True).start()


def talk(line: socket.socket, heard: BinaryIO, keep: Callable[[bytes, str], None]) -> None:
    recipient = ""
    line.sendall(b"220 sink\r\n")
    for words in heard:
        command = words[:4].upper()
        if command == b"RCPT":
            recipient = words.decode().partition("<")[2].partition(">")[0]
        line.sendall(ANSWERS.get(command, b"250 ok") + b"\r\n")
        if command == b"QUIT":
            break
        if command == b"DATA":
            text = []
            for each in heard:
                if each == b".\r\n":
                    break
                text.append(each)
            keep(b"".join(text), recipient)
            line.sendall(b"250 kept\r\n")
    line.close()


def link_in(text: bytes) -> str:
    """Of the plain text, which is its first part."""
    parts = email.message_from_bytes(text).walk()
    payload = next(part for part in parts if not part.is_multipart()).get_payload(decode=True)
    found = LINK.search(payload) if isinstance(payload, bytes) else None
    return found[0].decode() if found else ""


if __name__ == "__main__":
    main()
