"""What handing over many reminders costs: a beat, a worker of two processes, and a mail server that keeps each mail on
the disk, while so many reminders come due at one moment. Beside it, in the same run and to the same server, one bare
loop of smtplib with a text that is ready. Last, what of a worker's CPU goes where."""

from bench import mail_run
from bench.report import Figure
from bench.run import Run

SIZES = (960, 10_000, 100_000)


def measure(_run: Run) -> list[Figure]:
    mail_run.main(SIZES)
    return []
