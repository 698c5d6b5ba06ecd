"""Many seasons under every rule, on all processors."""

import random
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context

import django
from django.db import connection

from bookings.management.simulation.figures import Figures
from bookings.management.simulation.play import Play
from bookings.management.simulation.rules import Rule
from bookings.management.simulation.season import fill_season
from bookings.management.simulation.world import own_world


def simulate(rules: Sequence[Rule], *, seasons: int, sessions: int, seed: int) -> list[Figures]:
    """The figures of each rule, added up over the seasons. Every season is a process's own world."""
    play = partial(play_season, rules=rules, sessions=sessions, seed=seed)
    added = [Figures() for _rule in rules]
    # A new interpreter each: a fork would share what this process has open.
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=django.setup) as processes:
        for season in processes.map(play, range(seasons)):
            for sum_of_rule, figures in zip(added, season, strict=True):
                sum_of_rule.add(figures)
    return added


def play_season(number: int, *, rules: Sequence[Rule], sessions: int, seed: int) -> list[Figures]:
    """The same season under each rule: the same parties have the same plans and the same luck."""
    name = f"{seed}/{number}"
    with own_world(), closing(sqlite3.connect(":memory:")) as filled:
        plans = fill_season(sessions=sessions, chance=random.Random(name))  # noqa: S311
        connection.connection.backup(filled)
        outcomes = []
        for rule in rules:
            filled.backup(connection.connection)
            outcomes.append(Play(plans, dice=name).under(rule))
    return outcomes
