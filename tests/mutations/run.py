# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a test fail for each mutant? See README.md beside this file."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from collection_path import CHECKOUT
from mutations import changed, generated, trials
from mutations.mutation import by_hand


def _say(text):
    print(text, flush=True)


def _shown(outcome):
    return f"  {outcome.trial.name}" + ("" if outcome.verdict == trials.SURVIVED else f" ({outcome.verdict})")


def _try(made, began):
    """Print each mutant that is not killed, and the numbers; return how many are not killed."""
    counts, left = Counter(), 0
    for outcome in trials.run(made):
        counts[outcome.verdict] += 1
        if not outcome.is_killed:
            left += 1
            _say(_shown(outcome))
    numbers = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    _say(f"{len(made)} mutants made, {len(made) - left} killed, {left} not ({numbers})")
    _say(f"{time.monotonic() - began:.0f} s")
    return left


def _generated(wanted, began):
    """Try generated mutants; their survivors fail nothing."""
    _say(f"{len(wanted)} mutants of {len({path for path, _mutant in wanted})} files")
    _try(generated.trials(wanted), began)
    return 0


def of_changes(options, began):
    """The mutants of the lines that have changed."""
    commit = options.commit or changed.default_commit()
    lines = changed.lines_since(commit, "plugins/*.py")
    found = [(path, mutant) for path in sorted(lines) for mutant in generated.of_lines(path, lines[path])]
    _say(f"Lines of plugins that have changed since {commit}")
    return _generated(found, began)


def of_sample(options, began):
    """Some mutants of the whole product, chosen by the seed of the run."""
    files = sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "plugins").rglob("*.py"))
    found = [(path, mutant) for path in files for mutant in generated.of_lines(path)]
    seed = int(os.environ.get("POLYVIRT_TEST_SEED") or 1)
    _say(f"{options.number} of {len(found)} mutants, seed {seed}")
    return _generated(random.Random(seed).sample(found, options.number), began)


def of_hand(options, began):
    """Those that are written down: each of them must be killed."""
    chosen = [one for one in by_hand() if not options.only or one.id in options.only]
    made = {one: one.trial(CHECKOUT) for one in chosen}
    if options.changed:
        commit = changed.default_commit()
        paths = changed.lines_since(commit).keys() if commit else ()
        _say(f"By hand, of what has changed since {commit}")
        made = {one: trial for one, trial in made.items() if {one.source, trial.path, *trial.files}.intersection(paths)}
    return 1 if _try(list(made.values()), began) else 0


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("changes", help="mutants of the lines that have changed since a commit")
    command.add_argument("commit", nargs="?", help="default: where this branch left main; on main, HEAD~1")
    command.set_defaults(run=of_changes)
    command = commands.add_parser("sample", help="mutants of the whole product")
    command.add_argument("number", nargs="?", type=int, default=300)
    command.set_defaults(run=of_sample)
    command = commands.add_parser("hand", help="the mutations that are written down")
    command.add_argument("--changed", action="store_true", help="only those whose code, test or file has changed")
    command.add_argument("--only", nargs="+", metavar="ID", default=[])
    command.set_defaults(run=of_hand)
    options = parser.parse_args(words)
    return options.run(options, time.monotonic())


if __name__ == "__main__":
    sys.exit(main())
