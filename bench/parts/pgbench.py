"""What PostgreSQL can do on this machine in this hour: reads by key, and small writes that are on the disk."""

import re
import shutil
import subprocess
from pathlib import Path

from bench.report import Figure
from bench.run import Run

SCALE = 10
CLIENTS = 8
SECONDS = 5
KINDS = {"reads (-S)": ["-S"], "simple updates (-N)": ["-N"]}


def measure(run: Run) -> list[Figure]:
    found = rates(run, KINDS)
    return [
        Figure(f"pgbench {kind}, {CLIENTS} clients, transactions/s", f"{each:.0f}") for kind, each in found.items()
    ] or [Figure("pgbench", "is not on this machine")]


def commits_a_second(run: Run) -> float:
    """Infinite where there is no pgbench to tell."""
    return rates(run, {"-N": ["-N"]}).get("-N", float("inf"))


def rates(run: Run, kinds: dict[str, list[str]]) -> dict[str, float]:
    """Transactions a second of each kind; none without the program."""
    beside = run.servers.postgres.binaries / "pgbench"
    found = str(beside) if beside.exists() else shutil.which("pgbench")
    if not found:
        return {}
    environment = {"PGHOST": str(run.servers.postgres.folder), "PGUSER": "portal", "PATH": str(Path(found).parent)}
    said(["createdb", "pgbench"], environment)
    try:
        said([found, "-i", "-q", "-s", str(SCALE), "pgbench"], environment)
        return {kind: rate(found, options, environment) for kind, options in kinds.items()}
    finally:
        said(["dropdb", "pgbench"], environment)


def rate(pgbench: str, options: list[str], environment: dict[str, str]) -> float:
    command = [pgbench, *options, "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS), "pgbench"]
    told = said(command, environment)
    found = re.search(r"tps = ([\d.]+)", told)
    return float(found[1]) if found else 0.0


def said(command: list[str], environment: dict[str, str]) -> str:
    path = shutil.which(command[0], path=environment["PATH"]) or command[0]
    return subprocess.run([path, *command[1:]], env=environment, check=True, capture_output=True, text=True).stdout
