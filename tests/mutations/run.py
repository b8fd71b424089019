# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the mutations: does a test fail for each of them? See README.md beside this file."""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from mutations import table
from mutations.list import MUTATIONS
from mutations.mutation import AREAS
from mutations.tree import NotATestFailure, Tree
from suite.belts import fix_seed

CHECKOUT = Path(__file__).resolve().parents[2]
#: {belt: options of pytest}, from the quickest belt to the slowest. A mutation of a driver must not survive quick.
BELTS = {"quick": ("--quick",), "full": ()}
#: What pytest runs for a whole belt: all tests that need no world.
PATHS = ("tests/unit", "tests/platforms/hyperv", "tests/platforms/windows", "tests/platforms/wsl")
#: Seconds for the first tests of a mutation, and for a whole belt.
_FIRST_LIMIT, _BELT_LIMIT = 600, 7200
_KILLED, _SURVIVED, _UNKNOWN, _ERROR = "killed", "survived", "unknown", "error"


@dataclass(frozen=True)
class Outcome:
    """``text`` is the id of the test that failed, or what went wrong."""

    mutation: object
    verdict: str
    text: Optional[str] = None

    def line(self):
        texts = {
            _KILLED: f"killed by {self.text}",
            _SURVIVED: "SURVIVED",
            _UNKNOWN: "not killed by its first tests",
            _ERROR: f"ERROR: {self.text}",
        }
        return f"{self.mutation.id}: {texts[self.verdict]}"


def _with_first_tests(tree, mutation, options):
    """The Outcome of the mutation's first tests."""
    with tree.copy(mutation):
        failed = tree.pytest(mutation.first, _FIRST_LIMIT, ("-x", *BELTS[options.belt])) if mutation.first else []
    return Outcome(mutation, _KILLED, failed[0]) if failed else Outcome(mutation, _UNKNOWN)


def _with_whole_belt(tree, mutation, options):
    with tree.copy(mutation):
        failed = tree.pytest(PATHS, _BELT_LIMIT, ("-x", *BELTS[options.belt], *_parallel(options)))
    return Outcome(mutation, _KILLED, failed[0]) if failed else Outcome(mutation, _SURVIVED)


def _with_tests(tree, mutation, options, tests):
    """The Outcome where only ``tests`` can still kill the mutation."""
    with tree.copy(mutation):
        failed = tree.pytest(tests, _BELT_LIMIT) if tests else []
    return Outcome(mutation, _KILLED, failed[0]) if failed else Outcome(mutation, _SURVIVED)


def _parallel(options):
    return ("-n", str(options.processes)) if options.processes > 1 else ()


def _each(work, act, mutations, options):
    """The Outcomes of ``act(tree, mutation, options)``, some at the same time; each is printed."""
    trees = queue.SimpleQueue()
    for number in range(options.jobs):
        trees.put(Tree(CHECKOUT, work, f"copy-{number}"))

    def tried(numbered):
        number, mutation = numbered
        tree, began = trees.get(), time.monotonic()
        try:
            outcome = act(tree, mutation, options)
        except (NotATestFailure, ValueError) as error:
            outcome = Outcome(mutation, _ERROR, str(error))
        finally:
            trees.put(tree)
        print(f"[{number}/{len(mutations)}] {outcome.line()} ({time.monotonic() - began:.0f} s)", flush=True)
        return outcome

    with ThreadPoolExecutor(max_workers=options.jobs) as pool:
        return list(pool.map(tried, enumerate(mutations, 1)))


def _all_in_one_belt(work, mutations, options):
    """Run the belt once with many mutations, then each mutation alone with the tests that failed."""
    outcomes = []
    for group in _groups(mutations):
        print(f"Run the whole belt with {len(group)} mutations at once.", flush=True)
        tree = Tree(CHECKOUT, work, "together")
        with tree.copy(*group):
            failed = tree.pytest(PATHS, _BELT_LIMIT, (*BELTS[options.belt], *_parallel(options)))
        failed = sorted(set(failed) - _failing(work, failed))
        outcomes += _each(work, partial(_with_tests, tests=failed), group, options)
    return outcomes


