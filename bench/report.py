"""What was measured, as one table: figure, what the peer takes, what is to be reached, what was, and ratios."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("Django", "psycopg", "gunicorn", "granian", "celery", "whitenoise")


@dataclass(frozen=True)
class Figure:
    """One row. ``beside`` is the ratio to the floor app, to "hello" or to `pgbench`, measured in the same run."""

    name: str
    reached: str
    peer: str = ""
    target: str = ""
    is_reached: bool | None = None
    beside: str = ""

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "**no**", None: ""}[self.is_reached]


HEADS = ("figure", "peer", "to reach", "reached", "", "beside")


def table(figures: Iterable[Figure]) -> str:
    """In Markdown, in columns that can be read as they are."""
    rows = [[row.name, row.peer, row.target, row.reached, row.verdict, row.beside] for row in figures]
    widths = [max(len(cell) for cell in column) for column in zip(HEADS, *rows, strict=True)]
    lines = [list(HEADS), ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def machine(postgres: str, broker: str) -> list[str]:
    """Where and with what: cores, memory, system, versions, commit."""
    return [
        f"{cpu_name()}, {cores()} cores, {memory_gib():.0f} GiB, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, {postgres}, {broker}",
        ", ".join(f"{package} {found}" for package in PACKAGES if (found := package_version(package))),
        f"commit {commit()}",
    ]


def write(figures: Sequence[Figure], notes: Sequence[str], *, about: Sequence[str], began: datetime, name: str) -> Path:
    """To ``bench/results``, a file a day; a run of some parts only says which in its name."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{began:%Y-%m-%d}{name}.md"
    text = [f"# Measured {began:%Y-%m-%d %H:%M} UTC", "", *(f"- {line}" for line in about), "", table(figures), ""]
    path.write_text("\n".join([*text, *notes]).rstrip() + "\n")
    return path


def package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    return Path("/proc/cpuinfo").read_text().count("processor\t:")


def memory_gib() -> float:
    return int(Path("/proc/meminfo").read_text().split()[1]) / 2**20


def commit() -> str:
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"
