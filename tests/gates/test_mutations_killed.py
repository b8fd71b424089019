# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test fails for each mutation that is written down in tests/mutations/by_hand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from collection_path import CHECKOUT
from mutations import changed


def _run(*words):
    """The last lines of a run in processes without any test that is imported here; asserts that all were killed."""
    command = [sys.executable, CHECKOUT / "tests" / "mutations" / "run.py", "hand", *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-2:]


@pytest.mark.full
def test_every_mutation_is_killed(record_property):
    record_property("summary", f"by hand: {', '.join(_run())}")


def test_mutations_of_changed_files_are_killed():
    commit = changed.default_commit()
    if commit is None:
        pytest.skip("git does not know an earlier commit")
    _run("--since", commit)
