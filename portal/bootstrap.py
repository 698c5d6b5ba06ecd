"""The first thing that runs: make `.venv`, install a lock into it, go on inside it. Standard library only.

`up`, `test` and `install` may do so; any other command runs with the Python it was called with, or says what to do.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from portal import testing, up

PROJECT = Path(__file__).resolve().parent.parent
VIRTUAL_ENVIRONMENT = PROJECT / ".venv"
# Each contains all that stand before it, in the same versions.
LOCKS = {
    "production": PROJECT / "requirements.txt",
    "embedded": PROJECT / "requirements" / "embedded.txt",
    "test": PROJECT / "requirements" / "test.txt",
    "tools": PROJECT / "requirements" / "tools.txt",
}
# The Python of many systems comes without pip and ensurepip. A wheel of pip runs as it is, so one is kept here.
PIP_WHEEL = PROJECT / "requirements" / "pip-26.3-py3-none-any.whl"


class InstallationFailed(Exception):
    """pip could not install a lock; its own words are on the terminal already."""


def main(arguments: Sequence[str]) -> int:
    command = arguments[1] if len(arguments) > 1 else ""
    os.chdir(PROJECT)
    try:
        if command == "up":
            continue_in_virtual_environment(arguments, lock=lock_for_up())
            return up.main(arguments[2:])
        if command == "test":
            continue_in_virtual_environment(arguments, lock="test")
            return testing.main(arguments[2:])
        if command == "install":
            return install_command(arguments[2:])
    except InstallationFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return run_django_command(arguments)


def install_command(arguments: Sequence[str]) -> int:
    """For CI and editors: fill `.venv` from one lock and stop there."""
    if len(arguments) != 1 or arguments[0] not in LOCKS:
        print(f"usage: manage.py install [{'|'.join(LOCKS)}]", file=sys.stderr)
        return 2
    install(arguments[0])
    return 0


def run_django_command(arguments: Sequence[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        management = importlib.import_module("django.core.management")
        exceptions = importlib.import_module("django.core.exceptions")
    except ModuleNotFoundError:
        again = " ".join([".venv/bin/python manage.py", *arguments[1:]])
        print(f"This Python has no Django. Run `python3 manage.py up` once; then `{again}`.", file=sys.stderr)
        return 1
    try:
        management.execute_from_command_line(list(arguments))
    except exceptions.ImproperlyConfigured as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def lock_for_up() -> str:
    """The embedded broker's wheel is made for glibc and macOS; elsewhere that one wheel would stop everything."""
    on_musl = sys.platform == "linux" and platform.libc_ver()[0] != "glibc"
    return "production" if on_musl else "embedded"


def continue_in_virtual_environment(arguments: Sequence[str], *, lock: str) -> None:
    """Return only inside `.venv`, with the lock installed; outside, become the Python in there."""
    install(lock)
    if Path(sys.prefix).resolve() != VIRTUAL_ENVIRONMENT.resolve():
        python = str(python_of(VIRTUAL_ENVIRONMENT))
        sys.stdout.flush()
        os.execv(python, [python, str(PROJECT / "manage.py"), *arguments[1:]])  # noqa: S606


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def install(lock: str, *, environment: Path = VIRTUAL_ENVIRONMENT, locks: Mapping[str, Path] = LOCKS) -> None:
    """Install the lock unless exactly this lock was installed before. Two callers at once: the second one waits."""
    environment.mkdir(parents=True, exist_ok=True)
    record = environment / "installed-locks.json"
    with only_one_installer(environment):
        if not starts(python_of(environment)):
            record.unlink(missing_ok=True)
            make_virtual_environment(environment)
        installed: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        current = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in locks.items()}
        enough = list(locks)[list(locks).index(lock) :]
        if any(installed.get(name) == current[name] for name in enough):
            return
        install_packages(locks[lock], environment)
        # A lock that was installed at another version of itself no longer describes what is there.
        still_true = {name: value for name, value in installed.items() if current.get(name) == value}
        replace_text(record, json.dumps({**still_true, lock: current[lock]}))


def starts(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def make_virtual_environment(environment: Path) -> None:
    say(f"Making {environment.name} with Python {platform.python_version()} ...")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", environment], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise InstallationFailed(f"Python could not make a virtual environment:\n{made.stdout}{made.stderr}")


def install_packages(lock: Path, environment: Path) -> None:
    count = sum(1 for line in lock.read_text().splitlines() if line[:1].isalnum())
    say(f"Installing {count} packages from {lock.name} (once; this can take a minute or two) ...")
    began = time.monotonic()
    pip = subprocess.Popen(
        [
            python_of(environment),
            PIP_WHEEL / "pip",
            "install",
            "--require-hashes",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar=off",
            "--requirement",
            lock,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    done = 0
    other_lines: list[str] = []
    with pip:
        for line in pip.stdout or ():
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                done += 1
                if done % 10 == 0:
                    say(f"  {done} of {count} packages, {time.monotonic() - began:.0f} s")
            elif line.startswith("Installing collected packages"):
                say(f"  all fetched, now unpacking, {time.monotonic() - began:.0f} s")
            else:
                other_lines.append(line)
    if pip.returncode != 0:
        said = "".join(line for line in other_lines if not line.startswith(("  ", "Using cached")))
        raise InstallationFailed(f"pip could not install {lock.name}:\n{said}")
    say(f"Installed in {time.monotonic() - began:.0f} s.")


@contextmanager
def only_one_installer(environment: Path) -> Iterator[None]:
    with (environment / "install.lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        yield


def replace_text(path: Path, text: str) -> None:
    """Write beside it and rename, so that nobody reads half of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)


def say(sentence: str) -> None:
    print(sentence, flush=True)