def _groups(mutations):
    """Lists of mutations; no two of one list are in one file, where a fault could hide another."""
    groups = []
    for one in mutations:
        path, _content = one.apply(CHECKOUT)
        group = next((group for group in groups if path not in group), None)
        if group is None:
            groups.append(group := {})
        group[path] = one
    return [list(group.values()) for group in groups]


def _failing(work, tests):
    """Those of ``tests`` that fail without a mutation too."""
    if not tests:
        return set()
    tree = Tree(CHECKOUT, work, "clean")
    with tree.copy():
        return set(tree.pytest(sorted(set(tests)), _BELT_LIMIT, options=()))


def _tried(work, mutations, options):
    """The Outcome of each mutation. Only a test that passes on the clean copy kills."""
    outcomes = _each(work, _with_first_tests, mutations, options)
    left = [outcome.mutation for outcome in outcomes if outcome.verdict == _UNKNOWN]
    if left and not options.first:
        print(f"{len(left)} mutations are not killed by their first tests.", flush=True)
        by_belt = (
            _all_in_one_belt(work, left, options) if options.together else _each(work, _with_whole_belt, left, options)
        )
        outcomes = [*(outcome for outcome in outcomes if outcome.verdict != _UNKNOWN), *by_belt]
    failing = _failing(work, [outcome.text for outcome in outcomes if outcome.verdict == _KILLED])
    return [_without(outcome, failing) for outcome in outcomes]


def _without(outcome, failing):
    if outcome.verdict != _KILLED or outcome.text not in failing:
        return outcome
    return Outcome(outcome.mutation, _ERROR, f"{outcome.text} fails without the mutation too")


def _rows(outcomes, recorded, belt):
    """The rows of all mutations, those of this run brought up to date."""
    rows = dict(recorded)
    for outcome in outcomes:
        if outcome.verdict in (_KILLED, _SURVIVED):
            one = outcome.mutation
            rows[one.id] = table.merged(rows.get(one.id), one, belt, outcome.text)
    return [rows[one.id] for one in MUTATIONS if one.id in rows]


def _lost(outcomes, recorded, belt):
    """The recorded kills of this belt that it does not make any more."""
    return [
        outcome.mutation.id
        for outcome in outcomes
        if outcome.verdict in (_SURVIVED, _UNKNOWN)
        and outcome.mutation.id in recorded
        and recorded[outcome.mutation.id].belt == belt
    ]


def _report(outcomes, lost):
    counts = {verdict: [one for one in outcomes if one.verdict == verdict] for verdict in (_KILLED, _SURVIVED, _ERROR)}
    print(", ".join(f"{len(found)} {verdict}" for verdict, found in counts.items()))
    for outcome in (*counts[_SURVIVED], *counts[_ERROR]):
        print(f"  {outcome.line()}")
    for name in lost:
        print(f"  {name}: was killed when the table was recorded, and is killed no more")


def _options(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--belt", choices=BELTS, default="quick", help="the tests to run (default: quick)")
    parser.add_argument("--only", nargs="+", metavar="ID", choices=[one.id for one in MUTATIONS], default=[])
    parser.add_argument("--area", nargs="+", choices=AREAS, default=AREAS)
    parser.add_argument("--first", action="store_true", help="only the first tests of each mutation")
    parser.add_argument("--together", action="store_true", help="run the whole belt once for all that are left")
    parser.add_argument("--jobs", type=int, default=1, help="mutations at the same time")
    parser.add_argument("--processes", type=int, default=1, help="processes of pytest for a whole belt")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table, such as tests/mutations/table.md")
    return parser.parse_args(words)


def main(words=None):
    """0; 1 where a recorded kill is lost; 2 where nothing could be found out about a mutation."""
    options = _options(words)
    # A run takes hours, and a test that failed runs again by its id.
    fix_seed()
    chosen = [one for one in MUTATIONS if one.area in options.area and (not options.only or one.id in options.only)]
    recorded = table.read()
    with tempfile.TemporaryDirectory(prefix="polyvirt-mutations-") as folder:
        outcomes = _tried(Path(folder), chosen, options)
    lost = _lost(outcomes, recorded, options.belt)
    _report(outcomes, lost)
    if options.output:
        options.output.write_text(table.written(_rows(outcomes, recorded, options.belt)), encoding="utf-8")
    if lost:
        return 1
    return 2 if any(outcome.verdict == _ERROR for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
