# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated mutants, and the tests that run their code."""

from __future__ import annotations

from functools import partial

from collection_path import CHECKOUT
from mutations import operators, warm
from mutations.reach import Reached, Recorder, folder_of, is_mirrored
from mutations.trials import Trial, each
from suite.limits import scaled

#: Seconds for all tests of a folder.
_LIMIT = 3600


def of_lines(path, lines=None):
    """The mutants of a file of the product, or only those of some lines."""
    found = operators.mutants((CHECKOUT / path).read_bytes())
    return [mutant for mutant in found if lines is None or not lines.isdisjoint(mutant.lines)]


def trials(wanted):
    """A Trial for each (path, mutant), with the tests that run its line."""
    folders = {}
    for path, _mutant in wanted:
        folders.setdefault(folder_of(path), set()).add(path)
    reached = {}
    for folder, found in each(_reached, sorted(folders.items())):
        reached[folder] = found
    return [_trial(path, mutant, reached[folder_of(path)]) for path, mutant in wanted]


def _trial(path, mutant, reached):
    tests = reached.tests_of(path, mutant.statement)
    if not tests and not mutant.is_in_function:
        tests = reached.tests_of(path) or [test for test in reached.seconds if is_mirrored(test, path)]
    source = (CHECKOUT / path).read_bytes()
    name = f"{path}:{mutant.lines[0]}: {_short(mutant.old)} -> {_short(mutant.new)}"
    seconds = sum(reached.seconds[test] for test in tests)
    is_imported = mutant.is_in_function and not reached.imported.get(path, set()).isdisjoint(mutant.statement)
    new = mutant.source(source)
    return Trial(name, path, source, new, tuple(tests), seconds, are_passing=True, is_cold=is_imported)


def _short(code):
    line = " ".join(code.split())
    return line if len(line) <= 60 else f"{line[:28]} ... {line[-27:]}"


def _reached(folder_and_files):
    folder, files = folder_and_files
    if not (CHECKOUT / folder).is_dir():  # Documentation only.
        return folder, Reached()
    return folder, warm.in_fork(partial(_recorded, ["--quick", folder], files), scaled(_LIMIT)) or Reached()


def _recorded(words, files):
    return warm.in_checkout(CHECKOUT, lambda: warm.pytest_main(words, Recorder(CHECKOUT, files)).reached)
