"""How many are let in, how long things are kept, and how often a page looks again. Seconds, and parties a second."""

from math import log

# Let in while nothing has been measured, for each web process that was heard lately: about what one can serve. Later
# within the two below by how long admitted requests take (enter.lua).
PACE_OF_A_PROCESS = 30.0
PROCESSES_AT_LEAST = 2
UNHEARD = 60.0
SLOWEST = 0.5
FASTEST = 2000.0
# Until the first slow request the pace may double. A form comes back when it is written, a minute or two later, and
# what it costs is seen only then: above the first pace it grows only to twice the sign-ups that come back.
FASTER_AT_FIRST = 1.0
# What may come at once after a quiet moment: seconds of the pace, and never fewer parties.
BURST = 2.0
BURST_AT_LEAST = 5
# Turns for one that is taken, while fewer come to take theirs than may.
TURNS_WHILE_FEW_COME = 3.0
# An admitted request that takes longer, waiting for a free thread included, counts as slow; one in ten may.
SLOW = 1.0
SLOW_ONES_MAY_BE = 0.1
JUDGED_EVERY = 2.0
FASTER_BY = 0.2
# It doubles too after it fell, until this share of where it fell from: it may be the crowd at the door that was slow.
BACK_AT_ONCE = 0.5
# Over how long it is counted what comes back: forms come back in waves.
SEEN_OVER = 6.0
# Of what came back so long ago that less than this is left of it nothing is told.
FORGOTTEN = 0.05
# Slow while sign-ups come back: down to what came back, for so many can be served, and at once by this at most; not at
# all where nearly as many come back as are let in, or a machine that others use as well would slow down for ever.
AS_MANY_AS_COME_BACK = 0.8
SLOWER_AT_MOST_BY = 0.4
# Then nothing is judged until what was under way is through: as long as the longest took, and no longer than this.
UNDER_WAY_AT_MOST = 20.0
# Clocks of hosts, and of one that was set back.
CLOCKS_DIFFER_BY = 5.0
# Where one in ten stood so long before a thread was free, what comes back is what can be served: fewer are let in until
# those before the door are gone. A request that takes long for itself is not late; slowing down would not help it.
LATE = 5.0
SO_THAT_LATE_ONES_END = 0.8
# Slow, and none comes back.
SLOWER_BY = 0.7

# From when on those who come before the opening get a ticket, and from how many on they see the room.
BEFORE_OPENING = 3600.0
CROWD_BEFORE_OPENING = 20

TIME_FOR_THE_FORM = 900
TURN_KEPT = 900
TICKET_GOOD_FOR = 12 * 3600
# Whose page is so much later than its interval allows is away: its turn costs the others nothing.
AWAY_AFTER = 30

# Tickets of one address and of one network: this many, or this share of all where that is more.
OF_ONE = (20, 0.01)
OF_A_NETWORK = (60, 0.03)
# So many times that number while nobody has to wait: a school class at one address, but no store of tickets.
TIMES_WHEN_QUIET = 10

# Looks that a web process can answer beside its work; of all of them, what the one Redis can.
POLLS_OF_A_PROCESS = 120.0
MOST_POLLS = 3000.0
SHORTEST_INTERVAL = 2.0
# Whose turn comes sooner looks again when it comes; the others before.
SOON = 10.0
# With what `spread` adds still shorter than a turn is kept: no page sleeps through its turn.
LONGEST_INTERVAL = 810.0
LONGEST_BEFORE_OPENING = 270.0
# Of the first pace; pages that sleep do not reckon with a slower one.
HOPED = 0.5
# How often a page looks in the time that is left to wait.
LOOKS_ON_THE_WAY = 1.75

# For so long a process tells those who are not near what it saw of the line: of so many of it, evenly spread. Of those
# it told, such a share may be missing in the line.
VIEW_KEPT = 0.5
# Whose turn comes sooner asks the line: more than all turns that may be given meanwhile.
NEAR = 5.0
MARKS_OF_A_VIEW = 64
LOST_ONES_MAY_BE = 0.1


def at_first(processes: int) -> float:
    """Let in while nothing has been measured."""
    return PACE_OF_A_PROCESS * max(PROCESSES_AT_LEAST, processes)


def interval(place: int, *, waiting: int, pace: float, processes: int) -> float:
    """How long a page waits before it looks again.

    Grows with the way to go, so that the looks of a whole line grow with its logarithm only; above the budget of looks
    a second, everybody whose turn does not come soon looks more seldom, but nobody later than its turn.
    """
    to_go = place / pace
    if to_go <= SOON:
        return max(to_go, SHORTEST_INTERVAL)
    # A pace may be low for a moment only, and a page that sleeps does not hear when it rises.
    pace = max(pace, at_first(processes) * HOPED)
    to_go = max(place / pace, SOON)
    near, far = looks_a_second(waiting, pace=pace)
    most = polls_a_second(processes)
    asked_of_us = max(1.0, far / max(most - near, most / 2))
    return min(to_go / max(LOOKS_ON_THE_WAY / asked_of_us, 1.0), LONGEST_INTERVAL)


def polls_a_second(processes: int) -> float:
    """How many looks the web processes are meant to answer beside their work."""
    return min(POLLS_OF_A_PROCESS * max(PROCESSES_AT_LEAST, processes), MOST_POLLS)


def looks_a_second(waiting: int, *, pace: float) -> tuple[float, float]:
    """Of those whose turn comes soon, and of the others, if each looks as often as it would like."""
    soon = SOON * pace
    return pace * (1 + log(SOON / SHORTEST_INTERVAL)), LOOKS_ON_THE_WAY * pace * log(max(1.0, waiting / soon))


def interval_before_opening(place: int, *, left: float, early: int, pace: float, processes: int) -> float:
    """Seldom while the opening is far; at last until the visitor's own turn, so that the lucky are not let in late.

    Who reads its luck from that can draw again, as often as its network may hold tickets (``OF_ONE``) and no oftener.
    """
    between = min(max(early / polls_a_second(processes), 30.0), LONGEST_BEFORE_OPENING)
    if left > 1.5 * between:
        return between
    return min(left + 0.5 + place / pace, LONGEST_INTERVAL)


def rounded(number: int) -> int:
    """As people say it: 7, 40, 1,200."""
    digits = max(0, len(str(number)) - 2)
    step = 10**digits if number >= 100 else 5 if number >= 20 else 1
    return int(round(number / step) * step)
