# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try mutants, two at a time: does a test fail because of them?"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from collection_path import CHECKOUT
from mutations import warm
from mutations.tree import Tree
from suite.limits import scaled

KILLED, SURVIVED, ENDLESS, UNREACHED, FAILING = "killed", "survived", "did not end", "no test", "fails without it"
#: Another import is needed.
_COLD = "cold"
PROCESSES = 2
#: Mutants for one collection of the tests.
_BATCH = 25
#: Seconds for a mutant, plus some times as long as its tests take without it.
_LIMIT, _TIMES = 60, 10
_process = {}


@dataclass(frozen=True)
class Trial:
    """A file of the product with another content (bytes), and the tests that may fail, in this order."""

    name: str
    path: str
    old: bytes
    new: bytes
    tests: tuple
    #: How long the tests take without the mutant.
    seconds: float = 0
    are_passing: bool = False
    #: Whether the code runs while it is imported.
    is_cold: bool = False

    @property
    def needs_copy(self):
        return self.is_cold or not self.path.endswith(".py")

    @property
    def files(self):
        return tuple(dict.fromkeys(test.partition("::")[0] for test in self.tests))

    def limit(self):
        return scaled(_LIMIT + _TIMES * self.seconds)


@dataclass(frozen=True)
class Outcome:
    trial: Trial
    verdict: str
    test: str = ""

    @property
    def is_killed(self):
        return self.verdict in (KILLED, ENDLESS)


def run(trials):
    """The Outcome of each trial, as they end."""
    reached = [trial for trial in trials if trial.tests]
    yield from (Outcome(trial, UNREACHED) for trial in trials if not trial.tests)
    cold = [trial for trial in reached if trial.needs_copy]
    others = [trial for trial in reached if not trial.needs_copy]
    others.sort(key=lambda trial: (trial.files, trial.path))
    with _pool() as pool:
        batches = [others[place : place + _BATCH] for place in range(0, len(others), _BATCH)]
        for outcomes in pool.imap_unordered(_warm, batches):
            cold += [outcome.trial for outcome in outcomes if outcome.verdict == _COLD]
            yield from (outcome for outcome in outcomes if outcome.verdict != _COLD)
        yield from pool.imap_unordered(_cold, cold)


def each(function, arguments):
    """The results of a function that forks of prepared processes call, as they come."""
    with _pool() as pool:
        yield from pool.imap_unordered(function, arguments)


@contextmanager
def _pool():
    warm.import_libraries()
    processes = multiprocessing.get_context("fork")
    with (
        tempfile.TemporaryDirectory(prefix="pvm-", ignore_cleanup_errors=True) as folder,
        processes.Pool(PROCESSES, _prepare, (folder, processes.Value("i"))) as pool,
    ):
        yield pool


def _prepare(folder, numbers):
    """Prepare a process of the pool: its own temporary files, and no bytecode of mutants in the cache."""
    with numbers.get_lock():
        numbers.value += 1
        place = Path(folder) / str(numbers.value)
    (place / "t").mkdir(parents=True)
    _process["folder"] = place
    os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(place / "t")
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(place / "hypothesis")
    os.environ["POLYVIRT_MUTATED_CHECKOUT"] = str(CHECKOUT)
    tempfile.tempdir = None


def _warm(batch):
    """The outcomes of trials in forks of one process that has imported what their tests need."""
    files = sorted({file for trial in batch for file in trial.files})
    limit = sum(trial.limit() for trial in batch)
    plugin = partial(warm.WarmTrials, batch, CHECKOUT)
    answers = warm.in_fork(lambda: warm.in_checkout(CHECKOUT, lambda: _answers(files, plugin())), limit)
    answers = answers if answers and len(answers) == len(batch) else [warm.COLD] * len(batch)
    # Whether the code of a mutation by hand runs at the import is not known.
    is_sure = {True: SURVIVED, False: _COLD}
    outcomes = [_outcome(trial, answer) for trial, answer in zip(batch, answers)]
    return [Outcome(one.trial, is_sure[one.trial.are_passing]) if one.verdict == SURVIVED else one for one in outcomes]


def _answers(words, plugin):
    return warm.pytest_main(words, plugin).answers


def _cold(trial):
    """The outcome of a trial in a copy of the checkout, by a process that has not imported the product."""
    tree = _process.get("tree") or Tree(CHECKOUT, _process["folder"] / "c")
    _process["tree"] = tree
    with tree.changed(trial.path, trial.new):
        try:
            return _outcome(trial, warm.in_fork(partial(_in_tree, tree, trial.tests), trial.limit()))
        except RuntimeError:  # pytest ends so if a conftest file cannot be imported.
            return Outcome(trial, KILLED, "an import")


def _in_tree(tree, tests):
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(tree.collections)
    os.environ["PYTHONPYCACHEPREFIX"] = warm.sys.pycache_prefix = str(tree.collections / "bytecode")
    return warm.in_checkout(tree.root, lambda: _first_failure(tests))


def _first_failure(tests):
    failures = warm.pytest_main(["-x", *tests], warm.FirstFailure())
    return failures.failed, failures.count


def _outcome(trial, answer):
    if answer is warm.NO_ANSWER:
        return Outcome(trial, ENDLESS)
    if answer == warm.FAILING:
        return Outcome(trial, FAILING)
    if answer == warm.COLD:
        return Outcome(trial, _COLD)
    return Outcome(trial, KILLED, answer[0]) if answer[0] else Outcome(trial, SURVIVED)
